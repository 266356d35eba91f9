"""Thresholds that keep a promise: against brute force, and what they say when there is too little to say."""

import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as ss

from plimsoll.stats.selective import (
    FEWEST_BLOCKS,
    Level,
    error_among_answered,
    grid,
    levels,
    risk_coverage,
    wrong_per_request,
)


def rows(seed: int, blocks: int = 14, size: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidences that mean what they say: wrong with probability 1 − confidence."""
    rng = np.random.default_rng(seed)
    sure = rng.uniform(0.5, 1.0, blocks * size)
    return sure, (rng.random(len(sure)) > sure).astype(float), np.repeat(np.arange(blocks), size)


def found(seed: int = 1, blocks: int = 14, size: int = 200) -> tuple[Level, ...]:
    sure, wrong, codes = rows(seed, blocks, size)
    return levels(sure, wrong, codes, blocks=blocks, floor=0.5)


def test_the_grid_goes_from_the_surest_down_to_everything() -> None:
    """Hundredths above the least confidence, and 0 last: it never depends on data."""
    assert grid(0.5)[:2] == (0.99, 0.98) and grid(0.5)[-2:] == (0.51, 0.0)
    assert grid(1 / 3)[-2:] == (0.34, 0.0)
    assert grid(0.0)[-2:] == (0.01, 0.0)


@given(st.integers(0, 50))
def test_levels_count_what_brute_force_counts(seed: int) -> None:
    """Answered and wrong, block by block, at each threshold."""
    sure, wrong, codes = rows(seed, 3, 20)
    for level in levels(sure, wrong, codes, blocks=3, floor=0.5):
        for b in range(3):
            inside = [(s, w) for s, w, c in zip(sure, wrong, codes, strict=True) if c == b and s >= level.threshold]
            assert (level.answered[b], level.wrong[b]) == (len(inside), sum(w for _, w in inside))


def test_a_kept_threshold_is_one_whose_own_bounds_clear_the_promise() -> None:
    """At the whole error, the chosen threshold passes the exact binomial test and the t-test over blocks of SciPy."""
    chosen = error_among_answered(found(), [200] * 14, at_most=0.15, alpha=0.05, floor=0.5)
    assert chosen.threshold is not None and 0.6 < chosen.threshold < 0.9
    (level,) = [one for one in found() if one.threshold == chosen.threshold]
    n, errors = sum(level.answered), sum(level.wrong)
    assert ss.binomtest(errors, n, 0.15, alternative="less").pvalue < 0.05
    excess = [w - 0.15 * a for w, a in zip(level.wrong, level.answered, strict=True)]
    assert ss.ttest_1samp(excess, 0.0, alternative="less").pvalue < 0.05


def test_what_independent_rows_allow_is_nearly_reached() -> None:
    """On 28,000 independent rows the threshold is close to the one that an oracle would take, 0.7 for 15 % wrong."""
    chosen = error_among_answered(found(size=2000), [2000] * 14, at_most=0.15, alpha=0.05, floor=0.5)
    assert chosen.threshold is not None and 0.70 <= chosen.threshold <= 0.74


def test_blocks_that_err_together_ask_for_a_higher_threshold() -> None:
    """The same rows, with their errors gathered into a few bad days, prove less."""
    sure, wrong, codes = rows(3)
    gathered = wrong.copy()
    for cell in np.unique((sure * 20).astype(int)):
        inside = np.flatnonzero((sure * 20).astype(int) == cell)
        gathered[inside] = np.sort(wrong[inside])
    kept = [
        error_among_answered(
            levels(sure, w, codes, blocks=14, floor=0.5), [200] * 14, at_most=0.2, alpha=0.05, floor=0.5
        ).threshold
        for w in (wrong, gathered)
    ]
    assert kept[0] is not None and (kept[1] is None or kept[1] > kept[0])


def test_conformal_risk_control_is_its_formula() -> None:
    """The least λ with n/(n+1) · R̂(λ) + 1/(n+1) ≤ r, found by trying every λ."""
    all_levels = found(size=50)
    chosen = wrong_per_request(all_levels, [50] * 14, at_most=0.12)
    tried = [
        level.threshold
        for level in all_levels
        if 14 / 15 * np.mean([w / 50 for w in level.wrong]) + 1 / 15 <= 0.12 + 1e-12
    ]
    assert chosen.threshold == min(tried)


def test_a_promise_finer_than_the_blocks_is_refused_with_the_reason() -> None:
    """Fourteen blocks cannot promise less than one in fifteen."""
    chosen = wrong_per_request(found(), [200] * 14, at_most=0.05)
    assert chosen.threshold is None and "with 14 blocks no promise below 0.067" in chosen.why


def test_a_promise_that_nothing_keeps_says_what_came_nearest() -> None:
    """The nearest threshold, its coverage and its error."""
    chosen = error_among_answered(found(), [200] * 14, at_most=0.001, alpha=0.05, floor=0.5)
    assert chosen.threshold is None and "the nearest is 0.9" in chosen.why and "answered with" in chosen.why


def test_too_few_blocks_promise_nothing() -> None:
    """However many rows four days have, they are four days."""
    blocks = FEWEST_BLOCKS - 1
    chosen = error_among_answered(found(1, blocks, 5000), [5000] * blocks, at_most=0.3, alpha=0.05, floor=0.5)
    assert chosen.threshold is None


def test_nothing_answered_is_no_evidence() -> None:
    """Empty levels raise nothing and keep nothing."""
    empty = levels(np.array([]), np.array([]), np.array([], dtype=int), blocks=0, floor=0.5)
    chosen = error_among_answered(empty, [], at_most=0.1, alpha=0.05, floor=0.5)
    assert chosen.threshold is None and chosen.why == "no row reaches a threshold"
    assert wrong_per_request(empty, [], at_most=0.1).threshold is None


@given(st.integers(0, 30))
def test_coverage_only_grows_as_the_threshold_falls(seed: int) -> None:
    """The curve's coverage is monotone, and its bounds lie above its risk."""
    curve = risk_coverage(found(seed, 7, 40), [40] * 7, 0.05)
    shares = [point.coverage for point in curve]
    assert shares == list(accumulate(shares, max)) and shares[-1] == 1.0
    assert all(math.isnan(p.risk) or p.risk <= p.high <= 1.0 for p in curve)


@pytest.mark.parametrize("at_most", [0.1, 0.2])
def test_one_true_null_is_rejected_no_more_often_than_promised(at_most: float) -> None:
    """Where every threshold errs by exactly the promise, at most one calibration in twenty says otherwise."""
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(300):
        sure = rng.uniform(0.5, 1.0, 1400)
        wrong = (rng.random(1400) < at_most).astype(float)
        made = levels(sure, wrong, np.repeat(np.arange(14), 100), blocks=14, floor=0.5)
        hits += error_among_answered(made, [100] * 14, at_most=at_most, alpha=0.05, floor=0.5).threshold is not None
    assert hits <= 300 * 0.05 + 2 * math.sqrt(300 * 0.05 * 0.95)
