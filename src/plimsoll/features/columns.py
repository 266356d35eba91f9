"""Columns of questions, whatever they came as: NumPy from Parquet, lists from JSON; one meaning for each value.

A value has the same meaning alone and in a column: the ``…_of`` functions define it, the plural ones are their
fast form. Null is ``None``, NaN, NaT or a masked element, whichever the source had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError, nearest

Column: TypeAlias = NDArray[Any] | Sequence[Any]
Columns: TypeAlias = Mapping[str, Column]
Floats: TypeAlias = NDArray[np.float32]
Times: TypeAlias = NDArray[np.datetime64]


def column_of(columns: Columns, name: str) -> Column:
    """Raises UsageError where the questions have no such column."""
    try:
        return columns[name]
    except KeyError:
        raise missing(name, columns) from None


def missing(name: str, columns: Mapping[str, Any]) -> UsageError:
    return UsageError(f"the question has no column {name!r}", hint=nearest(name, columns))


def number_of(value: Any) -> float:
    """A float; NaN for null. Text is no number, even if it looks like one."""
    if value is None:
        return np.nan
    if isinstance(value, str | bytes):
        raise TypeError(f"{value!r} is text, not a number")
    return float(value)


def numbers(column: Column) -> NDArray[np.float64]:
    array = _array(column)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    return np.fromiter(map(number_of, array.tolist()), np.float64, len(array))


def time_of(value: Any) -> datetime | None:
    """A time without zone; one that had an offset was taken to UTC. Text is read as ISO 8601."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if value is None or value != value:  # NaT is unequal to itself
        return None
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is no time")
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


def times(column: Column) -> Times:
    """As datetime64 in microseconds, without zone."""
    array = _array(column)
    if array.dtype.kind == "M":
        return array.astype("datetime64[us]")
    return np.array([time_of(value) for value in array.tolist()], dtype="datetime64[us]")


def microseconds(column: Column) -> NDArray[np.int64]:
    """Times as int64 microseconds since the epoch; whole numbers are taken to be that already.

    Raises UsageError on a null or on what is no time: a question that was never asked has no features.
    """
    array = np.array(column, dtype=np.int64) if _all_whole(column) else _array(column)
    if array.dtype.kind in "iu":
        return array.astype(np.int64, copy=False)
    try:
        at = times(array)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the time of a question cannot be read: {error}") from error
    if nulls := int(np.isnat(at).sum()):
        raise UsageError(f"{nulls} of {len(at)} questions have no time", hint="a contract can require the column")
    return at.astype(np.int64)


def _all_whole(column: Column) -> bool:
    return not isinstance(column, np.ndarray) and all(isinstance(value, int) for value in column)


def text_of(value: Any) -> str | None:
    """Text, as SQL writes it; whole numbers alike whether they came as 5 or as 5.0."""
    if type(value) is float:  # how most come that are no text
        return str(int(value)) if value.is_integer() else None if value != value else str(value)
    if isinstance(value, str):
        return str(value)
    if value is None or value != value:
        return None
    if isinstance(value, _TRUTHS):
        return "true" if value else "false"
    if isinstance(value, _FLOATS) and float(value).is_integer():
        return str(int(value))
    return str(value)


_TRUTHS = (bool, np.bool)  # made once: a union that is written where it is asked costs more than all else of a value
_FLOATS = (float, np.floating)


def texts(column: Column) -> list[str | None]:
    return [value if type(value) is str else text_of(value) for value in _array(column).tolist()]


def codes_of(column: Column, codes: Mapping[str | None, int], unknown: int) -> NDArray[np.int64]:
    """The code of each value's text; ``unknown`` where it has none. ``codes`` has text for keys, and nothing else."""
    values = _array(column).tolist()
    found = np.fromiter(map(codes.get, values, repeat(unknown)), np.int64, len(values))
    for i in np.flatnonzero(found == unknown).tolist():  # text was found as it stands, if it is there at all
        if not isinstance(values[i], str):
            found[i] = codes.get(text_of(values[i]), unknown)
    return found


def read_columns(paths: Sequence[Path], names: Sequence[str], *, order: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """The named columns of Parquet files, in the files' order, or sorted by ``order`` (nulls last).

    Times come as datetime64[us] in UTC, text as objects with None, booleans and whole numbers that have nulls as
    objects with None too.
    """
    import duckdb

    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.read_parquet([str(path) for path in paths])
        for name in (*names, *order):
            if name not in rows.columns:
                raise UsageError(f"the rows have no column {name!r}", hint=nearest(name, rows.columns))
        chosen = rows.order(", ".join(map(_quoted, order))) if order else rows
        found = chosen.project(", ".join(map(_quoted, dict.fromkeys(names)))).fetchnumpy()
    return {name: _plain(found[name]) for name in names}


def _array(column: Column) -> NDArray[Any]:
    if isinstance(column, np.ma.MaskedArray):
        return _plain(column)
    if isinstance(column, np.ndarray):
        return column
    if hasattr(column, "__array__"):
        return np.asarray(column)
    array = np.empty(len(column), dtype=object)
    array[:] = column
    return array


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    """A masked array as an ordinary one, its nulls as NaN, NaT or None; times in microseconds."""
    mask, data = np.ma.getmaskarray(column), np.asarray(np.ma.getdata(column))
    if data.dtype.kind == "M":
        data = data.astype("datetime64[us]")
    if not mask.any():
        return data
    null: Any = {"f": np.nan, "M": np.datetime64("NaT")}.get(data.dtype.kind)
    data = data.astype(object) if null is None else data.copy()
    data[mask] = null
    return data


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
