"""A store that is away: who waits, for how long, and what there is instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from plimsoll.errors import Unavailable
from plimsoll.store import GuardedOnline, MemoryOnline


class Wobbly(MemoryOnline):
    """A store that somebody can switch off."""

    def __init__(self) -> None:
        super().__init__()
        self.off, self.asked = False, 0
        self.apply("v", [("a", 1, b"x")])

    def get(self, view: str, entity: str, as_of_us: int | None = None) -> tuple[int, bytes] | None:
        self._ask()
        return super().get(view, entity, as_of_us)

    def get_many(self, view: str, entities: Sequence[str], as_of_us: Sequence[int] | None = None) -> list[Any]:
        self._ask()
        return super().get_many(view, entities, as_of_us)

    def _ask(self) -> None:
        self.asked += 1
        if self.off:
            raise Unavailable("switched off")


class Watch:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def test_what_is_there_comes_through() -> None:
    """And nothing is counted."""
    online = GuardedOnline(Wobbly())
    assert online.get("v", "a") == (1, b"x") and online.get_many("v", ["a", "b"]) == [(1, b"x"), None]
    assert (online.away, online.problem) == (0, "")


def test_after_three_failures_nobody_asks_for_a_while() -> None:
    """Then one call tries; when the store is back, everybody has rows again."""
    store, watch = Wobbly(), Watch()
    online = GuardedOnline(store, now_s=watch)
    store.off = True
    for _ in range(10):
        with pytest.raises(Unavailable, match="switched off"):
            online.get("v", "a")
    assert (store.asked, online.away, online.problem) == (3, 10, "switched off")
    watch.s += 1.1
    for _ in range(5):
        with pytest.raises(Unavailable):
            online.get_many("v", ["a"])
    assert store.asked == 4, "one of the five tried"
    store.off = False
    watch.s += 1.1
    assert online.get("v", "a") == (1, b"x") and online.get("v", "a") == (1, b"x")
    assert (online.away, online.problem) == (15, "")


def test_missing_rows_instead_of_an_error() -> None:
    """Where that was declared; counted all the same."""
    store = Wobbly()
    online = GuardedOnline(store, when_away="missing", now_s=Watch())
    store.off = True
    for _ in range(5):
        assert online.get("v", "a") is None
        assert online.get_many("v", ["a", "b"]) == [None, None]
    assert (store.asked, online.away) == (3, 10)


def test_a_single_failure_opens_nothing() -> None:
    """Three in a row do."""
    store = Wobbly()
    online = GuardedOnline(store, now_s=Watch())
    for _ in range(5):
        store.off = True
        with pytest.raises(Unavailable):
            online.get("v", "a")
        store.off = False
        assert online.get("v", "a") == (1, b"x")
    assert store.asked == 10
