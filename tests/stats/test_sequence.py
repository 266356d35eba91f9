"""Confidence sequences: the formula against its definition, and error rates under peeking by simulation."""

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.stats.sequence import START, critical_t, mean_sequence


def e_value(t: float, n: int, g: float) -> float:
    """The t-mixture as it stands in the paper."""
    v = n - 1
    return (1 + n * g) ** -0.5 * ((1 + t * t / v) / (1 + t * t / ((1 + n * g) * v))) ** ((v + 1) / 2)


@given(n=st.integers(START, 400), alpha=st.sampled_from([0.001, 0.0125, 0.05, 0.2]), planned=st.integers(10, 60))
def test_the_bound_solves_the_mixtures_equation(n: int, alpha: float, planned: int) -> None:
    """At the critical t the e-value is 1/(2α), for the g of that plan."""
    from plimsoll.stats.sequence import _prior_scale

    t = critical_t(n, alpha, planned)
    if math.isfinite(t):
        assert e_value(t, n, _prior_scale(alpha, planned)) == pytest.approx(1 / (2 * alpha), rel=1e-6)


@pytest.mark.parametrize("planned", [12, 20, 40])
def test_the_sequence_is_narrowest_where_planned(planned: int) -> None:
    """No other plan is narrower at the block that was planned for."""
    best = critical_t(planned, 0.05, planned)
    assert all(best <= critical_t(planned, 0.05, other) + 1e-9 for other in (10, 15, 30, 60))


@given(st.lists(st.floats(-10, 10), min_size=START, max_size=40), st.floats(0.001, 0.2), st.floats(0.001, 0.2))
def test_a_smaller_error_is_a_wider_interval(xs: list[float], one: float, two: float) -> None:
    """Bounds widen as the promised error shrinks, and always hold the mean."""
    wide = mean_sequence(xs, alpha_low=min(one, two), alpha_high=min(one, two))
    narrow = mean_sequence(xs, alpha_low=max(one, two), alpha_high=max(one, two))
    assert wide.low <= narrow.low <= narrow.estimate <= narrow.high <= wide.high


def test_nothing_is_said_before_the_start() -> None:
    """Nine blocks, however clear, leave the bounds open; the tenth speaks."""
    xs = [5.0 + 0.01 * (i % 3) for i in range(START)]
    before = mean_sequence(xs[:-1], alpha_low=0.05, alpha_high=0.05)
    assert (before.low, before.high) == (-math.inf, math.inf)
    assert mean_sequence(xs, alpha_low=0.05, alpha_high=0.05).low > 4.9


def ever_wrong(stream: Callable[[random.Random], list[float]], runs: int = 1200) -> tuple[float, float]:
    """How often a stream with mean zero is ever called above or below zero, looking after every block to the 60th."""
    rng, above, below = random.Random(11), 0, 0
    for _ in range(runs):
        xs = stream(rng)
        looks = [mean_sequence(xs[:n], alpha_low=0.05, alpha_high=0.05) for n in range(START, len(xs) + 1)]
        above += any(i.low > 0 for i in looks)
        below += any(i.high < 0 for i in looks)
    return above / runs, below / runs


def independent(rng: random.Random) -> list[float]:
    return [rng.gauss(0, 0.048) for _ in range(60)]


def flights_like(rng: random.Random) -> list[float]:
    """Days correlate by 0.15; one in thirty is a storm that costs several standard deviations."""
    xs, last = [], 0.0
    for _ in range(60):
        storm = rng.gauss(1.5, 3.0) if rng.random() < 1 / 30 else 0.0
        last = 0.15 * last + 0.989 * (rng.gauss(0, 1) + storm - 0.05)
        xs.append(0.041 * last)
    return xs


@pytest.mark.parametrize("stream", [independent, flights_like])
def test_peeking_after_every_block_keeps_the_promise(stream: Callable[[random.Random], list[float]]) -> None:
    """Each bound is wrong at some look in at most 5 % of the streams (and the simulation's own error)."""
    assert max(ever_wrong(stream)) <= 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / 1200)
