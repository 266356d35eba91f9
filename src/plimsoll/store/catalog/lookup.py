"""Finding a release by what a person types: its digest, the beginning of it, or its label."""

from __future__ import annotations

from sqlalchemy import Connection, select

from plimsoll.errors import UsageError, nearest
from plimsoll.kernel.digest import short
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.store.catalog.rows import find_release, release_row
from plimsoll.store.catalog.tables import releases

_SHORTEST_PREFIX = 4


def release(connection: Connection, capability: str, name: str) -> ReleaseRow:
    """By digest, label (its newest release), or unambiguous prefix of at least four digits, in this order."""
    row = find_release(connection, capability, name)
    if row is not None:
        return release_row(row)
    digests = _beginning_with(connection, capability, name)
    if len(digests) == 1:
        found = find_release(connection, capability, digests[0])
        if found is not None:
            return release_row(found)
    if digests:
        raise UsageError(
            f"{name!r} could be any of {len(digests)} releases of {capability}",
            hint="one of: " + ", ".join(digest[: len(name) + 8] for digest in digests[:8]),
        )
    raise UsageError(f"{capability} has no release {name!r}", hint=nearest(name, _names(connection, capability)))


def _beginning_with(connection: Connection, capability: str, prefix: str) -> list[str]:
    if len(prefix) < _SHORTEST_PREFIX:
        return []
    query = select(releases.c.digest).where(releases.c.capability == capability)
    query = query.where(releases.c.digest.startswith(prefix, autoescape=True))
    return list(connection.execute(query.order_by(releases.c.position)).scalars())


def _names(connection: Connection, capability: str) -> set[str]:
    query = select(releases.c.digest, releases.c.label).where(releases.c.capability == capability)
    rows = connection.execute(query).all()
    return {short(row.digest) for row in rows} | {row.label for row in rows if row.label}
