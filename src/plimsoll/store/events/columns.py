"""Records as rows of columns, for Parquet and SQL. A record with several answers is a row for each, and
one in columns has the rows of each record in it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from plimsoll.kernel.columns import Written, one_by_one
from plimsoll.kernel.records import Answer, Beside, Event, Outcome, Record
from plimsoll.store.events.frames import encode_record

COLUMNS = {
    "kind": "VARCHAR",  # event, beside (a row for each answer) or outcome
    "id": "VARCHAR",  # the event's
    "capability": "VARCHAR",
    "at": "BIGINT",  # microseconds since the epoch here, a TIMESTAMP in the file
    "block": "VARCHAR",
    "unit": "VARCHAR",
    "tenant": "VARCHAR",
    "principal": "VARCHAR",
    "release": "VARCHAR",
    "role": "VARCHAR",
    "score": "DOUBLE",
    "scores": "DOUBLE[]",  # of a multiclass answer
    "confidence": "DOUBLE",
    "latency_ms": "DOUBLE",
    "error": "VARCHAR",
    "action": "VARCHAR",
    "reason": "VARCHAR",
    "rollout": "VARCHAR",
    "stages_us": "BIGINT[]",
    "feature_ages_s": "VARCHAR",  # JSON
    "cost_usd": "DOUBLE",
    "trace_id": "VARCHAR",
    "cached": "BOOLEAN",
    "payload": "BOOLEAN",
    "label": "DOUBLE",
    "numbers": "VARCHAR",  # JSON, of an outcome
    "inputs": "VARCHAR",  # JSON
    "frame_end": "BIGINT",  # where the record's frame ends in the segment
    "record": "VARCHAR",  # base64 here, a BLOB in the file; on the first row of each record that was written
}
"""A column's type. Files of an earlier Plimsoll lack those that came later."""
_LINE = 1 << 20
_AS_THEY_ARE = (
    *("id", "capability", "block", "unit", "tenant", "principal", "confidence", "action", "reason", "rollout"),
    *("stages_us", "cost_usd", "trace_id", "cached", "payload"),
)


def write_rows(frames: Iterable[tuple[Sequence[Written], int]], path: Path) -> int:
    """The records of each frame (with where it ends) as lines of JSON: memory is bounded by a frame. Returns the bytes
    of the longest line."""
    encoder, longest = msgspec.json.Encoder(), 0
    with path.open("wb") as file:
        for records, end in frames:
            for row in _rows_of(records, end):
                line = encoder.encode(row)
                longest = max(longest, len(line))
                file.write(line)
                file.write(b"\n")
    return longest


def sql_of(rows: Sequence[Path], longest: int) -> str:
    """A SELECT of what ``write_rows`` wrote, typed. DuckDB takes twice the longest line of memory for each thread, so
    it is told what that is."""
    files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in rows)
    return (
        'SELECT * REPLACE (make_timestamp("at") AS "at", from_base64(record) AS record) FROM read_json('
        f"[{files}], format = 'newline_delimited', columns = {COLUMNS}, maximum_object_size = {max(longest, _LINE) + 1})"
    )


def _rows_of(records: Sequence[Written], end: int) -> Iterator[dict[str, Any]]:
    for written in records:
        first = {"frame_end": end, "record": base64.b64encode(encode_record(written)).decode()}
        for record in one_by_one([written]):
            for columns in _columns(record):
                yield columns | first
                first = {"frame_end": end}


def _columns(record: Record) -> Iterable[dict[str, Any]]:
    """A record as rows: one for each answer in it."""
    match record:
        case Event():
            yield _event_columns(record)
        case Beside():
            row: dict[str, Any] = {"kind": "beside", "id": record.event}
            yield from (row | _answer_columns(a) for a in record.answers)
            if not record.answers:  # exposures lost: the record itself is what has to be kept
                yield row
        case Outcome():
            row = {"kind": "outcome", "id": record.event, "label": record.label, "at": _us(record.at)}
            yield row | {"numbers": msgspec.json.encode(record.values).decode()} if record.values else row


def _event_columns(event: Event) -> dict[str, Any]:
    columns = {name: getattr(event, name) for name in _AS_THEY_ARE}
    columns |= {"kind": "event", "at": _us(event.at)}
    columns["inputs"] = msgspec.json.encode(event.inputs).decode()
    columns["feature_ages_s"] = msgspec.json.encode(event.feature_ages_s).decode()
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
