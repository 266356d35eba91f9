"""Online features: the last applied timeline row of each entity, packed. One lookup, one row, no object per value."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from plimsoll.errors import Unavailable

Row = tuple[int, bytes]
"""(known_at in µs since the epoch, packed float32 values)."""


class MemoryOnline:
    """The port ``OnlineFeatures`` in the process. A batch becomes visible row by row: each row is whole.

    ``history_us``: rows that a newer one replaced are kept that long behind it, for questions asked before it was
    known: questions answered together, an hour's in a rehearsal, each see what was known when they were asked.
    """

    def __init__(self, *, history_us: int = 0) -> None:
        self._views: dict[str, dict[str, Row]] = {}
        self._history_us = history_us
        self._replaced: dict[str, dict[str, list[Row]]] = {}

    def apply(self, view: str, rows: Iterable[tuple[str, int, bytes]]) -> int:
        held = self._views.setdefault(view, {})
        applied = 0
        history_us, replaced = self._history_us, self._replaced.setdefault(view, {})
        for entity, known_at, packed in rows:
            now = held.get(entity)
            if now is None or now[0] <= known_at:
                held[entity] = (known_at, packed)
                applied += 1
                if history_us and now is not None:
                    _keep(replaced.setdefault(entity, []), now, known_at - history_us)
        return applied

    def get(self, view: str, entity: str, as_of_us: int | None = None) -> Row | None:
        row = self._views.get(view, {}).get(entity)
        if as_of_us is None or row is None or row[0] <= as_of_us or not self._history_us:
            return row
        return self._earlier(view, entity, as_of_us)

    def get_many(self, view: str, entities: Sequence[str], as_of_us: Sequence[int] | None = None) -> list[Row | None]:
        held = self._views.get(view, {})
        rows = [held.get(entity) for entity in entities]
        if as_of_us is None or not self._history_us:
            return rows
        return [
            row if row is None or row[0] <= at else self._earlier(view, entity, at)
            for row, entity, at in zip(rows, entities, as_of_us, strict=True)
        ]

    def _earlier(self, view: str, entity: str, as_of_us: int) -> Row | None:
        """Of the rows that were replaced the last one known by then."""
        return next((row for row in reversed(self._replaced[view].get(entity, ())) if row[0] <= as_of_us), None)


def _keep(rows: list[Row], row: Row, since_us: int) -> None:
    """Keep a replaced row, and of the older ones those that were valid after ``since_us``."""
    if row[0] <= since_us:  # it was the last word then: nobody asks for an older one
        rows[:] = (row,)
        return
    rows.append(row)
    while len(rows) > 1 and rows[1][0] <= since_us:
        del rows[0]


_CREATE = """CREATE TABLE IF NOT EXISTS features (
    view TEXT NOT NULL, entity TEXT NOT NULL, known_at INTEGER NOT NULL, packed BLOB NOT NULL,
    PRIMARY KEY (view, entity)) WITHOUT ROWID"""
_APPLY = """INSERT INTO features (view, entity, known_at, packed) VALUES (?, ?, ?, ?)
    ON CONFLICT (view, entity) DO UPDATE SET known_at = excluded.known_at, packed = excluded.packed
    WHERE excluded.known_at >= features.known_at"""
_GET = "SELECT known_at, packed FROM features WHERE view = ? AND entity = ?"


class SqliteOnline:
    """The port ``OnlineFeatures`` in a SQLite file that several processes share. A batch becomes visible as a whole.

    The rows can be materialised again, so a commit is not flushed to the disk (``synchronous=NORMAL``): a power cut
    may lose the last batches, never half of one.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = _opened(self._path)

    def apply(self, view: str, rows: Iterable[tuple[str, int, bytes]]) -> int:
        with self._lock:
            try:
                return self._applied(view, rows)
            except sqlite3.OperationalError as error:
                raise Unavailable(f"applying rows of {view} failed: {error} ({self._path})") from error

    def get(self, view: str, entity: str, as_of_us: int | None = None) -> Row | None:
        return self.get_many(view, (entity,))[0]

    def get_many(self, view: str, entities: Sequence[str], as_of_us: Sequence[int] | None = None) -> list[Row | None]:
        with self._lock:
            try:
                found = [self._connection.execute(_GET, (view, entity)).fetchone() for entity in entities]
            except sqlite3.OperationalError as error:
                raise Unavailable(f"reading rows of {view} failed: {error} ({self._path})") from error
        return found

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _applied(self, view: str, rows: Iterable[tuple[str, int, bytes]]) -> int:
        before = self._connection.total_changes
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(_APPLY, ((view, *row) for row in rows))
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return self._connection.total_changes - before


def _opened(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode: transactions are begun by hand, immediate ones. Reads happen under our lock."""
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(_CREATE)
    return connection
