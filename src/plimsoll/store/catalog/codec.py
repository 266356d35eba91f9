"""Between rows and structs: times as microseconds, documents as JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from plimsoll.errors import UsageError
from plimsoll.kernel.digest import canonical

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    """Whole microseconds since the epoch, exactly."""
    if at.tzinfo is None:
        raise UsageError(f"{at} has no time zone: times in the catalog are aware", hint="use datetime.now(UTC)")
    return (at - _EPOCH) // _US


def from_us(us: int) -> datetime:
    return _EPOCH + us * _US


def document(value: Any) -> str:
    """``value`` as canonical JSON: equal values have equal text. Raises UsageError where it has no JSON form."""
    try:
        return canonical(value).decode()
    except TypeError as error:
        raise UsageError(f"this cannot be kept in the catalog: {error}") from error


def mapping(text: str) -> dict[str, Any]:
    return msgspec.json.decode(text, type=dict[str, Any])
