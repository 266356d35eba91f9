"""Garbage: what a live release came from cannot be collected."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from plimsoll.app import open_home
from plimsoll.capability import load
from plimsoll.kernel.lifecycle import State
from plimsoll.operations import VirtualClock, collect_garbage, ship
from plimsoll.scaffold import sample_plan, write
from plimsoll.settings import Settings


def test_what_may_come_back_is_kept_and_the_rest_goes(tmp_path: Path) -> None:
    """A gated release keeps its bytes and its snapshots; an object that nobody names goes, once it is old enough."""
    write(sample_plan("small", "binary"), tmp_path / "small")
    capability = load(tmp_path / "small")
    clock = VirtualClock(datetime.now(UTC))
    with open_home(Settings(home=tmp_path / "home"), clock=clock) as home:
        shipped = ship(capability, home.yard(), with_report=False)
        assert shipped.deployment.states[shipped.release] is State.GATED
        stray = home.objects.put(b"nobody names this")
        assert stray not in collect_garbage(home.yard(), delete=True), "what is young may be about to be named"
        clock.move_to(clock.now() + timedelta(hours=2))
        assert collect_garbage(home.yard(), delete=False) == [stray]
        assert collect_garbage(home.yard(), delete=True) == [stray]
        row = home.catalog.release("small", shipped.release)
        assert all(home.objects.get(d) for d in row.manifest.artifacts.values())
        snapshot = home.catalog.snapshot("small")
        assert snapshot is not None and all(home.objects.get(d) for d in snapshot.files)
