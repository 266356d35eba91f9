"""Records in columns in the log: what a reader gets does not tell how they were written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plimsoll.kernel.columns import Events, in_columns, one_by_one, rows_in
from plimsoll.kernel.records import Answer, Beside, Event, Outcome, Record
from plimsoll.store import SegmentLog, open_query

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
FIRST = Path(__file__).parent / "fixtures" / "first_events"
TURN = [
    Event(
        id=f"e{i}",
        capability="late",
        at=NOON + timedelta(hours=i),
        block="2013-02-01",
        unit=f"u{i}",
        inputs={"items": i},
        served=Answer(release="r1", role="live", score=i / 8 if i else None, error="" if i else "timeout"),
    )
    for i in range(4)
]
SAID = [Beside(event=e.id, answers=(Answer(release="r2", role="shadow", score=0.5),)) for e in TURN]
TOLD = [Outcome(event=e.id, label=1.0, at=NOON + timedelta(days=1)) for e in TURN]
RECORDS: list[Record] = [*TURN, *SAID, *TOLD]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "events"


@pytest.fixture
def log(folder: Path) -> Iterator[SegmentLog]:
    """The same records twice: one by one, then in columns."""
    log = SegmentLog(folder)
    for group in (TURN, SAID, TOLD):
        log.append(group)
    for group in (TURN, SAID, TOLD):
        log.append(in_columns(group))
    yield log
    log.close()


def compacted(log: SegmentLog) -> None:
    log.close()
    assert log.compact()


@pytest.mark.parametrize("then", [lambda log: None, SegmentLog.close, compacted])
def test_a_reader_gets_records_however_they_were_written(log: SegmentLog, then: Callable[[SegmentLog], None]) -> None:
    """While the segment is open, once it is sealed, and from Parquet."""
    then(log)
    assert log.read()[0] == RECORDS * 2 and list(log.verify()) == []


@pytest.mark.parametrize("then", [lambda log: None, compacted])
def test_a_reader_of_many_gets_columns_however_they_were_written(
    log: SegmentLog, then: Callable[[SegmentLog], None]
) -> None:
    """The same records in the same order; those of a turn are one record."""
    then(log)
    found, end = log.read_columns()
    assert list(map(rows_in, found)) == [4] * 6 and list(one_by_one(found)) == RECORDS * 2
    assert log.read_columns(end) == ([], end)


def test_a_limit_counts_records_not_what_they_are_written_in(log: SegmentLog) -> None:
    """A turn counts for as many as it has; what was appended at once is read at once."""
    found, place = log.read_columns(limit=8)
    assert sum(map(rows_in, found)) == 8
    assert sum(map(rows_in, log.read_columns(place, limit=1)[0])) == 4


def test_segments_of_the_first_version_are_read_in_columns(tmp_path: Path) -> None:
    """Frames and Parquet alike: whoever takes columns takes what was written before there were any."""
    folder = shutil.copytree(FIRST, tmp_path / "events")
    (folder / "segments.lock").touch()
    log = SegmentLog(folder)
    found, _ = log.read_columns()
    assert list(one_by_one(found)) == log.read()[0]
    assert [e.id for each in found if isinstance(each, Events) for e in each.each()] == [
        "e1",
        "f1",
        "e2",
        "f2",
        "e3",
        "f3",
    ]


@pytest.mark.parametrize("then", [lambda log: None, compacted])
def test_sql_sees_a_row_for_each_record_in_columns(
    log: SegmentLog, folder: Path, then: Callable[[SegmentLog], None]
) -> None:
    """Twice the same rows: from the records, and from the columns."""
    then(log)
    with open_query(folder) as query:
        rows = list(query.rows("SELECT * FROM events ORDER BY id"))
        assert len(rows) == 8 and all(a == b for a, b in zip(rows[::2], rows[1::2], strict=True))
        assert list(query.rows("SELECT count(*), sum(label) FROM outcomes")) == [(8, 8.0)]
        said = "SELECT role, count(*), count(score), max(error) FROM answers GROUP BY role ORDER BY role"
        assert list(query.rows(said)) == [("live", 16, 12, "timeout"), ("shadow", 16, 16, "")]
