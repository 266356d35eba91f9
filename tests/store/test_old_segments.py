"""Segments that the first version of the records wrote: as frames, and compacted. They decode for good."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from plimsoll.kernel.records import Answer, Beside, Event, Outcome, Record
from plimsoll.store import SegmentLog

FIRST = Path(__file__).parent / "fixtures" / "first_events"
NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """What is in them, read from a copy: opening a log may repair it."""
    folder = shutil.copytree(FIRST, tmp_path / "events")
    (folder / "segments.lock").touch()
    log = SegmentLog(folder)
    assert list(log.verify()) == []
    return list(log.read()[0])


def test_an_event_of_the_first_version_reads_as_it_was_written(records: list[Record]) -> None:
    """What it said is there, and what it could not say is at its default."""
    event = records[0]
    assert isinstance(event, Event)
    assert (event.id, event.unit, event.tenant, event.rollout) == ("e1", "u1", "acme", "b" * 64)
    assert event.inputs["distance"] == 100.5 and event.inputs["gate"] is None
    assert event.served == Answer(
        release="a" * 64, role="live", score=0.25, latency_ms=1.5, features=b"\x00\x00\x80?" * 2
    )
    assert (event.principal, event.confidence, event.stages_us, event.cached) == ("", None, (), False)
    assert event.payload


def test_every_kind_of_record_of_the_first_version_is_there(records: list[Record]) -> None:
    """From the Parquet file and from the frames behind it, in order."""
    assert [r.id for r in records if isinstance(r, Event)] == ["e1", "f1", "e2", "f2", "e3", "f3"]
    assert [r.event for r in records if isinstance(r, Beside)] == ["e1", "e2", "e3"]
    assert Outcome(event="e3", label=1.0, at=NOON.replace(hour=15)) in records
