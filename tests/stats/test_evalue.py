"""E-values: their means and products, what they are worth as p-values, and many at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import UsageError
from plimsoll.stats.evalue import discoveries, log_mean, log_of_p, log_product, p_value


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=20))
def test_means_and_products_are_those_of_the_values(logs: list[float]) -> None:
    """In logarithms, to twelve digits."""
    values = np.exp(logs)
    assert log_mean(logs) == pytest.approx(math.log(values.mean()), abs=1e-9)
    assert log_product(logs) == pytest.approx(np.log(values).sum(), abs=1e-9)


def test_a_certain_one_makes_the_mean_certain() -> None:
    """What cannot happen under the null has happened: no other e-value takes that back."""
    assert log_mean([math.inf, -5.0]) == math.inf and p_value(math.inf) == 0.0


def test_there_is_no_mean_of_nothing() -> None:
    """No e-values say nothing, not one."""
    with pytest.raises(UsageError, match="no e-values"):
        log_mean([])


def test_a_p_value_is_worth_one_on_average() -> None:
    """The integral of the calibrator over uniform p-values, p = e^(−u), is one; beyond u = 700 it has 1/700 left."""
    u = np.geomspace(1e-9, 700, 4000)
    worth = [math.exp(log_of_p(math.exp(-x)) - x) for x in u]
    assert np.trapezoid(worth, u) + 1 / 700 == pytest.approx(1, rel=1e-4)
    assert math.exp(log_of_p(1.0)) == pytest.approx(0.5) == pytest.approx(math.exp(log_of_p(1 - 1e-5)), rel=1e-3)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    """Outside [0, 1] there is nothing to calibrate."""
    with pytest.raises(UsageError, match="p-value"):
        log_of_p(p)


def test_false_discoveries_stay_within_their_share() -> None:
    """Fifty dependent nulls beside ten real effects: of what is discovered at most a tenth is false, on average."""
    rng, shares, found = np.random.default_rng(2), [], 0
    for _ in range(300):
        z = 0.7 * rng.standard_normal(60) + 0.7 * rng.standard_normal() + np.where(np.arange(60) < 10, 4.0, 0.0)
        rejected = discoveries((3.0 * z - 4.5).tolist(), 0.1)
        found += sum(i < 10 for i in rejected)
        shares.append(sum(i >= 10 for i in rejected) / max(1, len(rejected)))
    assert np.mean(shares) <= 0.1 and found > 0
