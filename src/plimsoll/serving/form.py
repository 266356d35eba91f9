"""The form of a question: which columns a caller may send, of which type, and which ones are needed.

Needed are the columns that the features, the unit and the block are made from. The contract names the others that
are known when the question is asked, and every column's type. What is only known later (the label above all) has no
place in a question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from plimsoll.capability import Capability
from plimsoll.data import ASKED_AT, Column, Contract
from plimsoll.errors import UsageError, nearest
from plimsoll.features.request import Hour, Number, Weekday

Kind = Literal["text", "number", "integer", "boolean", "time"]
KINDS: Mapping[str, Kind] = {
    "string": "text",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "date": "time",
    "timestamp": "time",
}
"""The contract's logical types; every other one is text."""
MATRIX = "features"
"""The name under which all the numbers of a question may come together."""


class Entry(msgspec.Struct, frozen=True):
    """One column of a question. ``needed``: no question without it; it may be null only where it is not."""

    name: str
    kind: Kind
    needed: bool


class Form(msgspec.Struct, frozen=True):
    """The columns of a capability's questions, by name, needed ones first.

    ``unit`` is the column that says whom an answer is sticky to. ``matrix``: the columns, in order, of a question
    that is nothing but numbers and its unit; empty for one that needs anything else.
    """

    entries: dict[str, Entry]
    unit: str = ""
    matrix: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    """Worked out from the entries, once."""
    only_numbers: bool = False
    """Whether every column of the matrix takes any number as it is."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "needed", tuple(e.name for e in self.entries.values() if e.needed))
        numbers = all(self.entries[name].kind == "number" for name in self.matrix)
        msgspec.structs.force_setattr(self, "only_numbers", numbers)

    @staticmethod
    def of(capability: Capability, contract: Contract | None) -> Form:
        """The form that the declaration implies. Without a contract only what is needed may be sent."""
        declared = {c.name: c for c in contract.columns} if contract else {}
        kinds = _implied(capability) | {name: KINDS.get(column.type, "text") for name, column in declared.items()}
        optional = [c.name for c in declared.values() if _known_when_asked(c, capability)]
        entries = {name: Entry(name, kinds.get(name, "text"), True) for name in _needed(capability)}
        for name in (capability.source.asked_at, *optional):
            entries.setdefault(name, Entry(name, kinds.get(name, "text"), False))
        return Form(entries, capability.source.sticky or capability.source.unit, _matrix(entries, capability))

    def entry(self, name: str) -> Entry:
        """Raises UsageError with the nearest right name."""
        try:
            return self.entries[name]
        except KeyError:
            raise UsageError(f"the question has no column {name!r}", hint=nearest(name, self.entries)) from None

    def read(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """``inputs`` as a question's columns: types checked, times parsed. Raises UsageError naming the column."""
        read = {name: value_of(self.entry(name), value) for name, value in inputs.items()}
        for name in self.needed:
            if name not in read:
                raise UsageError(f"the question lacks the column {name!r}", hint=f"needed: {', '.join(self.needed)}")
        return read


def value_of(entry: Entry, value: Any) -> Any:
    """One value, checked against its column; null is a missing value. Raises UsageError naming the column."""
    if value is None:
        return None
    try:
        return _READ[entry.kind](value)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"the column {entry.name!r} must be {_WANTED[entry.kind]}, not {_shown(value)}") from None


def _shown(value: Any) -> str:
    """An integer of thousands of digits is no decimal text for Python."""
    try:
        return f"{value!r:.80}"
    except ValueError:
        return "an integer of too many digits"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


_INT64 = range(-(2**63), 2**63)
"""What the record of an event and its table hold of an integer."""


def _number(value: Any) -> float | int:
    number = _numeric(value)
    return number if isinstance(number, float) or number in _INT64 else float(number)


def _integer(value: Any) -> int:
    number = _numeric(value)
    whole = int(number)
    if number != whole or whole not in _INT64:
        raise ValueError
    return whole


def _numeric(value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _time(value: Any) -> datetime:
    """Capital or not (RFC 3339, section 5.6); one that is beyond the calendar in UTC is beyond the record, too."""
    time = value if isinstance(value, datetime) else datetime.fromisoformat(_text(value).upper())
    if time.tzinfo is not None:
        time.astimezone(UTC)
    return time


_READ: Mapping[Kind, Callable[[Any], Any]] = {
    "text": _text,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "time": _time,
}
_WANTED: Mapping[Kind, str] = {
    "text": "a string",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "time": "a time as ISO 8601 (2026-03-01T12:00:00Z)",
}


def _implied(capability: Capability) -> dict[str, Kind]:
    """What the features say about the types of the columns that they read."""
    kinds: dict[str, Kind] = {capability.source.asked_at: "time"}
    for feature in (f for inputs in capability.inputs for f in inputs.features):
        if isinstance(feature, Number):
            kinds[feature.column] = "number"
        elif isinstance(feature, Hour | Weekday):
            kinds[feature.column] = "time"
    return kinds


def _needed(capability: Capability) -> tuple[str, ...]:
    source = capability.source
    names = [source.unit, source.sticky or source.unit]
    if source.block_column:
        names.append(source.block_column)
    names += [c for inputs in capability.inputs for c in inputs.columns]
    names += [view.entity for view in capability.views]
    return tuple(n for n in dict.fromkeys(names) if n != source.asked_at)


def _matrix(entries: Mapping[str, Entry], capability: Capability) -> tuple[str, ...]:
    """A column of that name wins: it cannot mean two things."""
    source = capability.source
    others = [e for e in entries.values() if e.needed and e.name != source.unit]
    plain = (source.sticky or source.unit) == source.unit and all(e.kind in ("number", "integer") for e in others)
    return tuple(e.name for e in others) if plain and MATRIX not in entries else ()


def _known_when_asked(column: Column, capability: Capability) -> bool:
    if column.name == capability.task.label or column.known_at is None:
        return False
    asked = (ASKED_AT, capability.source.asked_at)
    return column.known_at.published or (
        column.known_at.column in asked and column.known_at.offset.total_seconds() <= 0
    )
