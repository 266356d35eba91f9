"""Rates of events that fail together: never narrower than what the blocks have seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.stats.clustered_rate import clustered_rate
from plimsoll.stats.interval import exact_rate, t_interval

ALPHAS = {"alpha_low": 0.05, "alpha_high": 0.05}


def test_where_nothing_can_fail_together_it_is_clopper_and_pearsons() -> None:
    """Blocks of one event: wider by what neighbouring blocks are believed to have in common, a thirteenth."""
    ours, exact = clustered_rate([0.0] * 40, [1] * 40, **ALPHAS), exact_rate(0, 40, **ALPHAS)
    assert ours.low == exact.low == 0.0 and exact.high < ours.high < 1.1 * exact.high


def test_no_failure_is_not_a_rate_of_zero() -> None:
    """Fourteen days of 900 leave half a per cent open, seven leave more; everything failing is its mirror."""
    fortnight, week = (clustered_rate([0.0] * n, [900] * n, **ALPHAS) for n in (14, 7))
    assert fortnight.low == 0.0 and 0.004 < fortnight.high < 0.006 < week.high
    turned = clustered_rate([1.0] * 14, [900] * 14, **ALPHAS)
    assert turned.high == 1.0 and turned.low == pytest.approx(1.0 - fortnight.high, abs=1e-12)


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(1, 2_000)), min_size=2, max_size=40))
def test_the_rate_lies_between_bounds_that_are_rates(blocks: list[tuple[float, int]]) -> None:
    """Whatever the blocks: never NaN, never beyond 0 or 1."""
    found = clustered_rate([s for s, _ in blocks], [n for _, n in blocks], **ALPHAS)
    assert 0.0 <= found.low <= found.estimate + 1e-9 and found.estimate - 1e-9 <= found.high <= 1.0


@pytest.mark.parametrize(("rate", "together"), [(0.01, 0.02), (0.002, 0.05), (0.05, 0.02)])
def test_the_bound_holds_where_a_t_test_fails(rate: float, together: float) -> None:
    """Of 300 fortnights whose failures come together (beta-binomial), 95 % lie under it; of the t's, fewer."""
    rng, runs, a = np.random.default_rng(12), 300, rate * (1.0 / together - 1.0)
    ours = theirs = 0
    for _ in range(runs):
        shares = (rng.binomial(900, rng.beta(a, a * (1.0 - rate) / rate, 14)) / 900).tolist()
        ours += clustered_rate(shares, [900] * 14, **ALPHAS).high >= rate
        theirs += t_interval(shares, **ALPHAS).high >= rate
    assert ours / runs > 0.95 - 2.6 * (0.05 * 0.95 / runs) ** 0.5 and theirs < ours


def test_less_than_two_blocks_say_nothing() -> None:
    """One day is not a sample of days."""
    assert clustered_rate([0.0], [900], **ALPHAS).high == 1.0 == clustered_rate([], [], **ALPHAS).high
