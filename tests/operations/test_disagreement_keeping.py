"""Once a day the cases on which a release and its champion part are kept, before their events may go."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import Commit, ReleaseRow
from plimsoll.kernel.records import FALLBACK, Answer, Beside, Event
from plimsoll.kernel.rollout import Deployment, Live, Rollout, Shadow
from plimsoll.operations import VirtualClock
from plimsoll.operations.answered.disagreement import kept_at
from plimsoll.operations.answered.keeping import EVERY, DisagreementKeeper
from plimsoll.store import SegmentLog, SqlCatalog

from .given import T0

MANIFEST = Manifest(capability="late", artifacts={"model": "m"}, settings={"task": {"kind": "binary"}})


@pytest.fixture
def catalog(tmp_path: Path) -> Any:
    """One release in shadow since T0, against the fallback."""
    made = SqlCatalog(f"sqlite:///{tmp_path}/catalog.db")
    made.add_release(
        ReleaseRow(digest=MANIFEST.digest, capability="late", manifest=MANIFEST, label="v1", created_at=T0)
    )
    rollout = Rollout(
        release=MANIFEST.digest, champion=FALLBACK, plan=(Shadow(), Live()), stage=0, state=State.SHADOW, started_at=T0,
        since=T0, evidence_since=T0,
    )  # fmt: skip
    made.commit(Commit(deployment=Deployment(capability="late", rollout=rollout), entries=()), None)
    yield made
    made.close()


def asked(folder: Path, first: int, n: int) -> None:
    """``n`` questions, an hour apart, each answered by both."""
    log = SegmentLog(folder / "events", durability="process")
    for i in range(first, first + n):
        at = T0 + timedelta(hours=i)
        served = Answer(release=FALLBACK, role="fallback", score=0.4)
        event = Event(id=f"e{i}", capability="late", at=at, block=f"{at:%Y-%m-%d}", unit="u", inputs={}, served=served)
        log.append(
            [event, Beside(event=event.id, answers=(Answer(release=MANIFEST.digest, role="shadow", score=0.6),))]
        )
    log.close()


def keeper(folder: Path, catalog: Any, clock: VirtualClock) -> DisagreementKeeper:
    return DisagreementKeeper(
        segments=folder / "events", folder=folder / "kept", catalog=catalog, capabilities=["late"], clock=clock
    )


def test_what_was_asked_since_is_added_once_a_day(tmp_path: Path, catalog: Any) -> None:
    """Not before a day has passed, and what was kept before stays when its events are gone."""
    clock = VirtualClock(T0 + timedelta(hours=5))
    watch = keeper(tmp_path, catalog, clock)
    asked(tmp_path, 0, 5)
    watch.once()
    assert not (tmp_path / "kept").exists()
    clock.move_to(T0 + EVERY)
    watch.once()
    assert {c.id for c in kept_at(tmp_path / "kept", MANIFEST.digest, FALLBACK).worst} == {f"e{i}" for i in range(5)}
    for segment in (tmp_path / "events").glob("*"):
        segment.unlink()
    asked(tmp_path, 30, 4)
    clock.move_to(T0 + 2 * EVERY)
    watch.once()
    assert len(kept_at(tmp_path / "kept", MANIFEST.digest, FALLBACK).sample) == 9


def test_with_nothing_on_its_way_nothing_is_read(tmp_path: Path, catalog: Any) -> None:
    """No rollout, no file."""
    d = catalog.deployment("late")
    catalog.commit(Commit(deployment=Deployment(capability="late", version=d.version), entries=()), None)
    keeper(tmp_path, catalog, VirtualClock(T0 + 9 * EVERY)).once()
    assert not (tmp_path / "kept").exists()
