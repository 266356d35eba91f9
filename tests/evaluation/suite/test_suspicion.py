"""A feature that knows the outcome is found whatever its shape; rows that recur by nature are told from copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plimsoll.evaluation.suite.overlap import overlap
from plimsoll.evaluation.suite.probe import suspects

N = 3000
RNG = np.random.default_rng(0)
LABELS = (RNG.random(N) < 0.3).astype(float)
BLOCKS = np.arange(N) // 300
NOISE = RNG.normal(size=N)


def found(column: Any, labels: Any = LABELS, task: str = "binary", *, category: bool = False) -> list[str]:
    X = np.column_stack([NOISE, column]).astype(np.float32)
    categories = frozenset({"leak"} if category else ())
    return [s.feature for s in suspects(task, X, ("noise", "leak"), labels, BLOCKS, categories)]


@pytest.mark.parametrize(
    ("column", "category"),
    [
        (LABELS + 0.01 * NOISE, False),
        (-LABELS, False),
        (np.where(LABELS == 1, np.nan, NOISE), False),
        ((LABELS - 0.5) * (RNG.random(N) < 0.5) + np.where(LABELS == 1, 5.0, 0.1), False),
        (np.where(LABELS == 1, 7.0, RNG.integers(0, 5, N)), True),
    ],
    ids=["rising", "falling", "missing", "mixed", "a level"],
)
def test_the_outcome_under_another_name_is_found(column: Any, category: bool) -> None:
    assert found(column, category=category) == ["leak"]


def test_a_good_feature_is_not_suspected() -> None:
    """Nor one that the model would learn by heart: a level of its own for each row."""
    assert found(LABELS + NOISE) == [] and found(np.arange(N), category=True) == []


def test_too_few_rows_suspect_nothing() -> None:
    """One class, few labels, a single block."""
    assert found(LABELS, np.zeros(N)) == [] and found(LABELS, np.where(np.arange(N) < 100, LABELS, np.nan)) == []
    X = LABELS[:, None].astype(np.float32)
    assert suspects("binary", X, ("leak",), LABELS, BLOCKS * 0, frozenset()) == []


def test_other_tasks_are_probed_too() -> None:
    """A regression by the variance that is explained, classes one against the rest."""
    value = RNG.normal(size=N)
    assert found(3 * value, value, "regression") == ["leak"] and found(NOISE, value, "regression") == []
    classes = RNG.integers(0, 3, N).astype(float)
    assert found(classes == 2, classes, "multiclass") == ["leak"]


def asked(rows: int, people: int, seed: int) -> Any:
    """Who asks, and three numbers that are theirs."""
    who = np.random.default_rng(seed).integers(0, people, rows)
    theirs = np.random.default_rng(9).normal(size=(people, 3))
    return np.column_stack([who, theirs[who]])


CATEGORIES, DAYS = (True, False, False, False), np.repeat(np.arange(40), 50)
TEN, FORTY = np.repeat(np.arange(10), 50), np.repeat(np.arange(40), 50)


def test_rows_that_were_trained_on_are_a_leak() -> None:
    """Copies in the gate of rows that hardly recur otherwise; rounded ones are near, and a warning."""
    train = asked(2000, 10**6, seed=1)
    fresh, copied = asked(500, 10**6, seed=2), train[-500:]
    assert not overlap(train, fresh, CATEGORIES, DAYS, TEN).is_leak
    assert overlap(train, np.vstack([fresh, copied]), CATEGORIES, DAYS, np.repeat(np.arange(10), 100)).is_leak
    near = overlap(train, copied + np.array([0, 1e-6, 0, 0]), CATEGORIES, DAYS, TEN)
    assert not near.is_leak and near.is_suspicious and near.exact == 0.0 and near.near > 0.9


def test_what_recurs_by_nature_is_no_leak() -> None:
    """The same few customers every day, in the training set as in the gate."""
    seen = overlap(asked(2000, 50, seed=1), asked(500, 50, seed=2), CATEGORIES, DAYS, TEN)
    assert seen.exact == 1.0 and seen.usually == 1.0 and not seen.is_leak and not seen.is_suspicious


def test_a_short_training_set_cannot_say_what_is_usual() -> None:
    """With fewer than twice the gate's blocks copies are a warning; a single block of training says nothing at all."""
    train = asked(2000, 10**6, seed=1)
    for days in (DAYS, DAYS * 0):
        seen = overlap(train, np.vstack([train[1000:], train[:1000]]), CATEGORIES, days, FORTY)
        assert not seen.is_leak and seen.is_suspicious and not seen.sure
    assert seen.usually is None and seen.exact == 1.0


def test_a_longer_history_is_not_taken_for_a_leak() -> None:
    """The gate is held against as many blocks as the usual is: customers who come back now and then are no copies."""
    rows = asked(3100, 4000, seed=1)
    train, gate, days = rows[:1700], rows[1700:], np.repeat(np.arange(31), 100)
    seen = overlap(train, gate, CATEGORIES, days[:1700], days[1700:] - 17)
    assert not seen.is_suspicious and abs(seen.exact - seen.usually) < 0.05


def test_missing_is_equal_to_missing_and_zero_to_minus_zero() -> None:
    """By their meaning, not by their bits."""
    train, day = np.array([[np.nan, 0.0], [1.0, 2.0]]), np.zeros(2, dtype=np.int64)
    assert overlap(train, np.array([[np.nan, -0.0], [3.0, 2.0]]), (False, False), day, day).exact == 0.5
