"""Keys in SQL: every change is one transaction with its line of the ledger, and counts the table's version up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update

from plimsoll.errors import UsageError
from plimsoll.kernel.access import KeyRow
from plimsoll.kernel.chain import Entry, Line
from plimsoll.store.catalog import history
from plimsoll.store.catalog.codec import document, key_of, to_us
from plimsoll.store.catalog.engine import Database
from plimsoll.store.catalog.tables import access_keys, access_version

_THE_ROW = 1


class SqlKeys:
    """The port ``Keys`` on a catalog's database. ``mark`` is told of the ledger's new lines after each commit."""

    def __init__(self, database: Database, mark: Callable[[Sequence[Line]], None]) -> None:
        self._database = database
        self._mark = mark

    def version(self) -> int:
        with self._database.reading() as connection:
            return _version(connection)

    def all(self) -> tuple[int, list[KeyRow]]:
        with self._database.reading() as connection:
            version = _version(connection)  # first: a change between the two is then seen again, never missed
            rows = connection.execute(select(access_keys).order_by(access_keys.c.created_at, access_keys.c.id))
            return version, [key_of(row) for row in rows]

    def add(self, row: KeyRow, entry: Entry) -> None:
        with self._database.writing() as connection:
            connection.execute(insert(access_keys).values(id=row.id, **_columns(row)))
            written = _counted(connection, entry)
        self._mark(written)

    def change(self, key: str, change: Callable[[KeyRow], tuple[KeyRow, Entry]]) -> KeyRow:
        with self._database.writing() as connection:
            found = connection.execute(select(access_keys).where(access_keys.c.id == key)).first()
            if found is None:
                raise UsageError(f"there is no key {key!r}", hint="plimsoll keys list")
            row, entry = change(key_of(found))
            connection.execute(update(access_keys).where(access_keys.c.id == key).values(**_columns(row)))
            written = _counted(connection, entry)
        self._mark(written)
        return row

    def used(self, at: Mapping[str, datetime]) -> None:
        last = access_keys.c.last_used_at
        with self._database.writing() as connection:
            for key, when in sorted(at.items()):
                later = or_(last.is_(None), last < to_us(when))
                connection.execute(
                    update(access_keys).where(access_keys.c.id == key, later).values(last_used_at=to_us(when))
                )


def _version(connection: Connection) -> int:
    return connection.execute(select(access_version.c.version)).scalar() or 0


def _counted(connection: Connection, entry: Entry) -> list[Line]:
    """Count the version up and write the ledger's line."""
    counted = update(access_version).values(version=access_version.c.version + 1)
    if not connection.execute(counted).rowcount:
        connection.execute(insert(access_version).values(id=_THE_ROW, version=1))
    return history.append(connection, [entry])


def _columns(row: KeyRow) -> dict[str, Any]:
    times = {name: getattr(row, name) for name in ("created_at", "expires_at", "revoked_at", "last_used_at")}
    return {
        "name": row.name,
        "tenant": row.tenant,
        "priority": row.priority,
        "scopes": document(row.scopes),
        "secrets": document(row.secrets),
        **{name: None if at is None else to_us(at) for name, at in times.items()},
    }
