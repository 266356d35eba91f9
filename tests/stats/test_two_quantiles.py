"""Two quantiles compared: what a grid can tell apart, and error rates under peeking by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import UsageError
from plimsoll.operations.hours import GRID_MS
from plimsoll.stats.anytime_quantile import quantile_sequence
from plimsoll.stats.two_quantiles import STEP, Over, Values, edges, quantile_difference

HALF = {"alpha_low": 0.05, "alpha_high": 0.05}


def values(took: np.ndarray) -> Values:
    over = len(took) - np.searchsorted(np.sort(took), GRID_MS, side="right")
    first = np.flatnonzero(np.diff(over, prepend=-1))
    return Values([Over(float(GRID_MS[i]), int(over[i])) for i in first], len(took))


def latencies(seed: int, n: int, scale: float = 20.0) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(math.log(scale), 0.5, n)


@given(st.integers(0, 10_000), st.integers(20, 400), st.sampled_from([0.5, 0.9, 0.95]))
def test_each_side_is_the_sequence_of_one_quantile(seed: int, n: int, q: float) -> None:
    """Against values that are known to be nothing, and to within a step of the grid."""
    took = latencies(seed, n)
    nothing = Values([Over(GRID_MS[0], 0)], 1_000_000)
    found = quantile_difference(values(took), nothing, q, **HALF)
    one = quantile_sequence(sorted(took.tolist()), q, alpha_low=0.025, alpha_high=0.025)
    if math.isfinite(one.low):
        assert one.low / STEP - 0.02 <= found.low <= one.low + 0.02
    if math.isfinite(one.high):
        assert one.high - 0.02 <= found.high <= one.high * STEP + 0.02


def test_as_good_a_release_is_hardly_ever_convicted_however_often_one_looks() -> None:
    """Two hundred A/A pairs at a margin of zero, a look every 100 answers: less than the 5 % that is promised."""
    wrong = 0
    for seed in range(200):
        ours, theirs = (latencies(2 * seed + side, 2_000) for side in (0, 1))
        looks = (
            quantile_difference(values(ours[:n]), values(theirs[:n]), 0.95, **HALF) for n in range(100, 2_001, 100)
        )
        wrong += any(look.low > 0 for look in looks)
    assert wrong <= 0.05 * 200


def test_a_slower_release_is_convicted() -> None:
    """Half as slow again: shown to be slower by more than a margin."""
    found = quantile_difference(values(latencies(1, 4_000, 30.0)), values(latencies(2, 4_000)), 0.95, **HALF)
    assert found.low > 5 and found.low < found.estimate < found.high


def test_nothing_is_said_of_nothing() -> None:
    """No answers on one side, or too few: open bounds."""
    few = values(latencies(1, 3))
    assert quantile_difference(few, Values([], 0), 0.95, **HALF).high == math.inf
    assert quantile_difference(few, few, 0.95, **HALF).high == math.inf
    with pytest.raises(UsageError, match="lies between 0 and 1"):
        quantile_difference(few, few, 95, **HALF)


def test_the_grid_spans_what_answers_take() -> None:
    """From a hundredth of a millisecond to ten minutes, in steps of 2 %."""
    assert edges()[0] == 0.01 and edges()[-1] > 590_000 and edges()[1] / edges()[0] == pytest.approx(STEP)
