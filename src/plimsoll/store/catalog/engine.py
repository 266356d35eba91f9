"""Connections and transactions: what differs between SQLite and PostgreSQL, and nothing else.

Every write is one short transaction that holds the catalog's write lock from its first statement on: ``BEGIN
IMMEDIATE`` in SQLite, a transaction-scoped advisory lock in PostgreSQL. Writers therefore never deadlock, never find
the database "locked" halfway, and append to the ledger one after the other. Readers wait for nobody.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.engine import URL

from plimsoll.errors import Broken, Conflict, Damaged, PlimsollError, Unavailable, UsageError

_BUSY_TIMEOUT_S = 20.0
_PG_ONE_VIEW = "REPEATABLE READ"
_PG_WRITE_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('plimsoll.catalog.' || current_schema(), 0))"


class Database:
    """An engine with our rules for transactions. ``url`` is a SQLAlchemy URL of SQLite or PostgreSQL."""

    def __init__(self, url: str, *, create: bool = True) -> None:
        """``create``: whether SQLite may make a file that is not there. Raises UsageError where it may not."""
        self.url = _adapted(url)
        self.place = self.url.render_as_string(hide_password=True)
        self._sqlite = self.url.get_backend_name() == "sqlite"
        if not create and self.file is not None and not self.file.is_file():
            raise UsageError(f"there is no catalog at {self.file}", hint="name its home with --home")
        self._engine = _sqlite_engine(self.url) if self._sqlite else _postgres_engine(self.url)
        # PostgreSQL gives each statement a view of its own unless told otherwise
        self._readers = self._engine if self._sqlite else self._engine.execution_options(isolation_level=_PG_ONE_VIEW)

    @property
    def file(self) -> Path | None:
        """SQLite's file; None for a database elsewhere."""
        return Path(self.url.database) if self._sqlite and self.url.database else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the catalog."""
        with translated(self.place), self._readers.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction under the write lock: committed at the end, or rolled back by any exception."""
        with translated(self.place), self._engine.connect() as plain:
            connection = plain.execution_options(plimsoll_writes=True)
            with connection.begin():
                if not self._sqlite:
                    connection.exec_driver_sql(_PG_WRITE_LOCK)
                yield connection

    def prepare(self) -> None:
        """Before the first table: SQLite's write-ahead log, which is a property of the file and stays."""
        if self._sqlite:
            with translated(self.place):
                _use_write_ahead_log(self._engine)

    def close(self) -> None:
        self._engine.dispose()


def _adapted(url: str) -> URL:
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise UsageError(f"{url!r} is no database URL", hint="for example sqlite:///.plimsoll/catalog.db") from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return parsed
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise UsageError(f"the catalog is kept in SQLite or PostgreSQL, not in {backend}")


def _sqlite_engine(url: URL) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_S, "isolation_level": None})
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _set_pragmas(dbapi_connection: Any, _record: object) -> None:
    """Every commit is flushed. A byte that is no UTF-8 comes as U+FFFD: verification has to be able to read it.

    Pages are kept by the operating system once for everybody; SQLite's own 2 MB for each connection of each process would
    fill over hours of following a rollout, and look like a leak.
    """
    dbapi_connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    cursor = dbapi_connection.cursor()
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "cache_size = -256"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """The driver is told to begin nothing by itself (isolation_level None), so it is done here."""
    writes = connection.get_execution_options().get("plimsoll_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _use_write_ahead_log(engine: Engine) -> None:
    """Switch the file over. SQLite answers "locked" at once here, whatever the timeout, so patience is ours."""
    until = time.monotonic() + _BUSY_TIMEOUT_S
    raw = engine.raw_connection()
    try:
        while True:
            try:
                raw.cursor().execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
            time.sleep(0.005)
    finally:
        raw.close()


def _postgres_engine(url: URL) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    except ModuleNotFoundError as error:
        raise UsageError(
            "a catalog in PostgreSQL needs psycopg, which is not installed",
            hint="pip install 'plimsoll[postgres]'",
        ) from error


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Map the database's errors to ours, once, here."""
    try:
        yield
    except PlimsollError:
        raise
    except exc.DBAPIError as error:
        raise _ours(error, place) from error
    except exc.TimeoutError as error:  # of our own pool
        raise Unavailable(f"too many use the catalog at once ({place})") from error


def _ours(error: exc.DBAPIError, place: str) -> PlimsollError:
    said = str(error.orig).strip()
    if "malformed" in said or "not a database" in said:
        return Damaged(f"the catalog is damaged: {said} ({place})", hint="restore it from a backup")
    if isinstance(error, exc.IntegrityError):
        return Conflict(f"somebody else wrote the same record first: {said} ({place})")
    if isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated:
        return Unavailable(
            f"the catalog cannot be used now: {said} ({place})", hint="is the database up, is its disk full?"
        )
    return Broken(f"the catalog refused a statement: {said} ({place})")
