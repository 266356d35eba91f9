"""``SqliteReader``: an embedded catalog, read without SQLAlchemy, whose import costs more than all that a look needs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

from plimsoll.errors import Damaged, Unavailable
from plimsoll.kernel.access import KeyRow
from plimsoll.kernel.chain import GENESIS, Line
from plimsoll.kernel.ports import IncidentRow, ReleaseRow
from plimsoll.kernel.rollout import Deployment
from plimsoll.store.catalog.codec import deployment_of, incident_of, key_of, line_of, release_of, to_us
from plimsoll.store.catalog.lookup import meant
from plimsoll.store.catalog.revision import REVISION

_BUSY_TIMEOUT_S = 20.0
_LIGHT = "seq, previous, digest, at, capability, kind, subject, summary, actor, '{}' AS body"


class SqliteReader:
    """The port ``CatalogReader`` on the file of a ``SqlCatalog``. Writes nothing, and waits for nobody."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._path = connection, path

    @classmethod
    def at(cls, path: Path) -> Self | None:
        """The reader of a catalog with today's tables. None for any other file: ``SqlCatalog`` brings it up to date, or
        says what is wrong with it."""
        try:
            connection = _opened(path)
        except sqlite3.Error:
            return None
        try:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.Error:
            found = None
        if found is None or found.version_num != REVISION:
            connection.close()
            return None
        return cls(connection, path)

    def release(self, capability: str, name: str) -> ReleaseRow:
        pairs = self._rows("SELECT digest, label FROM releases WHERE capability = ? ORDER BY position", capability)
        digest = meant([(row.digest, row.label) for row in pairs], capability, name)
        (row,) = self._rows("SELECT * FROM releases WHERE digest = ?", digest)
        return release_of(row)

    def releases(self, capability: str) -> list[ReleaseRow]:
        rows = self._rows("SELECT * FROM releases WHERE capability = ? ORDER BY position", capability)
        return [release_of(row) for row in rows]

    def capabilities(self) -> list[str]:
        known = self._rows("SELECT capability FROM releases UNION SELECT capability FROM deployments")
        return sorted(row.capability for row in known)

    def deployment(self, capability: str) -> Deployment:
        rows = list(self._rows("SELECT * FROM deployments WHERE capability = ?", capability))
        return deployment_of(rows[0]) if rows else Deployment(capability=capability)

    def ledger(
        self,
        *,
        after: int = 0,
        until: datetime | None = None,
        capability: str | None = None,
        subject: str | None = None,
        newest_first: bool = False,
        bodies: bool = True,
    ) -> Iterator[Line]:
        conditions = {
            "seq > ?": after,
            "at <= ?": None if until is None else to_us(until),
            "capability = ?": capability,
            "subject = ?": subject,
        }
        given = {condition: value for condition, value in conditions.items() if value is not None}
        order = "DESC" if newest_first else "ASC"
        query = f"SELECT {'*' if bodies else _LIGHT} FROM ledger WHERE {' AND '.join(given)} ORDER BY seq {order}"
        yield from map(line_of, self._rows(query, *given.values()))

    def ledger_head(self) -> tuple[int, str]:
        last = list(self._rows("SELECT seq, digest FROM ledger ORDER BY seq DESC LIMIT 1"))
        return (last[0].seq, last[0].digest) if last else (0, GENESIS)

    def incidents(self, capability: str, *, open_only: bool = False) -> list[IncidentRow]:
        still = "AND closed_at IS NULL" if open_only else ""
        query = f"SELECT * FROM incidents WHERE capability = ? {still} ORDER BY opened_at, id"
        return [incident_of(row) for row in self._rows(query, capability)]

    def access_keys(self) -> list[KeyRow]:
        return [key_of(row) for row in self._rows("SELECT * FROM access_keys ORDER BY created_at, id")]

    def close(self) -> None:
        self._connection.close()

    def _rows(self, query: str, *values: Any) -> Iterator[Any]:
        with _translated(self._path):
            yield from self._connection.execute(query, values)


def _opened(path: Path) -> sqlite3.Connection:
    """For reading. A byte that is no UTF-8 comes as U+FFFD, as it does from ``SqlCatalog``."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_TIMEOUT_S)
    connection.row_factory = _attributes
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    connection.execute("PRAGMA query_only = ON")
    return connection


def _attributes(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> SimpleNamespace:
    return SimpleNamespace(**{column[0]: value for column, value in zip(cursor.description, row, strict=True)})


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Map SQLite's errors to ours, once, here."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Unavailable(f"the catalog cannot be used now: {error} ({path})") from error
    except sqlite3.DatabaseError as error:
        raise Damaged(f"the catalog is damaged: {error} ({path})", hint="restore it from a backup") from error
