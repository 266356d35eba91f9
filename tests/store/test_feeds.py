"""Pushed rows: kept once, in a batch or in a snapshot, never in both and never in neither."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from plimsoll.errors import Conflict
from plimsoll.store import SqlCatalog

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)


def fold(catalog: SqlCatalog, until_seq: int, expected_version: int, *, days: int = 0) -> None:
    state = catalog.feeds.state("weather")
    held = [b for b in state.batches if b.seq <= until_seq]
    files = [*(state.snapshot.files if state.snapshot else ()), *(b.file for b in held)]
    rows = (state.snapshot.rows if state.snapshot else 0) + sum(b.rows for b in held)
    at = NOON + timedelta(days=days)
    catalog.feeds.fold("weather", files, rows, until_seq=until_seq, at=at, note={}, expected_version=expected_version)


def test_batches_are_numbered_in_their_order(catalog: SqlCatalog) -> None:
    """Each dataset for itself; numbers go on after a fold."""
    assert catalog.feeds.state("weather") == (None, (), 0)
    assert [catalog.feeds.push("weather", f"f{n}", 10, [f"w{n}"], at=NOON) for n in range(3)] == [1, 2, 3]
    assert catalog.feeds.push("flights", "g", 1, ["w1"], at=NOON) == 1
    fold(catalog, 2, 0)
    state = catalog.feeds.state("weather")
    assert state.snapshot is not None and (state.snapshot.rows, state.snapshot.files) == (20, ("f0", "f1"))
    assert (state.batches, state.seq) == (((3, "f2", 10),), 3)
    fold(catalog, 3, 1)
    assert catalog.feeds.push("weather", "f3", 1, ["w3"], at=NOON) == 4
    assert catalog.feeds.datasets() == ["flights", "weather"]


def test_a_row_that_has_been_here_is_known(catalog: SqlCatalog) -> None:
    """Also after it was folded, for a month; pushing it again keeps nothing of its batch."""
    catalog.feeds.push("weather", "f", 2, ["a", "b"], at=NOON)
    with pytest.raises(Conflict):
        catalog.feeds.push("weather", "g", 2, ["c", "b"], at=NOON)
    assert catalog.feeds.known("weather", ["a", "b", "c"]) == {"a", "b"}
    assert catalog.feeds.known("weather", [f"x{i}" for i in range(2_000)]) == set()
    assert len(catalog.feeds.state("weather").batches) == 1
    fold(catalog, 1, 0, days=1)
    assert catalog.feeds.known("weather", ["a"]) == {"a"}
    catalog.feeds.push("weather", "h", 1, ["d"], at=NOON)
    fold(catalog, 2, 1, days=40)
    assert catalog.feeds.known("weather", ["a", "d"]) == set()


def test_a_fold_that_comes_second_changes_nothing(catalog: SqlCatalog) -> None:
    """Neither one from an older version nor one of batches that are gone."""
    catalog.feeds.push("weather", "f", 1, ["a"], at=NOON)
    fold(catalog, 1, 0)
    with pytest.raises(Conflict):
        fold(catalog, 1, 1)
    catalog.feeds.push("weather", "g", 1, ["b"], at=NOON)
    with pytest.raises(Conflict):
        fold(catalog, 2, 0)
    state = catalog.feeds.state("weather")
    assert state.snapshot is not None and state.snapshot.version == 1 and len(state.batches) == 1


def test_every_row_is_in_one_place_at_every_moment(catalog: SqlCatalog) -> None:
    """While one thread pushes and another one folds."""
    pushed, stop = 40, threading.Event()

    def push() -> None:
        for n in range(pushed):
            catalog.feeds.push("weather", f"f{n:02}", 1, [f"r{n}"], at=NOON)
        stop.set()

    def fold_all() -> None:
        version = 0
        while not stop.is_set():
            state = catalog.feeds.state("weather")
            if state.batches:
                fold(catalog, state.batches[-1].seq, version)
                version += 1

    threads = [threading.Thread(target=push), threading.Thread(target=fold_all)]
    for thread in threads:
        thread.start()
    seen = 0
    while seen < pushed:
        state = catalog.feeds.state("weather")
        files = [*(state.snapshot.files if state.snapshot else ()), *(b.file for b in state.batches)]
        assert files == [f"f{n:02}" for n in range(state.seq)]
        assert state.seq >= seen
        seen = state.seq
    for thread in threads:
        thread.join()
