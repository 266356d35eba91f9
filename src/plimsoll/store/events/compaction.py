"""Sealed segments become Parquet, for SQL over past traffic, without a moment in which a record is lost or double.

The Parquet file is written aside, flushed, and renamed to ``<segment>.<digest of its bytes>.parquet``; that rename is
the record of its being complete, and from then on it stands for the segment. The frames go afterwards. Each record's
own bytes are in the column ``record``, so that nothing is lost in columns: reading gives back what was appended.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from plimsoll.errors import Damaged, Unavailable
from plimsoll.kernel.columns import Written
from plimsoll.store.durable import locked, sync_folder, unavailable
from plimsoll.store.events.columns import sql_of, write_rows
from plimsoll.store.events.frames import decode_record
from plimsoll.store.events.reading import framed_records
from plimsoll.store.events.segments import Segment, changing, listing

if TYPE_CHECKING:
    import duckdb

_WORK = "compacting"
_LOCK = "compacting.lock"
_COPY = "COPY ({rows}) TO '{target}' (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"
_READ = "SELECT frame_end, record FROM read_parquet($path) WHERE record IS NOT NULL AND frame_end > $offset"
_NEWEST = """SELECT max("at") FROM read_parquet($path) WHERE kind = 'event'"""
_BATCH = 10_000
_MEMORY = "512MB"


def compact(folder: Path) -> list[str]:
    """Compact every sealed, undamaged segment; the paths of the Parquet files that were made. One process at a time."""
    if not folder.is_dir():
        return []
    with _working(folder) as work:
        if work is None:
            return []
        sealed = [segment for segment in listing(folder) if segment.state == "sealed"]
        return [made for segment in sealed if (made := _compacted(segment, work))]


def clear(folder: Path) -> list[str]:
    """Remove what a killed compaction left aside: one sentence if there was something."""
    if not (folder / _WORK).is_dir():
        return []
    with _working(folder) as work:
        left = sorted(p.name for p in work.iterdir()) if work else []
    return [f"removed {', '.join(left)}, which a killed compaction left half written"] if left else []


def check(segment: Segment) -> None:
    """Raise Damaged unless the Parquet file has the digest in its name."""
    with segment.path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    if found != segment.digest:
        raise Damaged(
            f"segment {segment.name} is damaged: its Parquet file has the digest {found}, not {segment.digest} "
            f"({segment.path})",
            hint=f"restore {segment.path.name} from a backup",
            details={"segment": segment.name, "offset": 0},
        )


def newest_event(path: Path) -> datetime | None:
    """When the newest event in a Parquet file was asked; None if it holds none. Raises Damaged if it cannot be read."""
    import duckdb

    try:
        with _engine() as engine:
            found = engine.execute(_NEWEST, {"path": str(path)}).fetchone()
    except duckdb.Error as error:
        raise Damaged(f"a segment's Parquet file cannot be read ({path})", hint="plimsoll log --verify") from error
    return found[0].replace(tzinfo=UTC) if found and found[0] else None


def compacted_records(segment: Segment, offset: int) -> Iterator[tuple[list[Written], int]]:
    """As ``framed_records``, from the Parquet file: the records of each frame behind ``offset``, and its end."""
    records: list[Written] = []
    end = offset
    for frame_end, record in _rows(segment.path, offset):
        if records and frame_end != end:
            yield records, end
            records = []
        records.append(decode_record(record))
        end = frame_end
    if records:
        yield records, end


def _rows(path: Path, offset: int) -> Iterator[tuple[int, bytes]]:
    with _engine() as engine:
        found = engine.execute(_READ, {"path": str(path), "offset": offset})
        while batch := found.fetchmany(_BATCH):
            yield from batch


@contextmanager
def _working(folder: Path) -> Iterator[Path | None]:
    """A folder for half-written files, empty at first and gone afterwards; None where another process compacts."""
    (folder / _LOCK).touch()
    with locked(folder / _LOCK) as mine:
        if not mine:
            yield None
            return
        work = folder / _WORK
        work.mkdir(exist_ok=True)
        try:
            yield work
        finally:
            shutil.rmtree(work)


def _compacted(segment: Segment, work: Path) -> str:
    """The path of the new Parquet file; empty if the segment is damaged, which ``verify`` names."""
    try:
        aside = _written(segment, work)
        with aside.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
            os.fsync(file.fileno())
        return str(_put_in_place(segment, aside, digest))
    except Damaged:
        return ""
    except OSError as error:
        raise unavailable(f"compacting segment {segment.name}", segment.path, error) from error


def _put_in_place(segment: Segment, aside: Path, digest: str) -> Path:
    folder = segment.path.parent
    final = folder / f"{segment.name}.{digest}.parquet"
    with changing(folder):
        aside.rename(final)
        sync_folder(folder)
        segment.path.unlink()
    return final


def _written(segment: Segment, work: Path) -> Path:
    import duckdb

    rows, target = work / f"{segment.name}.jsonl", work / f"{segment.name}.parquet"
    longest = write_rows(framed_records(segment, 0), rows)
    copy = _COPY.format(rows=sql_of([rows], longest), target=str(target).replace("'", "''"))
    try:
        with _engine() as engine:
            engine.execute(copy)
    except duckdb.IOException as error:
        raise Unavailable(f"compacting segment {segment.name} failed: {error}", hint="free some space") from error
    rows.unlink()
    return target


@contextmanager
def _engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB in memory with one thread: rows keep their order, and serving keeps its other cores."""
    import duckdb

    with duckdb.connect(config={"threads": 1, "memory_limit": _MEMORY}) as engine:
        yield engine
