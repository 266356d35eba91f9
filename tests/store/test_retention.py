"""Retention: by age and by size, whole segments, oldest first; never what is needed, never because a clock jumped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plimsoll.kernel.columns import in_columns
from plimsoll.kernel.records import Event
from plimsoll.store import Retention, SegmentLog, has_sealed
from plimsoll.store.events.retention import PATIENCE_S

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
NOTHING = datetime.max.replace(tzinfo=UTC)
"""Needed since the end of time: nothing is."""
LATER = NOON + timedelta(days=100)


class Monotonic:
    """A stopwatch that somebody moves."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def folder(tmp_path: Path, event: Callable[..., Event]) -> Path:
    """Four closed segments of one event each, a day apart; the first two are compacted."""
    from msgspec.structs import replace

    folder = tmp_path / "events"
    log = SegmentLog(folder, segment_bytes=1)
    for n in range(4):
        log.append([replace(event(f"e{n}"), at=NOON + timedelta(days=n), inputs={"x": "y" * 1000})])
        if n == 1:
            log.append([replace(event("e1b"), at=NOON + timedelta(days=1))])
            log.compact()
    log.close()
    return folder


def left(folder: Path) -> list[str]:
    log = SegmentLog(folder, writer="reader")
    return [record.id for record in log.read()[0] if isinstance(record, Event)]


def swept(folder: Path, *, now: datetime = LATER, needed: datetime = NOTHING, **rule: float) -> list[str]:
    """What a rule deletes once it has looked twice, an hour and more apart."""
    stopwatch = Monotonic()
    retention = Retention(folder, **{"keep_days": 0, "keep_gb": 0} | rule, monotonic=stopwatch)
    said = retention.sweep(now, needed)
    stopwatch.at_s += PATIENCE_S
    return said + retention.sweep(now, needed)


def test_without_a_rule_everything_is_kept(folder: Path) -> None:
    """For ever."""
    assert swept(folder) == [] and len(left(folder)) == 5


def test_what_is_older_is_deleted_and_said(folder: Path) -> None:
    """Segments whose newest event is older, in frames or in Parquet."""
    said = swept(folder, now=NOON + timedelta(days=12, hours=1), keep_days=10)
    assert left(folder) == ["e3"] and len(said) == 4
    assert "its newest event is of 2013-02-01, and [events] keep_days is 10" in said[0]


def test_what_is_needed_is_kept_however_old(folder: Path) -> None:
    """An open verdict or a live lease goes before any rule."""
    swept(folder, keep_days=10, needed=NOON + timedelta(days=2))
    assert left(folder) == ["e2", "e3"]


def test_events_in_columns_are_as_old_as_the_newest_of_them(tmp_path: Path, event: Callable[..., Event]) -> None:
    """The age of a segment does not depend on how its events were written."""
    from msgspec.structs import replace

    log = SegmentLog(tmp_path)
    log.append(in_columns([replace(event(f"e{n}"), at=NOON + timedelta(days=n)) for n in range(3)]))
    log.close()
    assert swept(tmp_path, now=NOON + timedelta(days=12), keep_days=10) == []
    assert "its newest event is of 2013-02-03" in swept(tmp_path, now=NOON + timedelta(days=13), keep_days=10)[0]


def test_a_clock_that_jumps_deletes_nothing(folder: Path) -> None:
    """What looks old for less than an hour of the machine's own time stays; afterwards it has to look old anew."""
    stopwatch = Monotonic()
    retention = Retention(folder, keep_days=10, keep_gb=0, monotonic=stopwatch)
    for now, after_s in ((LATER, 0.0), (NOON, PATIENCE_S / 2), (LATER, PATIENCE_S), (LATER, PATIENCE_S * 1.5)):
        stopwatch.at_s = after_s
        assert retention.sweep(now, NOTHING) == []
    assert len(left(folder)) == 5


def test_what_is_too_much_goes_oldest_first(folder: Path) -> None:
    """Until the rest fits."""
    sizes = [path.stat().st_size for path in sorted(folder.glob("0*"))]
    said = swept(folder, keep_gb=sum(sizes[2:]) / 1e9)
    assert left(folder) == ["e1b", "e2", "e3"] and "more than [events] keep_gb allows" in said[0]


def test_too_much_that_is_needed_is_said(folder: Path) -> None:
    """And kept."""
    said = swept(folder, keep_gb=1e-9, needed=NOON)
    assert len(left(folder)) == 5 and "still needs it" in said[0]


def test_what_is_being_written_is_kept(tmp_path: Path, event: Callable[..., Event]) -> None:
    """Its writer goes on."""
    log = SegmentLog(tmp_path)
    log.append([event("e1")])
    assert swept(tmp_path, keep_days=1) == [] and left(tmp_path) == ["e1"]
    log.close()


def test_a_damaged_segment_is_left_to_a_person(folder: Path) -> None:
    """Nobody knows how old it is."""
    path = sorted(folder.glob("*.seg"))[0]
    path.write_bytes(path.read_bytes()[:-1])
    swept(folder, keep_days=10)
    assert path.exists()


def test_a_torn_tail_ages_too(folder: Path) -> None:
    """It was never acknowledged, but it is what somebody asked."""
    import os

    torn = folder / "00000009-w0.torn"
    torn.write_bytes(b"half a question")
    os.utime(torn, (NOON.timestamp(), NOON.timestamp()))
    assert any("00000009-w0.torn" in sentence for sentence in swept(folder, keep_days=10)) and not torn.exists()


def test_a_segment_is_closed_a_day_after_it_was_begun(
    tmp_path: Path, event: Callable[..., Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little is in it."""
    log = SegmentLog(tmp_path)
    log.append([event("e1")])
    monkeypatch.setattr("plimsoll.store.events.writing._LONGEST_S", -1.0)
    log.append([event("e2")])
    assert has_sealed(tmp_path) and left(tmp_path) == ["e1", "e2"]
    log.close()
