"""Beside a server: the cases on which a release and its champion part are kept, and what is expected is written down."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import Commit, ReleaseRow
from plimsoll.kernel.records import FALLBACK, Answer, Beside, Event
from plimsoll.kernel.rollout import Deployment, Live, Rollout, Shadow
from plimsoll.operations import status_page
from plimsoll.operations.answered.disagreement import Kept, collected, kept_at
from plimsoll.operations.answered.looking import look
from plimsoll.operations.answered.noted import expected_of
from plimsoll.operations.answered.reading import answered
from plimsoll.stats.disagreement import worst
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


def asked(folder: Path, first: int, n: int, *, spread: float = 0.0) -> None:
    """``n`` questions, an hour apart, each answered by both; the release's answers vary by ``spread``."""
    log = SegmentLog(folder / "events", durability="process")
    for i in range(first, first + n):
        at = T0 + timedelta(hours=i)
        served = Answer(release=FALLBACK, role="fallback", score=0.4)
        event = Event(id=f"e{i}", capability="late", at=at, block=f"{at:%Y-%m-%d}", unit="u", inputs={}, served=served)
        log.append(
            [
                event,
                Beside(
                    event=event.id,
                    answers=(Answer(release=MANIFEST.digest, role="shadow", score=0.6 + spread * math.sin(i)),),
                ),
            ]
        )
    log.close()


def test_what_was_asked_since_is_added_and_what_went_is_kept(tmp_path: Path, catalog: Any) -> None:
    """The lists grow with each look, and what was kept stays when its events are gone."""
    asked(tmp_path, 0, 5)
    look(catalog, tmp_path / "events", tmp_path, T0 + timedelta(hours=5))
    kept = kept_at(tmp_path / "disagreements", MANIFEST.digest, FALLBACK)
    assert {c.id for c in kept.worst} == {f"e{i}" for i in range(5)} == {c.id for c in kept.sample}
    for segment in (tmp_path / "events").glob("*"):
        segment.unlink()
    asked(tmp_path, 30, 4)
    look(catalog, tmp_path / "events", tmp_path, T0 + timedelta(days=2))
    assert len(kept_at(tmp_path / "disagreements", MANIFEST.digest, FALLBACK).sample) == 9


def test_what_the_database_picks_is_what_is_ranked(tmp_path: Path, catalog: Any) -> None:
    """The furthest apart, another decision first; and a sample that is the first by the hash of its ids."""
    asked(tmp_path, 0, 300, spread=0.3)
    everything = answered(tmp_path / "events", "late", MANIFEST.digest, FALLBACK)
    assert everything.others is not None
    worst_ids = [everything.ids[i] for i in worst(everything.scores, everything.others, "binary", most=50)]
    picked = answered(tmp_path / "events", "late", MANIFEST.digest, FALLBACK, pick="worst", most=50)
    assert set(picked.ids) == set(worst_ids)
    before = Kept(release=MANIFEST.digest, against=FALLBACK)
    sample = answered(tmp_path / "events", "late", MANIFEST.digest, FALLBACK, pick="sample")
    assert {c.id for c in collected(everything, "binary", before).sample} == set(sample.ids)


def test_what_is_expected_is_written_down_for_the_page(tmp_path: Path, catalog: Any) -> None:
    """Of the live release; another one's is not shown."""
    d = catalog.deployment("late")
    lease = Lease(release=MANIFEST.digest, granted_at=T0, keep=())
    catalog.commit(Commit(deployment=Deployment(capability="late", version=d.version, lease=lease), entries=()), None)
    asked(tmp_path, 0, 30)
    look(catalog, tmp_path / "events", tmp_path, T0 + timedelta(hours=40))
    found = expected_of(tmp_path, "late", MANIFEST.digest)
    assert found is not None and found["answers"] == 30
    assert expected_of(tmp_path, "late", "another") is None
    page = status_page(catalog, T0, tmp_path).decode()
    assert "30 answers of 2 blocks" in page and "nothing is judged by it" in page


def test_with_nothing_on_its_way_nothing_is_kept(tmp_path: Path, catalog: Any) -> None:
    """No rollout, no file; no events, no complaint."""
    look(catalog, tmp_path / "events", tmp_path, T0)
    d = catalog.deployment("late")
    catalog.commit(Commit(deployment=Deployment(capability="late", version=d.version), entries=()), None)
    asked(tmp_path, 0, 3)
    look(catalog, tmp_path / "events", tmp_path, T0 + timedelta(days=9))
    assert not (tmp_path / "disagreements").exists() and not (tmp_path / "expected").exists()


def test_the_process_reads_where_things_are_from_its_input(tmp_path: Path, catalog: Any) -> None:
    """Nothing secret stands on its command line; what it cannot read it says, with its exit code."""
    asked(tmp_path, 0, 3)
    places = {
        "catalog": f"sqlite:///{tmp_path}/catalog.db",
        "segments": str(tmp_path / "events"),
        "home": str(tmp_path),
    }
    command = [sys.executable, "-m", "plimsoll.operations.answered.looking"]
    done = subprocess.run(command, input=msgspec.json.encode(places), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(kept_at(tmp_path / "disagreements", MANIFEST.digest, FALLBACK).worst) == 3
