"""What the worst rows share is found and named, with rows to look at."""

from __future__ import annotations

from typing import Any

import numpy as np

from plimsoll.evaluation.suite.bins import binned
from plimsoll.evaluation.suite.examination import losses_of
from plimsoll.evaluation.suite.failures import Rows, failures


def rows_with(broken: float, *, n: int = 4000) -> tuple[Any, Any, Rows]:
    """Scores that are right, but for a share of the rainy rows of JFK, which are told the opposite."""
    rng = np.random.default_rng(1)
    X = np.stack([rng.integers(0, 3, n), rng.random(n) < 0.3, rng.normal(size=n)], axis=1).astype(np.float32)
    labels = (rng.random(n) < 0.5).astype(float)
    there = (X[:, 0] == 1) & (X[:, 1] == 1) & (rng.random(n) < broken)
    scores = np.clip(np.abs(labels - there) * 0.8 + 0.1 + rng.normal(scale=0.01, size=n), 0.01, 0.99)
    at = np.datetime64("2013-02-01T00:00", "us") + np.arange(n).astype("timedelta64[m]")
    rows = Rows([f"u{i}" for i in range(n)], at, scores, labels, {"champion": 1 - scores})
    features = binned(X, ["origin", "rain", "noise"], {"origin": ("EWR", "JFK", "LGA")})
    return losses_of("binary", scores, labels), features, rows


def test_the_broken_segment_is_named() -> None:
    """Both conditions, how common they are, and rows of it, worst first."""
    (unit, losses), features, rows = rows_with(0.5)
    found = failures(losses, unit, features, rows)
    assert found is not None and found.unit == "log_loss" and found.rows == 80
    group = found.groups[0]
    assert set(group.conditions) == {"origin = JFK", "rain = 1"} and group.share == 1.0 and group.share_of_all < 0.15
    assert group.cases[0] == found.worst[0] and found.worst[0].loss >= found.worst[1].loss
    assert found.worst[0].others["champion"] > 0.5 or found.worst[0].happened == "0"


def test_errors_without_a_pattern_are_not_given_one() -> None:
    """Nothing in common is said as such."""
    (unit, losses), features, rows = rows_with(0.0)
    found = failures(losses, unit, features, rows)
    assert found is not None and [g.conditions for g in found.groups] == [()] and found.groups[0].lift is None


def test_rows_without_an_outcome_are_no_errors() -> None:
    """And where no outcome is known there is nothing to show."""
    (unit, losses), features, rows = rows_with(0.5)
    assert failures(np.full(len(losses), np.nan), unit, features, rows) is None
    few = np.where(np.arange(len(losses)) < 3, losses, np.nan)
    found = failures(few, unit, features, rows)
    assert found is not None and (found.rows, found.of) == (3, 3)


def test_a_class_is_called_by_its_name() -> None:
    """What was said is the probability of what happened."""
    scores, labels = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]), np.array([2.0, 1.0])
    unit, losses = losses_of("multiclass", scores, labels)
    at = np.array(["2013-02-01", "2013-02-02"], dtype="datetime64[us]")
    nothing = binned(np.empty((2, 0), dtype=np.float32), [], {})
    found = failures(losses, unit, nothing, Rows(["a", "b"], at, scores, labels, {}, ("x", "y", "z")))
    assert found is not None and (found.worst[0].unit, found.worst[0].happened, found.worst[0].said) == ("a", "z", 0.1)
