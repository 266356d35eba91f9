"""Blocks of time: what may be taken as independent of what came before, and what one is called.

``day`` (local), ``hour`` (UTC), or a length such as ``500 ms``, ``10 s``, ``15 min``, ``6 h``, counted from midnight UTC.
Anything else is a column, whose values name the blocks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from plimsoll.errors import InvalidDeclaration

_LENGTH = re.compile(r"(\d{1,9}) (ms|s|min|h)")
_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
}
_DAY, _EPOCH = timedelta(days=1), datetime(1970, 1, 1, tzinfo=UTC)


def length_of(block: str) -> timedelta | None:
    """How long a block of time is; None where ``block`` is a column. Raises InvalidDeclaration unless it divides a day."""
    if block in ("day", "hour"):
        return _DAY if block == "day" else timedelta(hours=1)
    match = _LENGTH.fullmatch(block)
    if match is None:
        return None
    length = int(match[1]) * _UNITS[match[2]]
    if not length or _DAY % length:
        raise InvalidDeclaration(
            f"block={block!r} does not divide a day: its blocks would begin at other times every day",
            hint='take a length that does: "500 ms", "10 s", "15 min", "6 h"',
        )
    return length


def namer(block: str, timezone: str = "UTC") -> Callable[[datetime], str]:
    """What the block that a moment lies in is called. ``block`` is one of time."""
    if block == "day":
        zone = ZoneInfo(timezone)
        return lambda at: at.astimezone(zone).date().isoformat()
    if block == "hour":
        return lambda at: at.astimezone(UTC).strftime("%Y-%m-%dT%HZ")
    length = length_of(block)
    assert length is not None
    return lambda at: began(at, length).isoformat().replace("+00:00", "Z")


def began(at: datetime, length: timedelta) -> datetime:
    """When the block of ``length`` that ``at`` lies in began."""
    return _EPOCH + (at - _EPOCH) // length * length
