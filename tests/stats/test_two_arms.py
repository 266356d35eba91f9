"""Two arms compared: sums by unit and block, and what blocks cannot show of who is in which arm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.stats.sequence import mean_sequence
from plimsoll.stats.two_arms import Cells, cells, difference, hidden_variance


def rows(rng: np.random.Generator, units: int, blocks: int, *, fresh: bool = False, spread: float = 1.0) -> Cells:
    """Each unit once in each block, with a level of its own; ``fresh``: another unit every time."""
    unit = np.tile(np.arange(units), blocks)
    level = rng.normal(0.0, spread, (blocks if fresh else 1, units))
    x = (5.0 + level + rng.normal(0.0, 1.0, (blocks, units))).ravel()
    block = np.repeat(np.arange(blocks), units)
    return cells(block, unit + fresh * block * units, x, np.ones(len(x)))


def test_the_mean_of_the_values_is_the_difference_of_the_arms() -> None:
    """Whatever the sizes of blocks and arms."""
    rng = np.random.default_rng(1)
    ours, theirs = rows(rng, 30, 12), rows(rng, 90, 12)
    assert np.mean(difference(ours, theirs, 12).values) == pytest.approx(ours.ratio - theirs.ratio)


def test_rows_of_one_unit_in_one_block_are_one_cell() -> None:
    """In any order."""
    found = cells(np.array([1, 0, 1]), np.array([7, 7, 7]), np.array([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 1.0]))
    assert found.block.tolist() == [0, 1] and found.numerator.tolist() == [2.0, 5.0]
    assert found.denominator.tolist() == [1.0, 2.0] and found.units == 1


@given(st.permutations(range(40)))
def test_the_order_of_rows_changes_nothing(order: list[int]) -> None:
    """To the last digit that is kept."""
    rng = np.random.default_rng(2)
    block, unit = rng.integers(0, 5, 40), rng.integers(0, 8, 40)
    x, y = rng.random(40), np.ones(40)
    one, other = cells(block, unit, x, y), cells(block[order], unit[order], x[order], y[order])
    assert np.allclose(one.numerator, other.numerator) and one.unit.tolist() == other.unit.tolist()


def test_units_that_come_once_hide_nothing() -> None:
    """Every unit is in one block alone, which shows it."""
    rng = np.random.default_rng(3)
    ours, theirs = (rows(rng, 50, 10, fresh=True) for _ in range(2))
    assert hidden_variance(ours, theirs) == pytest.approx(0.0, abs=1e-12)


def test_blocks_and_what_they_hide_make_the_variance_that_there_is() -> None:
    """Over a thousand divisions of regulars: the estimate's own variance, within a tenth; blocks alone see a fifth of it."""
    rng = np.random.default_rng(4)
    estimates, shown, hidden = [], [], []
    for _ in range(1_000):
        found = difference(rows(rng, 40, 12), rows(rng, 120, 12), 12)
        estimates.append(np.mean(found.values))
        shown.append(np.var(found.values, ddof=1) / 12)
        hidden.append(found.hidden)
    assert np.mean(shown) + np.mean(hidden) == pytest.approx(np.var(estimates), rel=0.1)
    assert np.mean(shown) < 0.2 * np.var(estimates)


def test_an_arm_without_anything_counted_has_no_value() -> None:
    """Neither a zero nor an exception."""
    empty = cells(*(np.zeros(0, dtype=np.int64) for _ in range(2)), *(np.zeros(0) for _ in range(2)))
    found = difference(empty, rows(np.random.default_rng(5), 5, 3), 3)
    assert np.isnan(found.values).all() and found.hidden == 0.0


def test_a_sequence_is_as_much_wider_as_something_is_hidden() -> None:
    """The hidden variance adds to that of the mean."""
    values = [0.1, -0.2, 0.3, 0.0, -0.1, 0.2, -0.3, 0.1, 0.0, 0.1, -0.1, 0.2]
    narrow, wide = (mean_sequence(values, alpha_low=0.05, alpha_high=0.05, hidden=h) for h in (0.0, 0.01))
    of = [(i.high - i.estimate) ** 2 for i in (narrow, wide)]
    reach = of[0] / (mean_sequence(values, alpha_low=0.05, alpha_high=0.05).high - narrow.estimate) ** 2
    assert reach == 1.0 and wide.high > narrow.high and wide.low < narrow.low
    far = mean_sequence(values, alpha_low=0.05, alpha_high=0.05, hidden=0.04)
    far_of = (far.high - far.estimate) ** 2
    assert far_of - of[0] == pytest.approx(4.0 * (of[1] - of[0]))
