"""What a verified credential stands for, kept under a keyed digest of the credential.

The credential itself is kept nowhere. The digest is BLAKE2b under a key that this process draws at its start (RFC 7693,
2.9), so that a memory image holds nothing that could be looked up elsewhere, and nobody can choose colliding ones.
Only what was verified is kept: a flood of wrong credentials pushes nobody out.
"""

from __future__ import annotations

import math
import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from plimsoll.kernel.access import Priority, Scopes

if TYPE_CHECKING:
    from plimsoll.serving.admission.lanes import Lane
    from plimsoll.serving.admission.tenant import Tenant

CAPACITY = 10_000
RANK: Final[dict[Priority, int]] = {"interactive": 0, "batch": -1}
"""The seam's priorities: a larger one goes first."""


class Grant:
    """Who asks, for whom, and what they may. ``expires_at_s`` is wall time, in seconds since the epoch."""

    __slots__ = ("expires_at_s", "key", "lanes", "principal", "priority", "rank", "scopes", "tenant", "used")

    def __init__(
        self,
        *,
        principal: str,
        tenant: Tenant,
        scopes: Scopes,
        priority: Priority = "interactive",
        expires_at_s: float = math.inf,
        key: str = "",
    ) -> None:
        self.principal, self.tenant, self.scopes, self.priority = principal, tenant, scopes, priority
        self.rank = RANK[priority]
        self.expires_at_s = expires_at_s
        self.key = key  # the id of the key behind it; empty for a token
        self.used = True
        self.lanes: dict[tuple[str, str], Lane | None] = {}  # (capability, action) that were allowed once


class Grants:
    """The grants of this process, the newest ``capacity`` of them."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._begun = blake2b(key=secrets.token_bytes(32), digest_size=16)
        self._kept: dict[bytes, Grant] = {}

    def digest(self, credential: bytes) -> bytes:
        begun = self._begun.copy()
        begun.update(credential)
        return begun.digest()

    def get(self, digest: bytes) -> Grant | None:
        return self._kept.get(digest)

    def keep(self, digest: bytes, grant: Grant) -> None:
        while len(self._kept) >= self._capacity:
            self._kept.pop(next(iter(self._kept)), None)
        self._kept[digest] = grant

    def drop(self, digest: bytes) -> None:
        self._kept.pop(digest, None)

    def clear(self) -> None:
        """Everybody is verified again. A new dictionary: a thread that reads the old one is not disturbed."""
        self._kept = {}

    def used_keys(self) -> list[str]:
        """The ids of the keys that were used since the last call."""
        used = [grant for grant in list(self._kept.values()) if grant.used and grant.key]
        for grant in used:
            grant.used = False
        return [grant.key for grant in used]

    def __len__(self) -> int:
        return len(self._kept)
