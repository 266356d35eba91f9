"""Intervals at one look: against SciPy, and what they say when there is little to say."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as ss

from plimsoll.errors import UsageError
from plimsoll.stats.dependence import ONE_LOOK, inflation
from plimsoll.stats.interval import exact_rate, t_interval

values = st.lists(st.floats(-100, 100), min_size=2, max_size=40)


@given(values)
def test_t_interval_is_scipys_widened(xs: list[float]) -> None:
    """Where nothing leans, it is Student's interval times the root of the inflation; elsewhere it is wider. Below ten values
    two degrees of freedom are taken off; three or fewer say nothing."""
    found = t_interval(xs, alpha_low=0.025, alpha_high=0.025)
    if max(xs) - min(xs) < 1e-6:
        return
    df = len(xs) - 1 if len(xs) >= 10 else len(xs) - 3
    if df < 1:
        assert math.isinf(found.low) and math.isinf(found.high)
        return
    mean, half = (
        sum(xs) / len(xs),
        float(ss.t.ppf(0.975, df) * ss.sem(xs)) * math.sqrt(inflation(xs, doubt=ONE_LOOK)[0]),
    )
    assert found.low <= mean - half + 1e-9 and found.high >= mean + half - 1e-9
    assert mean - found.low == pytest.approx(half, rel=1e-6) or found.high - mean == pytest.approx(half, rel=1e-6)


@given(values, st.floats(-10, 10), st.floats(0.1, 10))
def test_units_do_not_matter(xs: list[float], shift: float, scale: float) -> None:
    """Values in other units give the same interval in those units."""
    one = t_interval(xs, alpha_low=0.05, alpha_high=0.01)
    other = t_interval([shift + scale * x for x in xs], alpha_low=0.05, alpha_high=0.01)
    if max(xs) - min(xs) > 1e-3:
        assert other.low == pytest.approx(shift + scale * one.low, rel=1e-6, abs=1e-6)
        assert other.high == pytest.approx(shift + scale * one.high, rel=1e-6, abs=1e-6)


@given(values)
def test_turning_the_sign_turns_the_interval(xs: list[float]) -> None:
    """What is a low bound for x is a high bound for −x."""
    one = t_interval(xs, alpha_low=0.05, alpha_high=0.01)
    other = t_interval([-x for x in xs], alpha_low=0.01, alpha_high=0.05)
    assert (other.low, other.high) == (pytest.approx(-one.high), pytest.approx(-one.low))


@pytest.mark.parametrize("xs", [[], [1.0], [0.0] * 6, [0.1 + 0.2, 0.3, 0.3]])
def test_too_little_leaves_the_bounds_open(xs: list[float]) -> None:
    """No block, one block, or a handful of equal ones prove nothing, and that is not a problem."""
    found = t_interval(xs, alpha_low=0.05, alpha_high=0.05)
    assert (found.low, found.high, found.problem) == (-math.inf, math.inf, "")


def test_seven_equal_blocks_are_a_constant() -> None:
    """Two releases that answer alike differ by exactly zero, and seven days of that are believed."""
    found = t_interval([0.0] * 7, alpha_low=0.05, alpha_high=0.05)
    assert (found.low, found.estimate, found.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e200])
def test_a_broken_value_is_a_problem_not_an_estimate(bad: float) -> None:
    """A block whose value is not a usable number makes the evidence inadmissible; nothing is averaged over it."""
    found = t_interval([0.1, bad, 0.2, 0.3], alpha_low=0.05, alpha_high=0.05)
    assert found.problem and (found.low, found.high) == (-math.inf, math.inf)


def test_a_lean_moves_only_its_own_bound() -> None:
    """Rare bad days move the upper bound out; the lower stays Student's."""
    xs = [0.0, 0.1, -0.1, 0.05, -0.05, 0.02, 3.0, 0.0, -0.02, 0.03]
    found = t_interval(xs, alpha_low=0.05, alpha_high=0.05)
    half = float(ss.t.ppf(0.95, 9) * ss.sem(xs)) * math.sqrt(inflation(xs, doubt=ONE_LOOK)[0])
    assert found.estimate - found.low == pytest.approx(half)
    assert found.high - found.estimate > 1.2 * half


def test_one_look_covers_what_it_promises() -> None:
    """For independent Gaussian blocks each bound is wrong at most as often as promised, with 7 blocks as with 30."""
    rng = random.Random(4)
    for n in (7, 14, 30):
        found = [t_interval([rng.gauss(0, 1) for _ in range(n)], alpha_low=0.05, alpha_high=0.05) for _ in range(2000)]
        assert sum(i.low > 0 for i in found) / 2000 < 0.05 + 0.008
        assert sum(i.high < 0 for i in found) / 2000 < 0.05 + 0.008


@given(n=st.integers(1, 100_000), share=st.floats(0, 1))
def test_exact_rate_is_scipys(n: int, share: float) -> None:
    """Clopper and Pearson's bounds, one-sided each, zero and all hits included."""
    hits = round(n * share)
    found = exact_rate(hits, n, alpha_low=0.01, alpha_high=0.05)
    low = float(ss.beta.ppf(0.01, hits, n - hits + 1)) if hits else 0.0
    high = float(ss.beta.ppf(0.95, hits + 1, n - hits)) if hits < n else 1.0
    assert (found.low, found.high) == (pytest.approx(low, rel=1e-9), pytest.approx(high, rel=1e-9))


def test_no_events_say_nothing() -> None:
    """Without events a rate may be anything."""
    found = exact_rate(0, 0, alpha_low=0.05, alpha_high=0.05)
    assert (found.low, found.high, found.n) == (0.0, 1.0, 0) and math.isnan(found.estimate)


def test_impossible_counts_and_errors_are_refused() -> None:
    """More hits than events, or an error of a half and more, are the caller's mistakes."""
    with pytest.raises(UsageError, match="5 hits of 4"):
        exact_rate(5, 4, alpha_low=0.05, alpha_high=0.05)
    with pytest.raises(UsageError, match="alpha_high"):
        t_interval([1.0, 2.0], alpha_low=0.05, alpha_high=0.5)
