"""Bets on a rate: exact from the first event, and right however often one looks."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.stats.betting import ODDS, log_evidence, lowest_rate, rate_sequence


@settings(max_examples=50)
@given(n=st.integers(1, 20_000), share=st.floats(0, 1))
def test_a_rate_lies_within_its_sequence(n: int, share: float) -> None:
    """0 ≤ low ≤ hits/n ≤ high ≤ 1, with open ends where there are no hits or only hits."""
    hits = round(n * share)
    found = rate_sequence(hits, n, alpha_low=0.05, alpha_high=0.05)
    assert 0 <= found.low <= hits / n <= found.high <= 1
    assert (found.low == 0) == (hits == 0) and (found.high == 1) == (hits == n)


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.01, 0.2, 0.9])
def test_watching_a_rate_keeps_the_promise(rate: float) -> None:
    """Looking after each early event, at every rare hit and then now and again, each bound errs in at most 5 %."""
    rng, runs, above, below = random.Random(5), 100, 0, 0
    for _ in range(runs):
        hits, low, high = 0, 0.0, 1.0
        for n in range(1, 1501):
            hit = rng.random() < rate
            hits += hit
            if n < 40 or (hit and rate < 0.05) or n % 50 == 0:
                found = rate_sequence(hits, n, alpha_low=0.05, alpha_high=0.05)
                low, high = max(low, found.low), min(high, found.high)
        above += low > rate
        below += high < rate
    assert max(above, below) <= 0.05 * runs + 2.6 * math.sqrt(0.05 * 0.95 * runs)


def test_a_faultless_thousand_shows_half_a_percent() -> None:
    """No error in 1,000 requests shows a rate below 0.5 % at any time of looking."""
    assert rate_sequence(0, 1000, alpha_low=0.05, alpha_high=0.05).high < 0.005


def test_a_two_percent_error_rate_is_convicted_within_a_few_hundred() -> None:
    """Two errors in a hundred against a limit of 0.5 % are shown by 600 requests, at a quarter of the error."""
    assert rate_sequence(12, 600, alpha_low=0.0125, alpha_high=0.05).low > 0.005


def test_a_bettor_on_four_times_the_odds_is_the_likelihood_ratio() -> None:
    """The capital is the mean of the bettors' likelihood ratios, as SciPy has them."""
    from scipy.stats import binom

    hits, n, rate = 7, 400, 0.005
    capital = 0.0
    for odds, parts in ODDS:
        backed = odds * rate / (1 + (odds - 1) * rate)
        capital += parts / sum(w for _, w in ODDS) * binom.pmf(hits, n, backed) / binom.pmf(hits, n, rate)
    assert log_evidence(hits, n, rate) == pytest.approx(math.log(capital), rel=1e-9)


@given(n=st.integers(1, 100_000), share=st.floats(0, 1), rate=st.floats(1e-6, 1 - 1e-6))
def test_one_more_event_is_a_fair_game_at_the_rate(n: int, share: float, rate: float) -> None:
    """The capital after a hit and after a miss, weighted by the rate, is the capital before."""
    hits = round(n * share)
    now, hit, miss = (log_evidence(h, m, rate) for h, m in ((hits, n), (hits + 1, n + 1), (hits, n + 1)))
    assert rate * math.exp(hit - now) + (1 - rate) * math.exp(miss - now) == pytest.approx(1, rel=1e-6)


@given(hits=st.integers(1, 10**7), n=st.integers(1, 10**9), alpha=st.sampled_from([1e-5, 0.0125, 0.05]))
def test_the_bound_is_where_the_capital_is_one_over_alpha(hits: int, n: int, alpha: float) -> None:
    """At the least rate that is not excluded the bets have come to just 1/α."""
    low = lowest_rate(min(hits, n), n, alpha)
    assert 0 < low <= min(hits, n) / n
    assert log_evidence(min(hits, n), n, low) == pytest.approx(-math.log(alpha), abs=1e-4) or low < 1e-300


def test_values_between_zero_and_one_are_bet_on_like_hits() -> None:
    """Fractions of a hit keep the promise too: at their mean the capital rarely comes to twenty."""
    rng = np.random.default_rng(3)
    sums = rng.beta(0.2, 3.8, (400, 300)).cumsum(axis=1)[:, 4::5]
    over = [any(log_evidence(float(s), 5 * (i + 1), 0.05) >= math.log(20) for i, s in enumerate(run)) for run in sums]
    assert np.mean(over) <= 0.05


def test_an_errors_quadruple_is_caught_nearly_as_soon_as_by_who_knows_it() -> None:
    """Half a per cent that becomes two: the median is at most 1.5 times that of the test that was told both rates."""
    rng, n = np.random.default_rng(8), 20 * np.arange(1, 101)
    hits = rng.binomial(20, 0.02, (400, 100)).cumsum(axis=1)
    knows = hits * math.log(4 * 0.98 / 0.995 * 0.995 / 0.98) + (n - hits) * math.log(0.98 / 0.995) >= math.log(20)
    ours = [[log_evidence(int(h), int(k), 0.005) >= math.log(20) for h, k in zip(run, n, strict=True)] for run in hits]
    assert np.median(_first(np.array(ours))) <= 1.5 * np.median(_first(knows))


def _first(hit: np.ndarray) -> np.ndarray:
    return np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, 10**6)
