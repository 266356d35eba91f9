"""Who may do what: a key as it is kept, and the scopes that a credential carries. Plain data; no secret is in it.

A key is ``plm_<id>_<secret>``. What is kept of the secret is its HMAC-SHA-256 under a pepper that lies elsewhere, so
that who reads the catalog has neither a credential nor anything to guess one from. While a key is rotated it has two
secrets, and both open.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from plimsoll.errors import UsageError

Action = Literal["ask", "tell", "operate", "load"]
"""Questions · outcomes · rollouts, keys and whatever else changes what is served · models into and out of memory."""
ACTIONS: tuple[Action, ...] = ("ask", "tell", "operate", "load")
Priority = Literal["interactive", "batch"]
"""Somebody waits for the answer · nobody does: it is shed first."""
PREFIX = "plm"
EVERY = "*"


class Scopes(msgspec.Struct, frozen=True, kw_only=True):
    """What a credential is good for: these actions on these capabilities (``*``: on all of them)."""

    actions: tuple[Action, ...] = ("ask", "tell")
    capabilities: tuple[str, ...] = (EVERY,)

    def allow(self, action: str, capability: str) -> bool:
        """Whether this may be done. What concerns no capability (``""``) needs the scope of all of them."""
        return action in self.actions and (EVERY in self.capabilities or capability in self.capabilities)


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a secret: its HMAC in hex, and which pepper that was made with.

    ``expires_at`` is set on the one that a rotation replaces.
    """

    digest: str
    pepper: str
    expires_at: datetime | None = None


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key as the catalog keeps it. ``priority`` is the highest that its requests may ask for."""

    id: str
    name: str
    tenant: str
    scopes: Scopes
    created_at: datetime
    secrets: tuple[Secret, ...]
    priority: Priority = "interactive"
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None  # to the hour: enough to see which key nobody needs

    def standing(self, now: datetime) -> Literal["valid", "expired", "revoked"]:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and now >= self.expires_at else "valid"


def credential(key: str, secret: str) -> str:
    """What a caller sends: shown once, kept by nobody here."""
    return f"{PREFIX}_{key}_{secret}"


def rotated(row: KeyRow, secret: Secret, *, now: datetime, overlap: timedelta) -> KeyRow:
    """``row`` with a new secret; the newest of its old ones opens for ``overlap`` longer, and any other no more.

    Raises UsageError where the key is not valid now: a rotation brings no key back.
    """
    if (standing := row.standing(now)) != "valid":
        raise UsageError(
            f"key {row.id} is {standing} and cannot be rotated", hint="create another: plimsoll keys create"
        )
    ends = now + overlap
    kept = [msgspec.structs.replace(old, expires_at=ends) for old in row.secrets[-1:] if overlap > timedelta()]
    return msgspec.structs.replace(row, secrets=(*kept, secret))


def revoked(row: KeyRow, *, now: datetime) -> KeyRow:
    """``row``, never to open again. One that is revoked already stays as it was."""
    return row if row.revoked_at is not None else msgspec.structs.replace(row, revoked_at=now)
