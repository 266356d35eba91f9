"""Durable events: 32 writers, one event an append, each acknowledged after ``fdatasync``.

The peer is SQLite with the same promise (WAL, ``synchronous=FULL``: a commit is on the disk), one row a transaction,
32 threads; it is given the better of two arrangements, a connection each or one connection that they take turns with.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.table import Row, at_least
from benchmarks.timing import once_s
from plimsoll.kernel.records import Answer, Event
from plimsoll.store import SegmentLog

WRITERS = 32
EACH = 1_500
PEER_EACH = 60
REPEATS = 3
UNIT = "events/s"


def run() -> list[Row]:
    """About half a minute. The best of three, because noise only ever adds."""
    events = [_event(n) for n in range(WRITERS * EACH)]
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder:
        fresh = _fresh(Path(folder))
        peer = max(_sqlite_per_s(fresh(), events, shared=shared) for shared in (False, True))
        return [
            _against("durable events, 32 threads", _best(_threads_per_s, fresh, events), peer),
            _against("durable events, 32 asyncio tasks", _best(_tasks_per_s, fresh, events), peer),
            at_least("durable events in batches of 100", _best(_batches_per_s, fresh, events), 100_000, UNIT),
            at_least("events that survive kill -9, 1 thread", _best(_process_per_s, fresh, events), 50_000, UNIT),
            at_least("events read again", _best(_read_per_s, fresh, events), 100_000, UNIT),
        ]


def _against(what: str, ours: float, peer: float) -> Row:
    return at_least(what, ours, 25_000, UNIT, peer="SQLite, WAL, synchronous=FULL", peer_value=peer)


Fresh = Callable[[], Path]
Measure = Callable[[Path, list[Event]], float]


def _event(n: int) -> Event:
    """About 400 bytes, as the flights' are."""
    return Event(
        id=f"{n:032x}",
        capability="arrival-delay",
        at=datetime(2013, 2, 1, tzinfo=UTC),
        block="2013-02-01",
        unit=f"2013-02-01/UA/{n}/EWR",
        inputs={"carrier": "UA", "origin": "EWR", "dest": "IAH", "tailnum": "N14228", "distance": 1400},
        served=Answer(release=f"{7:064x}", role="live", score=0.25, latency_ms=1.5, features=bytes(80)),
    )


def _fresh(folder: Path) -> Fresh:
    """Makes a new empty folder at every call, on the disk that the repository is on (``/tmp`` may be memory)."""
    return lambda: Path(tempfile.mkdtemp(dir=folder))


def _best(measure: Measure, fresh: Fresh, events: list[Event]) -> float:
    return max(measure(fresh(), events) for _ in range(REPEATS))


def _threads_per_s(folder: Path, events: list[Event]) -> float:
    log = SegmentLog(folder)

    def work(writer: int) -> None:
        for event in events[writer::WRITERS]:
            log.append([event])

    seconds = once_s(lambda: _in_threads(work))
    log.close()
    return len(events) / seconds


def _tasks_per_s(folder: Path, events: list[Event]) -> float:
    log = SegmentLog(folder)

    async def work(writer: int) -> None:
        for event in events[writer::WRITERS]:
            await log.append_async([event])

    async def all_of_them() -> None:
        await asyncio.gather(*(work(writer) for writer in range(WRITERS)))

    seconds = once_s(lambda: asyncio.run(all_of_them()))
    log.close()
    return len(events) / seconds


def _batches_per_s(folder: Path, events: list[Event]) -> float:
    log = SegmentLog(folder)
    batches = [events[n : n + 100] for n in range(0, len(events), 100)]

    def work(writer: int) -> None:
        for batch in batches[writer::WRITERS]:
            log.append(batch)

    seconds = once_s(lambda: _in_threads(work))
    log.close()
    return len(events) / seconds


def _process_per_s(folder: Path, events: list[Event]) -> float:
    log = SegmentLog(folder, durability="process")

    def work() -> None:
        for event in events:
            log.append([event])

    seconds = once_s(work)
    log.close()
    return len(events) / seconds


def _read_per_s(folder: Path, events: list[Event]) -> float:
    log = SegmentLog(folder, durability="process")
    log.append(events[: len(events) // 2])
    for event in events[len(events) // 2 :]:
        log.append([event])
    seconds = once_s(lambda: log.read(limit=len(events)))
    log.close()
    return len(events) / seconds


def _sqlite_per_s(folder: Path, events: list[Event], *, shared: bool) -> float:
    path = folder / "events.db"
    with _connected(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE events (id TEXT PRIMARY KEY, body BLOB NOT NULL)")
    one, turn = _connected(path), threading.Lock()

    def work(writer: int) -> None:
        mine = one if shared else _connected(path)
        for event in events[writer::WRITERS][:PEER_EACH]:
            row = (event.id, msgspec.msgpack.encode(event))
            if not shared:
                mine.execute("INSERT INTO events VALUES (?, ?)", row)
                continue
            with turn:
                mine.execute("INSERT INTO events VALUES (?, ?)", row)
        if not shared:
            mine.close()

    seconds = once_s(lambda: _in_threads(work))
    one.close()
    return WRITERS * PEER_EACH / seconds


def _connected(path: Path) -> sqlite3.Connection:
    """In autocommit mode: each insert is a transaction of its own."""
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _in_threads(work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
