"""Groups compared: fairlearn's definitions, each pair with values by block, and missing labels bounded."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from plimsoll.stats import fairness

METRICS = [f"{c}_{k}" for c in fairness.RATES for k in ("difference", "ratio")]


def rows(n: int = 1200, missing: float = 0.0, seed: int = 0) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    groups, blocks = rng.integers(0, 3, n), np.arange(n) * 10 // n
    labels = (rng.random(n) < 0.4).astype(float)
    scores = np.clip(0.3 * labels + 0.1 * groups + rng.random(n) * 0.6, 0, 1)
    labels[rng.random(n) < missing] = np.nan
    return scores, labels, groups, blocks


def by_hand(metric: str, scores: Any, labels: Any, groups: Any) -> float:
    """As the definitions say: the selection rate, the true and the false positive rate of each group."""
    name, _, kind = metric.rpartition("_")
    about = {"demographic_parity": [labels >= 0], "equal_opportunity": [labels == 1]}
    spreads = []
    for mask in about.get(name, [labels == 1, labels == 0]):
        r = [(scores[mask & (groups == g)] >= 0.5).mean() for g in range(3)]
        spreads.append(min(r) / max(r) if kind == "ratio" else max(r) - min(r))
    return float(min(spreads) if kind == "ratio" else max(spreads))


@pytest.mark.parametrize("metric", METRICS)
def test_the_value_is_the_definition(metric: str) -> None:
    scores, labels, groups, _ = rows()
    found = fairness.worst_over_groups(metric, scores, labels, groups, 3)
    assert found == pytest.approx(by_hand(metric, scores, labels, groups), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_the_widest_pair_has_the_value(metric: str) -> None:
    """And without missing labels nothing is left to bound."""
    scores, labels, groups, blocks = rows()
    pairs = list(fairness.compared_pairs(metric, scores, labels, groups, 3, blocks, 10))
    widest = (min if metric.endswith("ratio") else max)(float(p.middle.mean()) for p in pairs)
    assert widest == pytest.approx(by_hand(metric, scores, labels, groups), abs=1e-12)
    assert len(pairs) == 3 * len(fairness.criterion_of(metric)[0])
    assert all(np.array_equal(p.middle, p.least) and np.array_equal(p.middle, p.most) for p in pairs)


@pytest.mark.parametrize("metric", [m for m in METRICS if "parity" not in m])
def test_no_outcome_could_leave_the_bounds(metric: str) -> None:
    """However the missing ones turn out, the pair's value lies between its least and its most."""
    scores, labels, groups, blocks = rows(missing=0.1)
    pairs = list(fairness.compared_pairs(metric, scores, labels, groups, 3, blocks, 10))
    ratio = metric.endswith("ratio")
    for seed, pair in product(range(20), pairs):
        filled = np.where(np.isnan(labels), np.random.default_rng(seed).random(len(labels)) < seed / 20, labels)
        hits, n = np.moveaxis(fairness.rates(pair.rate, scores, filled, groups, 3), -1, 0)
        a, b = (hits / n)[[pair.high, pair.low]]
        assert pair.least.mean() - 1e-9 <= (b / a if ratio else a - b) <= pair.most.mean() + 1e-9


def test_parity_needs_no_outcome() -> None:
    """Who is called positive is known when it is said."""
    scores, labels, groups, blocks = rows()
    nothing = np.full(len(labels), np.nan)
    known, unknown = (
        [p.middle for p in fairness.compared_pairs("demographic_parity_difference", scores, y, groups, 3, blocks, 10)]
        for y in (labels, nothing)
    )
    assert np.array_equal(known, unknown)


def test_where_a_rate_is_of_nothing_there_is_no_pair() -> None:
    """A group without positives has no share of them: undefined, not zero."""
    scores, labels, groups, blocks = rows()
    labels[groups == 2] = 0.0
    pairs = list(fairness.compared_pairs("equal_opportunity_difference", scores, labels, groups, 3, blocks, 10))
    assert [{p.high, p.low} for p in pairs] == [{0, 1}]
    assert np.isnan(fairness.worst_over_groups("equal_opportunity_difference", scores, labels * 0, groups, 3))


def test_groups_of_whom_nobody_is_called_positive_are_alike() -> None:
    """Zero to zero is a ratio of one."""
    scores, labels, groups, blocks = rows()
    (pair, *_) = fairness.compared_pairs("demographic_parity_ratio", scores * 0, labels, groups, 3, blocks, 10)
    assert pair.middle.tolist() == [1.0] * 10
