"""W3C Trace Context: which trace a request belongs to, and whether it is watched.

https://www.w3.org/TR/trace-context/ (level 1). A header that is not valid is none, and the trace starts here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_FORM = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
_MOST_STATE = 512
"""Bytes of tracestate that are passed on: what the standard asks for at least (section 3.3.1.5)."""


class Parent(NamedTuple):
    """The caller's span."""

    trace_id: int
    span_id: int
    sampled: bool
    state: str = ""


def parent_of(headers: Sequence[tuple[bytes, bytes]]) -> Parent | None:
    """The parent that ``headers`` (names in lower case) say; None where there is none, or two, or no valid one."""
    said: bytes | None = None
    for name, value in headers:
        if name == b"traceparent":
            if said is not None:
                return None
            said = value
    if said is None:
        return None
    return parsed(said, b",".join(value for name, value in headers if name == b"tracestate"))


def parsed(traceparent: bytes, tracestate: bytes = b"") -> Parent | None:
    """One header's value. Later versions may have more after the flags; version 00 may not, and ff is none."""
    found = _FORM.fullmatch(traceparent.strip())
    if found is None or found[1] == b"ff" or (found[1] == b"00" and found[5]):
        return None
    trace_id, span_id = int(found[2], 16), int(found[3], 16)
    if not trace_id or not span_id:
        return None
    state = tracestate.decode("ascii", "replace") if len(tracestate) <= _MOST_STATE else ""
    return Parent(trace_id, span_id, bool(int(found[4], 16) & _SAMPLED), state)


def written(trace_id: int, span_id: int) -> str:
    """The header for a call that a sampled span makes."""
    return f"00-{trace_id:032x}-{span_id:016x}-01"
