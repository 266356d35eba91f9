"""Columns of a file as the questions that callers would have sent: the same values, the same refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.features import times
from plimsoll.serving import Form

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

Array = NDArray[Any]


class Columns(Mapping[str, "NDArray[Any]"]):
    """A record batch's columns as NumPy's, each made when it is read: a fallback reads two of thirty.

    Null is NaN, NaT or None; times are microseconds in UTC without a zone, as in every other file of questions. A row
    that does not say when it was asked (in the column ``asked_at``) was asked at ``asked_at_us``.
    """

    def __init__(self, batch: pa.RecordBatch, asked_at: str, asked_at_us: int) -> None:
        self._batch = batch
        self._names = tuple(dict.fromkeys((*batch.schema.names, asked_at)))
        self._made: dict[str, Array] = {asked_at: _asked(batch, asked_at, asked_at_us)}

    def __getitem__(self, name: str) -> Array:
        if name not in self._made:
            if name not in self._names:
                raise KeyError(name)
            self._made[name] = array_of(self._batch.column(name))
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _asked(batch: pa.RecordBatch, name: str, otherwise_us: int) -> NDArray[np.datetime64]:
    otherwise = np.datetime64(otherwise_us, "us")
    if name not in batch.schema.names:
        return np.full(len(batch), otherwise)
    told = times(array_of(batch.column(name)))
    return np.where(np.isnat(told), otherwise, told)


def array_of(column: pa.Array) -> Array:
    """One column. Whole numbers and booleans with nulls become objects: a float would not hold every one of them."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind):
        return np.asarray(column.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False))
    if pa.types.is_date(kind):
        return np.asarray(column.to_numpy(zero_copy_only=False).astype("datetime64[us]"))
    if pa.types.is_floating(kind) or (column.null_count == 0 and _is_plain(kind)):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    found = np.empty(len(column), dtype=object)
    found[:] = column.to_pylist()
    return found


def _is_plain(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def check_types(schema: pa.Schema, form: Form, names: Sequence[str], path: str) -> None:
    """Raises UsageError unless the file has every needed column, each of a type that the question's form takes."""
    for name in form.needed:
        if name not in schema.names:
            raise UsageError(
                f"{path} lacks the column {name!r}", hint=f"needed: {', '.join(form.needed)}; it has {_some(schema)}"
            )
    for name in names:
        if name not in schema.names:
            raise UsageError(f"{path} has no column {name!r}", hint=f"it has {_some(schema)}")
    for name, entry in form.entries.items():
        if name in schema.names and not _fits(schema.field(name).type, entry.kind):
            raise UsageError(
                f"{path}: the column {name!r} holds {schema.field(name).type}, and a question's is of kind {entry.kind!r}",
                hint="cast it in the file: a value that a caller may not send is not scored either",
            )


def _some(schema: pa.Schema) -> str:
    return ", ".join(schema.names[:20])


def _fits(kind: pa.DataType, wanted: str) -> bool:
    import pyarrow as pa

    t = pa.types
    if t.is_null(kind):
        return True
    if t.is_dictionary(kind):
        kind = kind.value_type
    text = t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind)
    fits: dict[str, bool] = {
        "text": text,
        "number": t.is_integer(kind) or t.is_floating(kind),
        "integer": t.is_integer(kind) or t.is_floating(kind),
        "boolean": t.is_boolean(kind),
        "time": text or t.is_timestamp(kind) or t.is_date(kind),
    }
    return bool(fits[wanted])


def refusals(columns: Columns, form: Form, named: Sequence[str], rows: int) -> dict[int, str]:
    """The rows that a caller would have been refused for, and why: no unit, no block, a fraction of a whole number."""
    found: dict[int, str] = {}
    for name, entry in form.entries.items():
        if entry.kind == "integer" and name in columns and columns[name].dtype.kind == "f":
            values = columns[name]
            for row in np.flatnonzero(np.isfinite(values) & (values != np.floor(values))).tolist():
                found[row] = f"the column {name!r} must be a whole number, not {values[row]!r}"
    for name in named:
        for row in _nulls(columns[name]):
            found[row] = f"the question has no {name!r}"
    return found


def _nulls(values: Array) -> list[int]:
    if values.dtype.kind in "iub":
        return []
    if values.dtype.kind == "M":
        return [int(row) for row in np.flatnonzero(np.isnat(values))]
    if values.dtype.kind == "f":
        return [int(row) for row in np.flatnonzero(np.isnan(values))]
    return [row for row, value in enumerate(values.tolist()) if value is None]
