"""The empirical-Bernstein sequence for values between known bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import UsageError
from plimsoll.stats.bounded import bounded_sequence

FIVE = {"alpha_low": 0.05, "alpha_high": 0.05}


@given(st.lists(st.floats(-2, 3), min_size=1, max_size=60))
def test_the_mean_lies_within_and_the_bounds_within_the_range(values: list[float]) -> None:
    """least ≤ low ≤ high ≤ most, from the first value on; turned round they are the same."""
    found = bounded_sequence(values, least=-2, most=3, **FIVE)
    turned = bounded_sequence([-v for v in values], least=-3, most=2, **FIVE)
    assert -2 <= found.low <= found.high <= 3
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-9)


@pytest.mark.parametrize("draw", [lambda r, n: r.beta(0.3, 2.7, n), lambda r, n: (r.random(n) < 0.1).astype(float)])
def test_watching_a_mean_keeps_the_promise(draw) -> None:  # type: ignore[no-untyped-def]
    """A skewed stream with the mean 0.1, looked at after every ten values: each bound errs in at most 5 %."""
    rng, runs, above, below = np.random.default_rng(1), 150, 0, 0
    for _ in range(runs):
        xs = draw(rng, 300).tolist()
        looks = [bounded_sequence(xs[:n], least=0, most=1, **FIVE) for n in range(5, 301, 10)]
        above, below = above + any(i.low > 0.1 for i in looks), below + any(i.high < 0.1 for i in looks)
    assert max(above, below) <= 0.05 * runs + 2.6 * math.sqrt(0.05 * 0.95 * runs)


def test_little_spread_is_learnt() -> None:
    """Values that hardly move are narrowed down as 1/n, far below what their range alone would allow (Hoeffding)."""
    xs = [0.5 + 0.01 * (i % 3 - 1) for i in range(1_000)]
    found = bounded_sequence(xs, least=0, most=1, **FIVE)
    assert found.high - found.low < 0.25 * 2 * math.sqrt(math.log(20) / 2_000)


@pytest.mark.parametrize(("values", "least", "most"), [([0.5, 1.5], 0, 1), ([math.nan], 0, 1), ([], 1, 1)])
def test_values_without_a_bound_are_refused(values: list[float], least: float, most: float) -> None:
    """Outside, not a number, or no room between the bounds."""
    with pytest.raises(UsageError, match=r"lie"):
        bounded_sequence(values, least=least, most=most, **FIVE)
