"""Issuing keys, rotating and revoking them. Each is a decision, and a line of the ledger with the name of who took it.

The ledger has a key's id, scopes and expiry; its name and its tenant, which may be a person's, stay out of it.
"""

from __future__ import annotations

import re
import secrets
from base64 import b32encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from plimsoll.errors import UsageError, nearest
from plimsoll.kernel import access
from plimsoll.kernel.access import ACTIONS, KeyRow, Priority, Scopes
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.ports import Keys
from plimsoll.store import Pepper

_ID_BYTES = 10
_SECRET_BYTES = 32
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHORTEST_PREFIX = 4


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A key and its credential, which is never to be seen again."""

    row: KeyRow
    credential: str

    def __repr__(self) -> str:  # a repr ends up in logs
        return f"Issued({self.row.id})"


def issue(
    keys: Keys,
    pepper: Pepper,
    *,
    name: str,
    tenant: str,
    scopes: Scopes,
    priority: Priority = "interactive",
    expires_at: datetime | None = None,
    actor: str,
    now: datetime,
) -> Issued:
    """A new key. Raises UsageError for a tenant or scopes that cannot be, or an expiry that is over."""
    _check(tenant, scopes, expires_at, now)
    secret = _random(_SECRET_BYTES)
    row = KeyRow(
        id=_random(_ID_BYTES),
        name=name,
        tenant=tenant,
        scopes=scopes,
        priority=priority,
        created_at=now,
        expires_at=expires_at,
        secrets=(pepper.sealed(secret),),
    )
    body = {"scopes": scopes, "priority": priority, "expires_at": expires_at}
    keys.add(row, _entry("key_issued", row, f"key {row.id} may {' and '.join(scopes.actions)}", actor, now, body))
    return Issued(row=row, credential=access.credential(row.id, secret))


def rotate(keys: Keys, pepper: Pepper, key: str, *, overlap: timedelta, actor: str, now: datetime) -> Issued:
    """Another secret for ``key``; the old one opens for ``overlap`` longer. Raises UsageError if the key is not valid."""
    if overlap < timedelta():
        raise UsageError(f"an overlap of {overlap} is no time")
    secret = _random(_SECRET_BYTES)

    def change(row: KeyRow) -> tuple[KeyRow, Entry]:
        after = access.rotated(row, pepper.sealed(secret), now=now, overlap=overlap)
        said = f"key {key} has another secret; the old one opens for {overlap}"
        return after, _entry("key_rotated", row, said, actor, now, {"old_until": now + overlap})

    return Issued(row=keys.change(key, change), credential=access.credential(key, secret))


def revoke(keys: Keys, key: str, *, reason: str, actor: str, now: datetime) -> KeyRow:
    """``key`` opens nothing any more: on every replica within the time that it takes to see the catalog's change."""

    def change(row: KeyRow) -> tuple[KeyRow, Entry]:
        said = f"key {key} is revoked: {reason}"
        return access.revoked(row, now=now), _entry("key_revoked", row, said, actor, now, {"reason": reason})

    return keys.change(key, change)


def found(rows: Sequence[KeyRow], name: str) -> KeyRow:
    """The key that a person means: by id, by its name, or by an unambiguous beginning of its id (≥ 4).

    Raises UsageError naming near ones.
    """
    exact = [row for row in rows if row.id == name] or [row for row in rows if row.name == name]
    matching = exact or [row for row in rows if len(name) >= _SHORTEST_PREFIX and row.id.startswith(name)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        ids = ", ".join(row.id for row in matching[:8])
        raise UsageError(f"{name!r} could be any of {len(matching)} keys", hint=f"one of: {ids}")
    raise UsageError(f"there is no key {name!r}", hint=nearest(name, {r.id for r in rows} | {r.name for r in rows}))


def _check(tenant: str, scopes: Scopes, expires_at: datetime | None, now: datetime) -> None:
    if not _TENANT.fullmatch(tenant):
        raise UsageError(
            f"the tenant {tenant!r:.80} cannot be one", hint="1 to 64 letters, digits, dots, underscores and hyphens"
        )
    for action in scopes.actions:
        if action not in ACTIONS:
            raise UsageError(f"there is no action {action!r}", hint=nearest(action, ACTIONS))
    if not scopes.actions or not scopes.capabilities:
        raise UsageError("a key without an action or a capability would open nothing")
    if expires_at is not None and expires_at <= now:
        raise UsageError(f"the key would have expired at {expires_at.isoformat()}, which is over")


def _entry(kind: str, row: KeyRow, summary: str, actor: str, now: datetime, body: dict[str, Any]) -> Entry:
    return Entry(at=now, capability="", kind=kind, subject=row.id, summary=summary, actor=actor, body=body)


def _random(size_bytes: int) -> str:
    """As lower-case letters and digits: safe in a header, a URL, a shell and between underscores."""
    return b32encode(secrets.token_bytes(size_bytes)).decode().rstrip("=").lower()
