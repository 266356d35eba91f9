"""Offline/online skew: what a release saw against what it should have seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from plimsoll.errors import Unavailable
from plimsoll.kernel.columns import in_columns
from plimsoll.kernel.records import FALLBACK, Record
from plimsoll.operations.skew import SkewWatch

from .given import HOUR, T0, asked

NAMES = ("temp_f", "wind")


def fahrenheit(release: str, inputs: Sequence[dict[str, Any]], asked_at: Sequence[datetime]) -> Any:
    """Offline: the warehouse's feed, which delivers what it declares."""
    return np.array([[row["temp"], row["wind"]] for row in inputs], dtype=np.float32)


def questions(n: int, at: datetime, *, wrong: bool = False, first: int = 0) -> list[Record]:
    """``r1`` sees the temperature, or what a feed that delivers Celsius makes of it."""
    records: list[Record] = []
    for i in range(first, first + n):
        temp, wind = 40.0 + i % 30, float(i % 7)
        seen = np.array([(temp - 32) * 5 / 9 if wrong else temp, wind], dtype="<f4").tobytes()
        records += asked(f"e{i}", at, {FALLBACK: 0.5, "r1": 0.7}, features=seen, temp=temp, wind=wind)
    return records


def watch(recompute: Any = fahrenheit) -> SkewWatch:
    made = SkewWatch(recompute, lambda release: NAMES)
    made.watch({"r1", FALLBACK})
    return made


def test_equal_features_are_no_problem() -> None:
    """Thousands of equal rows: nothing to say, and all of them were checked."""
    w = watch()
    w.see(in_columns(questions(3000, T0)))
    w.compare(T0 + HOUR)
    assert w.problem("r1") == "" and w.checked("r1") == 3000


def test_another_feed_is_named_with_the_features_it_changes() -> None:
    """The unit of a feed changed: the release, how many questions, and which features, most often first."""
    w = watch()
    w.see(in_columns(questions(200, T0, wrong=True)))
    w.compare(T0 + HOUR)
    said = w.problem("r1")
    assert "skew in r1: 200 of 200 questions" in said and "temp_f (200)" in said and "wind" not in said


def test_it_is_gone_when_the_window_has_passed() -> None:
    """The feed delivers rightly again: six hours later no wrong question is in the window."""
    w = watch()
    w.see(in_columns(questions(100, T0, wrong=True)))
    w.compare(T0 + HOUR)
    for hour in range(2, 8):
        w.see(in_columns(questions(10, T0 + hour * HOUR, first=1000 * hour)))
        w.compare(T0 + hour * HOUR)
        assert w.checked("r1") == 10 and w.problem("r1")
    w.compare(T0 + 8 * HOUR)
    assert w.problem("r1") == ""


def test_a_rare_correction_is_tolerated() -> None:
    """Half a percent of other values is rounding and late corrections, not another feed."""
    w = watch()
    w.see(in_columns(questions(5, T0, wrong=True) + questions(995, T0, first=5)))
    w.compare(T0 + HOUR)
    assert w.problem("r1") == ""


def test_who_is_not_watched_is_not_compared() -> None:
    """Releases that matter no more are forgotten, the fallback has no features."""
    w = watch()
    w.watch({"r2"})
    w.see(in_columns(questions(100, T0, wrong=True)))
    w.compare(T0 + HOUR)
    assert w.problem("r1") == "" and w.checked("r1") == 0 and w.checked(FALLBACK) == 0


def test_features_that_cannot_be_recomputed_are_a_problem_until_they_can() -> None:
    """Nobody knows whether they were right: said, kept for the next look, and no end of the loop."""
    away = [True]

    def recompute(*asked: Any) -> Any:
        if away[0]:
            raise Unavailable("the warehouse is away")
        return fahrenheit(*asked)

    w = watch(recompute)
    w.see(in_columns(questions(50, T0)))
    w.compare(T0 + HOUR)
    assert "cannot be recomputed offline: the warehouse is away" in w.problem("r1") and w.checked("r1") == 0
    away[0] = False
    w.compare(T0 + 2 * HOUR)
    assert w.problem("r1") == "" and w.checked("r1") == 50
