"""Sealed segments become Parquet, for SQL over past traffic, without a moment in which a record is lost or double.

The Parquet file is written aside, flushed, and renamed to ``<segment>.<digest of its bytes>.parquet``; that rename is
the record of its being complete, and from then on it stands for the segment. The frames go afterwards. Each record's
own bytes are in the column ``record``, so that nothing is lost in columns: reading gives back what was appended.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from plimsoll.errors import Damaged, Unavailable
from plimsoll.kernel.records import Answer, Beside, Event, Outcome, Record
from plimsoll.store.durable import locked, sync_folder, unavailable
from plimsoll.store.events.frames import decode_record, encode_record
from plimsoll.store.events.reading import framed_records
from plimsoll.store.events.segments import Segment, changing, listing

if TYPE_CHECKING:
    import duckdb

_WORK = "compacting"
_LOCK = "compacting.lock"
_COLUMNS = {
    "kind": "VARCHAR",  # event, beside (a row for each answer) or outcome
    "id": "VARCHAR",  # the event's
    "capability": "VARCHAR",
    "at": "BIGINT",
    "block": "VARCHAR",
    "unit": "VARCHAR",
    "tenant": "VARCHAR",
    "release": "VARCHAR",
    "role": "VARCHAR",
    "score": "DOUBLE",
    "scores": "DOUBLE[]",  # of a multiclass answer
    "latency_ms": "DOUBLE",
    "error": "VARCHAR",
    "action": "VARCHAR",
    "rollout": "VARCHAR",
    "label": "DOUBLE",
    "inputs": "VARCHAR",  # JSON
    "frame_end": "BIGINT",  # where the record's frame ends in the segment
    "record": "VARCHAR",  # base64 here, a BLOB in the file; on the first row of each record
}
_COPY = """COPY (
    SELECT * REPLACE (make_timestamp("at") AS "at", from_base64(record) AS record)
    FROM read_json($rows, format = 'newline_delimited', columns = {columns}, maximum_object_size = 268435456)
) TO '{target}' (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"""
_READ = "SELECT frame_end, record FROM read_parquet($path) WHERE record IS NOT NULL AND frame_end > $offset"
_BATCH = 10_000


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


def compacted_records(segment: Segment, offset: int) -> Iterator[tuple[list[Record], int]]:
    """As ``framed_records``, from the Parquet file: the records of each frame behind ``offset``, and its end."""
    records: list[Record] = []
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
    except Damaged:
        return ""
    except OSError as error:
        raise unavailable(f"compacting segment {segment.name}", segment.path, error) from error
    with aside.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        os.fsync(file.fileno())
    return str(_put_in_place(segment, aside, digest))


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
    encoder = msgspec.json.Encoder()
    with rows.open("wb") as file:
        for row in _rows_of(segment):
            file.write(encoder.encode(row))
            file.write(b"\n")
    copy = _COPY.format(columns=_COLUMNS, target=str(target).replace("'", "''"))
    try:
        with _engine() as engine:
            engine.execute(copy, {"rows": str(rows)})
    except duckdb.IOException as error:
        raise Unavailable(f"compacting segment {segment.name} failed: {error}", hint="free some space") from error
    rows.unlink()
    return target


@contextmanager
def _engine() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB in memory with one thread: rows keep their order, and serving keeps its other cores."""
    import duckdb

    with duckdb.connect(config={"threads": 1}) as engine:
        yield engine


def _rows_of(segment: Segment) -> Iterator[dict[str, Any]]:
    for records, end in framed_records(segment, 0):
        for record in records:
            first = {"frame_end": end, "record": base64.b64encode(encode_record(record)).decode()}
            for columns in _columns(record):
                yield columns | first
                first = {"frame_end": end}


def _columns(record: Record) -> Iterable[dict[str, Any]]:
    """A record as rows: one for each answer in it."""
    match record:
        case Event():
            yield _event_columns(record)
        case Beside():
            yield from ({"kind": "beside", "id": record.event} | _answer_columns(a) for a in record.answers)
        case Outcome():
            yield {"kind": "outcome", "id": record.event, "label": record.label, "at": _us(record.at)}


def _event_columns(event: Event) -> dict[str, Any]:
    columns = {name: getattr(event, name) for name in ("id", "capability", "block", "unit", "tenant")}
    columns |= {"kind": "event", "at": _us(event.at), "action": event.action, "rollout": event.rollout}
    columns["inputs"] = msgspec.json.encode(event.inputs).decode()
    return columns | _answer_columns(event.served)


def _answer_columns(answer: Answer) -> dict[str, Any]:
    several = isinstance(answer.score, tuple)
    return {
        "release": answer.release,
        "role": answer.role,
        "score": None if several else answer.score,
        "scores": answer.score if several else None,
        "latency_ms": answer.latency_ms,
        "error": answer.error,
    }


def _us(at: datetime) -> int:
    """Microseconds since the epoch, exactly (``timestamp()`` is a float)."""
    whole_s = int(at.replace(microsecond=0).timestamp())
    return whole_s * 1_000_000 + at.microsecond
