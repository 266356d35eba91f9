"""The upkeep beside the loop: what was closed is compacted by another process, what need not be kept goes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plimsoll.kernel.columns import in_columns
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.records import Answer, Event
from plimsoll.kernel.rollout import Deployment, Live, Rollout, Shadow
from plimsoll.operations import VirtualClock
from plimsoll.operations.need import WINDOW_BLOCKS, needed_since
from plimsoll.operations.tally import Tally
from plimsoll.operations.upkeep import Chore, Upkeep
from plimsoll.store import Retention, SegmentLog, has_sealed

DAY = timedelta(days=1)
FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(n: int) -> Event:
    served = Answer(release="r1", role="live", score=0.5)
    block = (FIRST + n * DAY).date().isoformat()
    return Event(id=f"e{n}", capability="late", at=FIRST + n * DAY, block=block, unit=f"u{n}", inputs={}, served=served)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    log = SegmentLog(tmp_path / "events", segment_bytes=1)
    for n in range(3):
        log.append([event(n)])
    log.close()
    return tmp_path / "events"


MakeUpkeep = Callable[..., tuple[Upkeep, list[str]]]


@pytest.fixture
def upkeep_of(folder: Path) -> Iterator[MakeUpkeep]:
    made: list[Upkeep] = []

    def make(needed: datetime | None, **rule: float) -> tuple[Upkeep, list[str]]:
        said: list[str] = []
        upkeep = Upkeep(
            folder,
            retention=Retention(folder, **{"keep_days": 0, "keep_gb": 0} | rule),
            clock=VirtualClock(FIRST),
            needed_since=lambda: needed,
            say=said.append,
            every_s=0.01,
        )
        made.append(upkeep)
        return upkeep, said

    yield make
    for each in made:
        each.stop()


def test_closed_segments_are_compacted_by_themselves(folder: Path, upkeep_of: MakeUpkeep) -> None:
    """Another process does it; the records are what they were."""
    upkeep, _ = upkeep_of(None)
    upkeep.once()
    log = SegmentLog(folder, writer="reader")
    assert not has_sealed(folder) and len(log.parquet()) == 3
    assert list(log.read()[0]) == [event(n) for n in range(3)]


def test_nothing_is_deleted_before_the_loop_has_looked(folder: Path, upkeep_of: MakeUpkeep) -> None:
    """Until then nobody knows what is needed."""
    upkeep, said = upkeep_of(None, keep_gb=1e-9)
    upkeep.once()
    assert said == [] and len(list(folder.glob("*.parquet"))) == 3


def test_what_is_not_needed_is_deleted(folder: Path, upkeep_of: MakeUpkeep) -> None:
    """And said."""
    upkeep, said = upkeep_of(FIRST + 2 * DAY, keep_gb=1e-9)
    upkeep.once()
    assert len(said) == 3 and len(list(folder.glob("*.parquet"))) == 1


def test_a_chore_is_done_in_its_time_and_before_anything_is_deleted(folder: Path, tmp_path: Path) -> None:
    """It gets what it was given; not again before its time; one that fails is said, and stops nothing."""
    note = "import sys, pathlib; p = pathlib.Path(sys.argv[1]); p.open('ab').write(sys.stdin.buffer.read())"
    chores = [
        Chore("noting", [sys.executable, "-c", note, str(tmp_path / "note")], b"given", every_s=3_600.0),
        Chore("failing", [sys.executable, "-c", "raise SystemExit(3)"]),
    ]
    upkeep = Upkeep(
        folder,
        retention=Retention(folder, keep_days=0, keep_gb=0),
        clock=VirtualClock(FIRST),
        needed_since=lambda: None,
        say=lambda said: None,
        chores=chores,
    )
    upkeep.once()
    upkeep.once()
    assert (tmp_path / "note").read_bytes() == b"given"


def test_stopping_ends_a_compaction_that_is_under_way(upkeep_of: MakeUpkeep) -> None:
    """It is another one's work then."""
    upkeep, _ = upkeep_of(None)
    upkeep.start()
    upkeep.stop()
    assert not upkeep._thread.is_alive()


def closed_blocks(count: int) -> Tally:
    tally = Tally(task="binary", maturity=DAY)
    tally.read(in_columns([event(n) for n in range(count)]))
    tally.close(FIRST + (count + 5) * DAY)
    assert len(tally.closed) == count
    return tally


def deployment(**changes: object) -> Deployment:
    return Deployment(capability="late", **changes)  # type: ignore[arg-type]


def test_nothing_is_needed_of_nothing() -> None:
    """No event, no need."""
    assert needed_since(Tally(task="binary", maturity=DAY), deployment()) is None


def test_the_window_of_a_lapse_is_needed() -> None:
    """The newest closed blocks, and no older one."""
    found = needed_since(closed_blocks(40), deployment())
    assert found == FIRST + (40 - WINDOW_BLOCKS) * DAY


def test_a_block_that_waits_for_outcomes_is_needed() -> None:
    """However long ago it began."""
    tally = closed_blocks(40)
    tally.read(in_columns([event(-5)]))
    assert needed_since(tally, deployment()) == FIRST - 5 * DAY


def test_the_evidence_of_a_rollout_is_needed() -> None:
    """From where its sequence began."""
    began = FIRST + 2 * DAY
    rollout = Rollout(
        release="r2",
        champion="r1",
        plan=(Shadow(), Live()),
        stage=0,
        state=State.SHADOW,
        started_at=began,
        since=began,
        evidence_since=began,
    )
    assert needed_since(closed_blocks(40), deployment(rollout=rollout)) == began


def test_what_a_lease_has_not_been_judged_by_yet_is_needed() -> None:
    """Its detectors carry what they have seen, and nothing else."""
    lease = Lease(release="r1", granted_at=FIRST + DAY, keep=())
    assert needed_since(closed_blocks(40), deployment(lease=lease)) == FIRST + DAY
    seen = Lease(
        release="r1", granted_at=FIRST + DAY, keep=(), judged_until="2026-04-01", counted_until="2026-04-01T00"
    )
    assert needed_since(closed_blocks(40), deployment(lease=seen)) == FIRST + (40 - WINDOW_BLOCKS) * DAY
