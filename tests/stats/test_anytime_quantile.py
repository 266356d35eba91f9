"""The confidence sequence for a quantile."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import UsageError
from plimsoll.stats.anytime_quantile import quantile_sequence
from plimsoll.stats.betting import rate_sequence

FIVE = {"alpha_low": 0.05, "alpha_high": 0.05}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200), st.sampled_from([0.1, 0.5, 0.95]))
def test_bounds_are_values_around_the_quantile(values: list[int], q: float) -> None:
    """Order statistics, ties included; infinite while there are too few."""
    found = quantile_sequence(sorted(values), q, **FIVE)
    assert found.low <= found.estimate <= found.high
    assert {found.low, found.high} <= {*values, -math.inf, math.inf}


def test_it_says_what_the_rate_of_what_lies_beyond_says() -> None:
    """p95 is shown to be below 50 just when the rate of values above 50 is shown to be below 5 %."""
    rng = np.random.default_rng(2)
    for _ in range(40):
        values = np.sort(rng.gamma(2.0, 10.0, 400)).tolist()
        found, over = quantile_sequence(values, 0.95, **FIVE), sum(v >= 50 for v in values)
        assert (found.high < 50) == (rate_sequence(over, 400, **FIVE).high < 0.05)


def test_watching_a_quantile_keeps_the_promise() -> None:
    """p90 of a heavy tail, looked at after every twenty values: each bound errs in at most 5 %."""
    rng, runs, above, below = np.random.default_rng(3), 60, 0, 0
    true = 10.0  # of a Pareto with exponent 1: P(X > 10) = 0.1
    for _ in range(runs):
        xs = 1 / rng.random(400)
        looks = [quantile_sequence(np.sort(xs[:n]).tolist(), 0.9, **FIVE) for n in range(20, 401, 20)]
        above, below = above + any(i.low > true for i in looks), below + any(i.high < true for i in looks)
    assert max(above, below) <= 0.05 * runs + 2.6 * math.sqrt(0.05 * 0.95 * runs)


@pytest.mark.parametrize("q", [0.0, 1.0, math.nan])
def test_a_level_outside_is_refused(q: float) -> None:
    """The least and the largest possible value are no quantiles that anybody can bound."""
    with pytest.raises(UsageError, match="between 0 and 1"):
        quantile_sequence([1.0], q, **FIVE)
