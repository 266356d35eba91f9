"""What admission reads of a request's headers, in one pass over them.

The credential is ``Authorization: Bearer …`` (RFC 6750) or ``x-api-key``. ``Priority`` is RFC 9218's: its urgencies 0
to 3 are somebody who waits, 4 to 7 are background; the words ``interactive`` and ``batch`` are understood, too, and
what is neither is ignored, as the RFC asks. ``x-request-timeout-ms`` is how long the caller will wait.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from plimsoll.errors import UsageError
from plimsoll.kernel.access import Priority

Headers = Iterable[Sequence[bytes]]
"""(name, value), names in lower case: as ASGI has them, and httptools once they are lowered."""

AUTHORIZATION, API_KEY, PRIORITY, TIMEOUT = b"authorization", b"x-api-key", b"priority", b"x-request-timeout-ms"
_READ = frozenset((AUTHORIZATION, API_KEY, PRIORITY, TIMEOUT))
_URGENCY = re.compile(rb"(?:^|,)\s*u\s*=\s*([0-7])\s*(?:;[^,]*)?(?=,|$)")
_LONGEST_S = 3600.0


def read(headers: Headers) -> tuple[bytes | None, bytes | None, bytes | None, bytes | None]:
    """The values of authorization, x-api-key, priority and the timeout; None where a header is absent."""
    authorization = api_key = priority = timeout = None
    for name, value in headers:
        if name in _READ:
            if name == AUTHORIZATION:
                authorization = value
            elif name == API_KEY:
                api_key = value
            elif name == PRIORITY:
                priority = value
            else:
                timeout = value
    return authorization, api_key, priority, timeout


def credential_of(authorization: bytes | None, api_key: bytes | None) -> bytes | None:
    """The bare credential; None where none was sent, or under another scheme."""
    if authorization is not None and authorization[:7].lower() == b"bearer ":
        return authorization[7:].strip()
    return api_key


def priority_of(value: bytes | None, cap: Priority) -> Priority:
    """What was asked for, and no more than ``cap``."""
    if value is None or cap == "batch":
        return cap
    urgency = _URGENCY.search(value)
    if urgency is not None:
        return "batch" if urgency[1] >= b"4" else cap
    return "batch" if value.strip() == b"batch" else cap


def timeout_of(value: bytes) -> float:
    """Seconds. Raises UsageError where it is no number above zero; an hour is the longest that counts."""
    try:
        timeout_s = float(value) / 1000.0
    except ValueError:
        timeout_s = math.nan
    if not timeout_s > 0.0:
        raise UsageError(f"x-request-timeout-ms is {value!r:.40}", hint="send the milliseconds that you will wait")
    return min(timeout_s, _LONGEST_S)
