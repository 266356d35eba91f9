"""Leases with fencing tokens: one decider at a time, and the last one's late writes are refused.

(Kleppmann, "How to do distributed locking", 2016.) A lease lapses by itself; a token only ever grows. Time is
passed in, so that a rehearsal's leases run on its virtual clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select, update

from plimsoll.errors import Conflict
from plimsoll.kernel.ports import Fence
from plimsoll.store.catalog.codec import to_us
from plimsoll.store.catalog.tables import leases


def acquire(connection: Connection, name: str, holder: str, ttl: timedelta, now: datetime) -> Fence | None:
    """Take, or renew, ``name``. A holder that let it expire is a new one: its old token is worth nothing."""
    held = connection.execute(select(leases).where(leases.c.name == name)).first()
    expires_at = to_us(now + ttl)
    if held is None:
        connection.execute(insert(leases).values(name=name, holder=holder, token=1, expires_at=expires_at))
        return Fence(name, holder, 1)
    valid = bool(held.holder) and held.expires_at > to_us(now)
    if valid and held.holder != holder:
        return None
    token = held.token if valid else held.token + 1
    changed = update(leases).where(leases.c.name == name)
    connection.execute(changed.values(holder=holder, token=token, expires_at=expires_at))
    return Fence(name, holder, token)


def give_back(connection: Connection, fence: Fence) -> None:
    """Let go of the lease, if it is still this holder's. The token stays, so that the next one is higher."""
    mine = (leases.c.name == fence.name) & (leases.c.token == fence.token) & (leases.c.holder == fence.holder)
    connection.execute(update(leases).where(mine).values(holder="", expires_at=0))


def check(connection: Connection, fence: Fence) -> None:
    """Raise Conflict unless ``fence`` is the newest of its lease and was not given back."""
    held = connection.execute(select(leases).where(leases.c.name == fence.name)).first()
    if held is None or (held.token, held.holder) != (fence.token, fence.holder):
        now = f"token {held.token} of {held.holder or 'nobody'}" if held else "nothing"
        raise Conflict(
            f"{fence.holder} no longer holds the lease {fence.name!r}: its token is {fence.token}, in force is {now}",
            hint="acquire the lease again, read again, decide again",
        )
