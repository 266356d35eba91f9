"""Drills: faults injected on purpose, to see that they are caught. They exist in rehearsals only."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from plimsoll.errors import InvalidDeclaration, nearest


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """What a drilled release does wrong: ``latency_ms`` more on every answer, an error on ``error_share`` of them."""

    latency_ms: float = 0.0
    error_share: float = 0.0

    def raises(self, event: str, release: str) -> bool:
        """Whether this release is to fail on this event: decided by a hash of the two, so it replays."""
        if self.error_share <= 0.0:
            return False
        found = blake2b(f"{event}\0{release}\0drill".encode(), digest_size=8).digest()
        return int.from_bytes(found) < self.error_share * 2.0**64


NO_DRILL = Drill()
"""What a release without one has, and nothing else: the way of a request asks for identity."""


def drill_of(settings: Mapping[str, Any]) -> Drill:
    """The drill in a manifest's settings, usually none. Raises InvalidDeclaration for a fault that is unknown."""
    declared = settings.get("drill") or {}
    for name in declared:
        if name not in Drill.__struct_fields__:
            raise InvalidDeclaration(f"drill: there is no fault {name!r}", hint=nearest(name, Drill.__struct_fields__))
    return msgspec.convert(declared, Drill) if declared else NO_DRILL
