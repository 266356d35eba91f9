"""Questions asked together, taken apart into the columns that features and fallbacks read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.kernel.records import Event, Question


class Batch(msgspec.Struct, frozen=True):
    """One row a question: its event id, what the caller sent, and when it was asked (µs since the epoch).

    ``packed``: the values of ``columns`` as float32 bytes, little-endian, where the edge has them already.
    """

    ids: Sequence[str]
    inputs: Sequence[dict[str, Any]]
    asked_at_us: Sequence[int]
    packed: Sequence[bytes] = ()
    columns: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Sequence[int]) -> Batch:
        """These rows of it, in this order."""
        if len(rows) == len(self.ids):
            return self
        return Batch(
            [self.ids[i] for i in rows],
            [self.inputs[i] for i in rows],
            [self.asked_at_us[i] for i in rows],
            [self.packed[i] for i in rows] if self.packed else (),
            self.columns,
        )


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """The questions that one turn answers together, as columns.

    ``before_us``: admit, parse, cache and wait of the kernel's STAGES, for all of them together.
    """

    batch: Batch
    units: Sequence[str]
    blocks: Sequence[str]
    asked_at: Sequence[datetime]
    tenants: Sequence[str]
    principals: Sequence[str]
    trace_ids: Sequence[str]
    before_us: tuple[int, ...] = (0, 0, 0, 0)

    def __len__(self) -> int:
        return len(self.units)


def turn_of(questions: Sequence[Question]) -> Turn:
    return Turn(
        batch=Batch(
            [q.id for q in questions],
            [q.inputs for q in questions],
            [microseconds(q.asked_at) for q in questions],
        ),
        units=[q.unit for q in questions],
        blocks=[q.block for q in questions],
        asked_at=[q.asked_at for q in questions],
        tenants=[q.tenant for q in questions],
        principals=[q.principal for q in questions],
        trace_ids=[q.trace_id for q in questions],
    )


def of_events(events: Sequence[Event]) -> Batch:
    return Batch(
        [e.id for e in events],
        [e.inputs for e in events],
        [microseconds(e.at) for e in events],
    )


def microseconds(at: datetime) -> int:
    """Since the epoch."""
    return round(at.timestamp() * 1e6)


def column(values: Sequence[Any]) -> NDArray[Any]:
    """Values as the column that a file of the same values gives (``features.read_columns``), so that a fallback
    reads the same in serving and in evaluation: times as datetime64[us] in UTC, text and gaps as objects."""
    kinds = {type(value) for value in values}
    if kinds & {datetime, np.datetime64}:
        return np.array([_naive(value) for value in values], dtype="datetime64[us]")
    if kinds == {float, type(None)}:
        return np.array([np.nan if value is None else value for value in values])
    if str in kinds or type(None) in kinds:
        found = np.empty(len(values), dtype=object)
        found[:] = values
        return found
    return np.asarray(values)


def _naive(value: Any) -> Any:
    """A time in UTC without its zone; one that had none as it stands."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


class Columns(Mapping[str, "NDArray[Any]"]):
    """The questions' inputs as columns, each made when it is read: a fallback reads two of thirty."""

    def __init__(self, inputs: Sequence[Mapping[str, Any]]) -> None:
        self._inputs = inputs
        self._names = tuple(inputs[0]) if inputs else ()

    def __getitem__(self, name: str) -> NDArray[Any]:
        return column([row[name] for row in self._inputs])

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
