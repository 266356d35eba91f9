"""Plots of characters: each says no more than its numbers do."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from plimsoll.evaluation import strokes
from plimsoll.evaluation.strokes import WIDTH, bar, ends_of, sparkline, whisker

numbers = st.floats(-1e6, 1e6)


def test_the_examples_are_true() -> None:
    """As the docstrings show them."""
    assert doctest.testmod(strokes).attempted > 1 and not doctest.testmod(strokes).failed


@given(st.lists(numbers, min_size=4, max_size=4))
def test_a_whisker_has_its_marks_in_the_order_of_its_numbers(values: list[float]) -> None:
    """Whatever they are: one estimate, one limit (or both in one place), as wide as every other."""
    low, middle, high = sorted(values[:3])
    drawn = whisker(low, middle, high, values[3], ends_of(*values))
    assert len(drawn) == WIDTH
    both = "◉" in drawn
    assert drawn.count("●") + drawn.count("◉") == 1 and drawn.count("┃") == (0 if both else 1)
    if not both:
        assert (drawn.index("●") < drawn.index("┃")) == (middle < values[3])


def test_a_bound_that_is_not_known_runs_to_the_edge() -> None:
    """And without an estimate there is nothing to draw."""
    assert whisker(None, 0.5, None, None, (0.0, 1.0)).count("━") == WIDTH - 1
    assert whisker(None, None, None, 0.5, (0.0, 1.0)) == ""


def test_a_line_of_many_values_stays_short_and_keeps_its_ends() -> None:
    """A year of days in sixty characters, rising as they rise; equal ones are flat."""
    line = sparkline(list(range(365)))
    assert len(line) == 60 and line[0] == "▁" and line[-1] == "█" and sorted(line) == list(line)
    assert set(sparkline([2.0] * 5)) == {"▄"} and sparkline([]) == ""


def test_a_bar_shows_that_something_is_there() -> None:
    """One in ten thousand is not nothing, and the whole is full."""
    assert bar(0.0).count("█") == 0 and bar(0.0001).count("█") == 1 and bar(1.0).count("░") == 0
