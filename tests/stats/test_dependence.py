"""Autocorrelation: that short series are not believed too much, and strong dependence is refused."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.stats.dependence import inflation, lag1
from plimsoll.stats.interval import t_interval


def walk(rng: random.Random, n: int, rho: float) -> list[float]:
    """A stationary first-order autoregression with unit variance."""
    xs = [rng.gauss(0, 1)]
    while len(xs) < n:
        xs.append(rho * xs[-1] + (1 - rho * rho) ** 0.5 * rng.gauss(0, 1))
    return xs


def test_the_correction_removes_the_bias_of_short_series() -> None:
    """Averaged over many series of 20 blocks the estimate is the truth to 0.03; uncorrected it is 0.07 too low."""
    rng = random.Random(2)
    for rho in (0.0, 0.15, 0.3):
        mean = sum(lag1(walk(rng, 20, rho)) for _ in range(3000)) / 3000
        assert abs(mean - rho) < 0.03


@given(st.lists(st.floats(-1e6, 1e6), max_size=60))
def test_intervals_are_never_narrowed(xs: list[float]) -> None:
    """Whatever the values, the factor lies between one and that of the strongest dependence that is corrected for."""
    assert 1.0 <= inflation(xs)[0] <= 3.0


def test_few_blocks_hardly_move_the_prior() -> None:
    """Seven alternating or trending blocks cannot prove independence or dependence."""
    assert 1.0 <= inflation([1, -1, 1, -1, 1, -1, 1.1])[0] < 1.25
    assert inflation([1, 2, 3, 4, 5, 6, 7])[1] == ""


def test_strong_dependence_is_a_problem() -> None:
    """Hours declared as blocks of a daily cycle are no blocks, and the text says what to do."""
    factor, problem = inflation(walk(random.Random(3), 200, 0.9))
    assert factor == 3.0 and "declare longer blocks" in problem


@given(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=60))
def test_doubt_only_ever_widens(xs: list[float]) -> None:
    """And less the more blocks there are; it refuses nothing that is not refused without."""
    assert inflation(xs, doubt=0.5)[1] == inflation(xs)[1]
    assert 1.0 <= inflation(xs)[0] <= inflation(xs, doubt=0.5)[0] <= 4.0
    calm = [(7 * i) % 5 - 2.0 for i in range(200)]
    few, many = (inflation(calm[:n], doubt=0.5)[0] / inflation(calm[:n])[0] for n in (10, 200))
    assert few > many > 1.0


@pytest.mark.parametrize("n", [10, 20])
def test_one_look_covers_where_neighbours_resemble_each_other(n: int) -> None:
    """An autocorrelation of 0.3, which so few blocks cannot tell from none: at most two points below 95 %, and luck."""
    rng, runs = random.Random(5), 3_000
    found = [t_interval(walk(rng, n, 0.3), alpha_low=0.025, alpha_high=0.025) for _ in range(runs)]
    assert sum(i.low <= 0 <= i.high for i in found) / runs >= 0.93 - 2.6 * (0.93 * 0.07 / runs) ** 0.5


def test_constants_and_crumbs_have_no_autocorrelation() -> None:
    """Equal values and fewer than four have none to estimate."""
    assert (lag1([2.0] * 30), lag1([1.0, 2.0, 3.0]), lag1([])) == (0.0, 0.0, 0.0)
