"""One canonical form, one hash: what a digest in Plimsoll means.

Canonical JSON: keys sorted, no white space, UTF-8, and every float rounded to 12 significant digits, so that a
sum taken in another order (which may differ in the 16th) has the same digest.
"""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

DIGITS = 12


def rounded(value: float) -> float:
    """``value`` to 12 significant digits: the precision at which the kernel compares and stores numbers."""
    if value == 0:
        return 0.0  # −0.0 equals it, and must not have another digest
    if not math.isfinite(value):
        return value
    return float(f"{value:.{DIGITS - 1}e}")


def plain(value: Any) -> Any:
    """``value`` as JSON's own types, floats rounded, times as RFC 3339 in UTC. Raises TypeError on the rest."""
    if isinstance(value, bool) or value is None or isinstance(value, int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{value} has no canonical form")
        return rounded(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError(f"{value} has no canonical form: without a time zone it is another time elsewhere")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return rounded(value.total_seconds())
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, frozenset | set):
        return sorted(plain(v) for v in value)
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.structs.asdict(value))
    raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical(value: Any) -> bytes:
    """The canonical JSON of ``value``: equal values, and only those, have equal bytes."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_bytes(data: bytes) -> str:
    """SHA-256 of ``data``, in lower-case hex: the name of an object."""
    return hashlib.sha256(data).hexdigest()


def digest(value: Any) -> str:
    """SHA-256 of ``value``'s canonical JSON."""
    return digest_bytes(canonical(value))


def short(name: str) -> str:
    """The first twelve digits, for people. Every lookup takes any unambiguous prefix."""
    return name[:12]
