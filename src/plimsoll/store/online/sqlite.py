"""Online features in a SQLite file that several processes share.

One row a (generation, entity). A view is served from one generation; new rows are loaded into another one, aside, and
one small transaction turns the view over to it. Readers never wait: the file is in WAL mode and every thread reads
through a connection of its own, one statement a lookup, so that a lookup sees one generation and no other.

The rows can be made again, so a commit is not flushed to the disk (``synchronous=NORMAL``): a killed process loses
nothing, a power cut may lose the last batches, never half of one, and their marks with them.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from plimsoll.errors import Damaged, Unavailable
from plimsoll.kernel.ports import OnlineRow, OnlineView, Step
from plimsoll.store.durable import locked, waited_for
from plimsoll.store.online import schema
from plimsoll.store.online.memory import Row, moved

BATCH = 5_000
"""Rows in one transaction of a load: it holds the file's one write lock for about ten milliseconds."""
PATIENCE_S = 60.0
"""How long a load waits for another one to end."""


class SqliteOnline:
    """The port ``OnlineFeatures`` in a SQLite file. A batch becomes visible as a whole.

    Raises Damaged at opening if the file is no such store.
    """

    far = False

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._loads = self._path.with_name(f"{self._path.name}.loading")
        self._loads.touch()
        self._lock = threading.Lock()
        self._readers: weakref.WeakSet[sqlite3.Connection] = weakref.WeakSet()
        self._of_thread = threading.local()
        with self._translated("opening the online features"):
            self._writer = _opened(self._path)
            self._writer.executescript(schema.CREATE)
            self._repairs = self._leftovers_of_the_dead()

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    def get(self, view: str, entity: str, as_of_us: int | None = None) -> Row | None:
        try:
            row: Row | None = self._execute(schema.GET, (view, entity)).fetchone()
        except sqlite3.Error as error:
            raise self._ours(f"reading a row of {view}", error) from error
        return row

    def get_many(self, view: str, entities: Sequence[str], as_of_us: Sequence[int] | None = None) -> list[Row | None]:
        try:
            if len(entities) <= schema.MOST:
                return self._several(view, entities)
            self._execute("BEGIN")
            try:
                parts = range(0, len(entities), schema.MOST)
                return [row for i in parts for row in self._several(view, entities[i : i + schema.MOST])]
            finally:
                self._execute("COMMIT")
        except sqlite3.Error as error:
            raise self._ours(f"reading rows of {view}", error) from error

    def _several(self, view: str, entities: Sequence[str]) -> list[Row | None]:
        count = len(entities)
        size = next(size for size in schema.SIZES if size >= count)
        asked = (view, *entities, *((None,) * (size - count)))
        found = self._execute(schema.many(size), asked).fetchmany(count) if count else []
        return [None if row[1] is None else row for row in found]

    def mark(self, view: str) -> str | None:
        with self._translated(f"reading the mark of {view}"):
            found = self._execute("SELECT mark FROM views WHERE view = ?", (view,)).fetchone()
        return found[0] if found else None

    def rows(self, view: str) -> Iterator[OnlineRow]:
        with self._translated(f"reading the rows of {view}"):
            found = self._execute(schema.ROWS, (view,)).fetchall()
        yield from found

    def views(self) -> list[OnlineView]:
        with self._translated("reading what the online features are"):
            return [OnlineView(*row) for row in self._execute(schema.VIEWS).fetchall()]

    @property
    def _execute(self) -> Callable[..., sqlite3.Cursor]:
        """Of this thread's own connection, opened when the thread first reads."""
        try:
            execute: Callable[..., sqlite3.Cursor] = self._of_thread.execute
        except AttributeError:
            reader = _opened(self._path)
            reader.execute("PRAGMA query_only = ON")
            self._readers.add(reader)
            execute = self._of_thread.execute = reader.cursor().execute
        return execute

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def apply(self, view: str, rows: Iterable[OnlineRow], *, step: Step | None = None) -> int:
        given = list(rows)
        with self._writing(f"applying rows of {view}") as db:
            served, loading = self._stepped(db, view, step)
            before = db.total_changes
            db.executemany(schema.NEWER, ((served, *row) for row in given))
            applied = db.total_changes - before
            if loading:
                db.executemany(schema.NEWER, ((loading, *row) for row in given))
        return applied

    def correct(
        self, view: str, rows: Iterable[OnlineRow], *, gone: Iterable[str] = (), step: Step | None = None
    ) -> int:
        given = {row[0]: row for row in rows}
        missing = list(gone)
        with self._writing(f"correcting rows of {view}") as db:
            for gen in filter(None, self._stepped(db, view, step)):
                db.executemany(schema.SET, ((gen, *row) for row in given.values()))
                db.executemany("DELETE FROM rows WHERE gen = ? AND entity = ?", ((gen, e) for e in missing))
        return len(given)

    def replace(self, view: str, rows: Iterable[OnlineRow], *, mark: str = "") -> int:
        with self._loading():
            self._drop_leftovers()  # of a load that was killed: nobody but us loads now
            if mark and self.mark(view) == mark:
                return 0
            with self._writing(f"beginning to load {view}") as db:
                gen = db.execute("INSERT INTO generations (view) VALUES (?)", (view,)).lastrowid
            try:
                self._load(view, gen, iter(rows))
                count = self._turn_over(view, gen, mark)
            finally:
                self._drop_leftovers()
        return count

    def forget(self, view: str) -> None:
        with self._loading():
            with self._writing(f"forgetting {view}") as db:
                db.execute("DELETE FROM views WHERE view = ?", (view,))
            self._drop_leftovers()

    def repairs(self) -> list[str]:
        return list(self._repairs)

    def close(self) -> None:
        with self._lock:
            for connection in (self._writer, *self._readers):
                connection.close()

    def _stepped(self, db: sqlite3.Connection, view: str, step: Step | None) -> tuple[int, int | None]:
        """The generation that is served and the one that is being loaded, the view's mark moved on. Raises Conflict if
        it is another than the writer knows."""
        found = db.execute("SELECT gen, mark FROM views WHERE view = ?", (view,)).fetchone()
        if step is not None and (found[1] if found else None) != step.before:
            raise moved(view, step, found[1] if found else None)
        mark = step.after if step else ""
        if found is None:
            served = db.execute("INSERT INTO generations (view) VALUES (?)", (view,)).lastrowid or 0
            db.execute("INSERT INTO views (view, gen, mark) VALUES (?, ?, ?)", (view, served, mark))
        else:
            served = found[0]
            db.execute("UPDATE views SET mark = ? WHERE view = ?", (mark, view))
        loading = db.execute("SELECT max(gen) FROM generations WHERE view = ? AND gen > ?", (view, served)).fetchone()[
            0
        ]
        if loading:
            db.execute("UPDATE generations SET touched = 1 WHERE gen = ?", (loading,))
        return served, loading

    def _load(self, view: str, gen: int | None, rows: Iterator[OnlineRow]) -> None:
        """In small transactions, so that others may write in between; what they wrote is newer, or as new."""
        while batch := list(islice(rows, BATCH)):
            with self._writing(f"loading rows of {view}") as db:
                db.executemany(schema.NEWER, ((gen, *row) for row in batch))

    def _turn_over(self, view: str, gen: int | None, mark: str) -> int:
        with self._writing(f"turning {view} over to its new rows") as db:
            touched, count = db.execute(
                "SELECT touched, (SELECT count(*) FROM rows WHERE gen = ?1) FROM generations WHERE gen = ?1", (gen,)
            ).fetchone()
            db.execute("INSERT OR REPLACE INTO views VALUES (?, ?, ?)", (view, gen, "" if touched else mark))
        return int(count)

    @contextmanager
    def _loading(self) -> Iterator[None]:
        """One load at a time, whoever loads. The lock of a killed process dies with it."""
        with waited_for(self._loads, PATIENCE_S, f"another load of {self._path} to end"):
            yield

    def _leftovers_of_the_dead(self) -> list[str]:
        with locked(self._loads) as nobody_loads:
            views = self._drop_leftovers() if nobody_loads else []
        return [f"removed the rows of {view} that a killed load left; the ones before it serve" for view in views]

    def _drop_leftovers(self) -> list[str]:
        """Drop every generation that is not served, in small transactions, and name their views."""
        with self._lock, self._translated("looking for what killed loads left"):
            found = self._writer.execute(schema.LEFTOVERS).fetchall()
        for gen, view in found:
            dropped = 1
            while dropped:
                with self._writing(f"dropping old rows of {view}") as db:
                    dropped = db.execute(schema.DROP_SOME, (gen, BATCH)).rowcount
            with self._writing(f"dropping old rows of {view}") as db:
                db.execute("DELETE FROM generations WHERE gen = ?", (gen,))
        return [view for _, view in found]

    @contextmanager
    def _writing(self, what: str) -> Iterator[sqlite3.Connection]:
        """One transaction, all or nothing."""
        with self._lock, self._translated(what):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._ours(what, error) from error

    def _ours(self, what: str, error: sqlite3.Error) -> Unavailable | Damaged:
        said = f"{what} failed: {error} ({self._path})"
        if isinstance(error, sqlite3.DatabaseError) and ("malformed" in said or "not a database" in said):
            return Damaged(said, hint="delete the file: its rows are made again from the snapshots")
        return Unavailable(said, hint=f"look after the disk that holds {self._path}")


def glance(path: Path) -> list[OnlineView]:
    """What the store at ``path`` holds, without opening it for more than that; nothing where there is none."""
    if not path.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
            return [OnlineView(*row) for row in db.execute(schema.VIEWS).fetchall()]
    except sqlite3.Error as error:
        raise Unavailable(f"the online features cannot be read: {error} ({path})") from error


class _Connection(sqlite3.Connection):
    """One that can be referred to weakly: a thread's reader ends with its thread."""


def _opened(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode: transactions are begun by hand. Up to 256 MiB of the file are mapped to memory."""
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False, factory=_Connection)
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "mmap_size = 268435456", "cache_size = -16384"):
        connection.execute(f"PRAGMA {pragma}")
    return connection
