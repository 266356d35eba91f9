"""A rate whose level moves: bets on its mean, at once for what is many times the limit and over blocks near it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from plimsoll.errors import UsageError
from plimsoll.stats.betting import rate_sequence
from plimsoll.stats.dependence import inflation
from plimsoll.stats.moving_rate import (
    OVER_BLOCKS,
    _over_blocks,
    level_variance,
    log_evidence_above,
    log_evidence_below,
    moving_rate,
    odds_at_once,
    usual_variation,
)

blocks = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 5_000)), min_size=1, max_size=30)
rates = st.floats(1e-5, 0.9)


def counts(drawn: list[tuple[float, int]]) -> list[tuple[int, int]]:
    return [(round(share * n), n) for share, n in drawn]


@settings(max_examples=60, deadline=None)
@given(blocks)
def test_a_rate_lies_within_its_bounds(drawn: list[tuple[float, int]]) -> None:
    """0 ≤ low ≤ hits/n ≤ high ≤ 1; no hits leave the lower end at 0, only hits the upper one at 1."""
    found = moving_rate(counts(drawn), alpha_low=0.05, alpha_high=0.05)
    hits, n = (sum(column) for column in zip(*counts(drawn), strict=True))
    assert 0 <= found.low <= hits / n <= found.high <= 1 and found.n == n
    assert hits or found.low == 0
    assert hits < n or found.high == 1


@settings(max_examples=60, deadline=None)
@given(blocks, rates, st.floats(1.0, 3.0))
def test_evidence_falls_as_the_limit_rises(drawn: list[tuple[float, int]], rate: float, more: float) -> None:
    """So that what is excluded is everything on one side of a bound."""
    higher = min(0.99, rate * more)
    assert log_evidence_above(counts(drawn), higher) <= log_evidence_above(counts(drawn), rate) + 1e-9
    assert (
        log_evidence_above(counts(drawn), higher, before=[])
        <= log_evidence_above(counts(drawn), rate, before=[]) + 1e-9
    )


@settings(max_examples=60, deadline=None)
@given(blocks, st.sampled_from([0.001, 0.0125, 0.05]))
def test_a_bound_is_where_the_evidence_is_one_over_alpha(drawn: list[tuple[float, int]], alpha: float) -> None:
    """Wherever it lies inside."""
    found = moving_rate(counts(drawn), alpha_low=alpha, alpha_high=alpha)
    if 1e-12 < found.low < found.estimate:
        assert log_evidence_above(counts(drawn), found.low) == pytest.approx(-math.log(alpha), abs=1e-5)
    if found.estimate < found.high < 1 and found.estimate > 0:
        assert log_evidence_below(counts(drawn), found.high) == pytest.approx(-math.log(alpha), abs=1e-5)


@settings(deadline=None)
@given(st.integers(0, 40), st.floats(0.01, 30), st.sampled_from([0.1, 0.5, 2.0]))
def test_a_bet_over_blocks_is_the_ratio_of_two_negative_binomials(hits: int, mean: float, variance: float) -> None:
    """As SciPy has them: of m times the mean to the mean itself, with the same shape."""
    k, n = 1 / variance, 10**6
    for m in OVER_BLOCKS:
        ours = _over_blocks([(hits, n)], mean / n, variance, (m,))
        theirs = [scipy_stats.nbinom.logpmf(hits, k, k / (k + much)) for much in (m * mean, mean)]
        assert ours == pytest.approx(theirs[0] - theirs[1], abs=1e-6)


@given(
    st.integers(1, 30), st.floats(0.01, 0.5), st.floats(0.05, 1.0), st.sampled_from([0.03, 0.5, 1.03, 2.0, 8.0, 32.0])
)
def test_a_block_at_the_mean_is_worth_at_most_one(n: int, rate: float, variance: float, m: float) -> None:
    """Binomial hits given a gamma level: the sum over hits and the integral over levels, by quadrature."""
    k = 1 / variance
    levels = rate * scipy_stats.gamma.ppf((np.arange(2_000) + 0.5) / 2_000, k, scale=1 / k)
    levels = np.minimum(levels * rate / levels.mean(), 1.0)
    hits = np.arange(n + 1)
    worth = np.exp([_over_blocks([(int(h), n)], rate, variance, (m,)) for h in hits])
    chance = scipy_stats.binom.pmf(hits[:, None], n, levels[None, :]).mean(1)
    assert float(worth @ chance) <= 1 + 1e-6


def test_blocks_that_never_move_are_nearly_as_sharp_as_independent_events() -> None:
    """Sixty calm days: the bounds are at most half as far out again as those of bets that know that nothing moves."""
    calm = [(5, 1_000)] * 60
    ours = moving_rate(calm, alpha_low=0.05, alpha_high=0.05)
    knows = rate_sequence(300, 60_000, alpha_low=0.05, alpha_high=0.05)
    assert ours.low > 0.005 - 1.5 * (0.005 - knows.low)
    assert ours.high < 0.005 + 1.5 * (knows.high - 0.005)


def test_days_that_differ_are_less_sure_than_days_that_do_not() -> None:
    """The same totals: whoever had half of the errors on one day knows less about the next."""
    even, odd = [(6, 1_000)] * 12, [(1, 1_000)] * 9 + [(21, 1_000)] * 3
    calm, moved = (moving_rate(c, alpha_low=0.05, alpha_high=0.05) for c in (even, odd))
    assert moved.low < calm.low and moved.high > calm.high and moved.estimate == calm.estimate


def test_the_level_s_variance_is_found() -> None:
    """Averaged over streams of 40 days whose levels have a variance of 0.25, widened for a dependence that is not there."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(200):
        levels = 0.02 * rng.gamma(4.0, 0.25, 40)
        hits = rng.binomial(3_000, np.minimum(levels, 1.0))
        seen = [(int(h), 3_000) for h in hits]
        found.append(level_variance(seen, 0.02) / inflation([h / n for h, n in seen])[0])
    assert np.mean(found) == pytest.approx(0.25, abs=0.03)


def test_a_burst_at_once_takes_many_times_the_limit() -> None:
    """However many events there are: a first day at twice the limit convicts nobody, one at six times does."""
    for limit in (0.005, 0.05):
        twice, six = ([(round(times * limit * 200_000), 200_000)] for times in (2, 6))
        assert log_evidence_above(twice, limit) < math.log(20) < log_evidence_above(six, limit)
        assert (odds_at_once(limit) - 1) / math.log(odds_at_once(limit)) > 2.1
    assert usual_variation(0.001) > usual_variation(0.1)


def test_what_must_never_happen_did() -> None:
    """One hit speaks against a limit of zero."""
    assert moving_rate([(1, 10**6)], alpha_low=0.05, alpha_high=0.05).low > 0
    assert log_evidence_above([(1, 10)], 0.0) == math.inf and log_evidence_above([(0, 10)], 0.0) == 0.0


def test_nothing_seen_says_nothing() -> None:
    """The whole line, and no number for the rate."""
    found = moving_rate([], alpha_low=0.05, alpha_high=0.05)
    assert math.isnan(found.estimate) and (found.low, found.high) == (0.0, 1.0)
    with pytest.raises(UsageError):
        moving_rate([(3, 2)], alpha_low=0.05, alpha_high=0.05)
