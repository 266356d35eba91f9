"""From a caller's columns to a question: who asks, when, and in which block it counts.

Unit, block and id are derived from the capability's declaration; none of them is taken on a caller's word. The
question's time is passed in: the server's clock when it serves, the recorded time in a rehearsal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from plimsoll.capability import Capability, Source
from plimsoll.errors import UsageError, nearest
from plimsoll.kernel.block import length_of, namer
from plimsoll.kernel.records import Question
from plimsoll.serving.asking import Asking
from plimsoll.serving.batch import Batch, Turn, microseconds
from plimsoll.serving.ids import IdSource, RandomIds, random_id

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class QuestionMaker:
    """Makes the questions of one capability; ``ids`` gives each its event id.

    ``matrix``: the columns that packed rows hold.
    """

    def __init__(self, capability: Capability, *, ids: IdSource = random_id, matrix: tuple[str, ...] = ()) -> None:
        source = capability.source
        self._sticky = source.sticky or source.unit
        self._asked_at = source.asked_at
        self._block = _block_of(source)
        self._by_column = bool(source.block_column)
        self._ids = ids
        self._random = RandomIds()
        self._matrix = matrix

    def __call__(
        self,
        inputs: Mapping[str, Any],
        asked_at: datetime,
        *,
        tenant: str = "",
        principal: str = "",
        trace_id: str = "",
        anonymous: bool = False,
    ) -> Question:
        """The question that ``inputs`` ask at ``asked_at`` (aware). Its own column is filled in where it is absent.

        ``anonymous``: the question is a unit of its own, named by its event id. Raises UsageError where the column
        that names the unit, or the block, is missing or null.
        """
        unit = "" if anonymous else named(inputs, self._sticky)
        id = self._ids(unit, asked_at)
        asked = {**inputs, self._asked_at: asked_at} if inputs.get(self._asked_at) is None else dict(inputs)
        if anonymous:
            unit = asked[self._sticky] = id
        return Question(
            id=id,
            unit=unit,
            asked_at=asked_at,
            block=self._block(asked_at, inputs),
            inputs=asked,
            tenant=tenant,
            principal=principal,
            trace_id=trace_id,
        )

    def check(self, asking: Asking) -> None:
        """Raises UsageError where the column that names the unit, or the block, is missing or null."""
        for inputs in asking.rows:
            if not asking.anonymous and inputs.get(self._sticky) is None:
                named(inputs, self._sticky)
            if self._by_column:
                self._block(_NEVER, inputs)

    def turn(self, askings: Sequence[Asking], asked_at: datetime, before_us: tuple[int, ...]) -> Turn:
        """The questions of several requests that are asked now, as columns. The rows' own time is filled in place
        where it is absent; they have passed ``check``."""
        rows = [inputs for asking in askings for inputs in asking.rows]
        each = askings if len(rows) == len(askings) else [asking for asking in askings for _ in asking.rows]
        packed: Sequence[Any] = [asking.packed for asking in each]
        if None in packed:
            packed = ()
        at_us = microseconds(asked_at)
        ids = self._random.take(len(rows), at_us // 1000)
        sticky, at_column = self._sticky, self._asked_at
        for inputs, asking, id in zip(rows, each, ids, strict=True):
            if at_column not in inputs or inputs[at_column] is None:
                inputs[at_column] = asked_at
            if asking.anonymous:
                inputs[sticky] = id
        if self._by_column:
            blocks = [self._block(asked_at, inputs) for inputs in rows]
        else:
            blocks = [self._block(asked_at, _NOTHING)] * len(rows)
        tickets = [asking.ticket for asking in each]
        return Turn(
            batch=Batch(ids, rows, [at_us] * len(rows), packed, self._matrix),
            units=[str(inputs[sticky]) for inputs in rows],
            blocks=blocks,
            asked_at=[asked_at] * len(rows),
            tenants=[ticket.tenant for ticket in tickets],
            principals=[ticket.principal for ticket in tickets],
            trace_ids=[asking.trace_id for asking in each],
            before_us=before_us,
        )


def named(inputs: Mapping[str, Any], column: str) -> str:
    """The value of ``column`` as text. Raises UsageError where there is none."""
    value = inputs.get(column)
    if value is None:
        raise UsageError(f"the question has no {column!r}", hint=nearest(column, inputs))
    return str(value)


def _block_of(source: Source) -> Callable[[datetime, Mapping[str, Any]], str]:
    if source.block_column:
        return lambda at, inputs: named(inputs, source.block)
    name, length = namer(source.block, source.timezone), length_of(source.block)
    if length is None or length.microseconds:  # shorter than a second, or not of whole ones
        return lambda at, inputs: name(at)
    return _OfTime(name)


class _OfTime:
    """The block that a moment lies in, worked out once a second of UTC: one of whole seconds begins with one, in every
    time zone. One thread's."""

    __slots__ = ("_block", "_name", "_second")

    def __init__(self, name: Callable[[datetime], str]) -> None:
        self._name = name
        self._second: tuple[int, ...] = ()
        self._block = ""

    def __call__(self, at: datetime, inputs: Mapping[str, Any]) -> str:
        if at.tzinfo is not UTC:
            return self._name(at)
        second = (at.second, at.minute, at.hour, at.day, at.month, at.year)
        if second != self._second:
            self._second, self._block = second, self._name(at)
        return self._block
