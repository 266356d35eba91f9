"""How sure a score is: one at a time as in columns, and what a regression's width covers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.stats.confidence import Widths, confidence, confidences, floor_of, widths_of, wrong

shares = st.floats(0, 1)


@given(st.lists(shares, min_size=1, max_size=30))
def test_many_scores_are_as_sure_as_each_alone(scores: list[float]) -> None:
    """A row judged in a batch and one judged alone get the same confidence, to the bit."""
    assert confidences(np.array(scores)).tolist() == [confidence(s) for s in scores]


@given(st.lists(st.tuples(shares, shares, shares), min_size=1, max_size=30))
def test_the_likeliest_class_is_the_confidence(rows: list[tuple[float, ...]]) -> None:
    """Of several classes the likeliest counts."""
    assert confidences(np.array(rows)).tolist() == [max(row) for row in rows]


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.lists(st.floats(-50, 50), max_size=5, unique=True))
def test_a_value_is_as_sure_as_its_group_is_narrow(scores: list[float], edges: list[float]) -> None:
    """Groups are closed below; the same group is found in columns and alone."""
    widths = Widths(within=2.0, edges=tuple(sorted(edges)), widths=tuple(1.0 + i for i in range(len(edges) + 1)))
    assert confidences(np.array(scores), widths).tolist() == [confidence(s, widths) for s in scores]


def test_no_score_is_not_sure() -> None:
    """What failed has no confidence; an unknown width has none either."""
    assert confidence(None) == 0.0
    assert confidence(3.0, Widths(within=1.0)) == 0.0


def test_a_missing_label_counts_as_wrong() -> None:
    """The promise must hold whatever the outcome would have been."""
    assert wrong(np.array([0.9, 0.9, 0.1]), np.array([1.0, math.nan, 1.0])).tolist() == [0, 1, 1]
    assert wrong(np.array([[0.2, 0.8], [0.7, 0.3]]), np.array([1.0, 1.0])).tolist() == [0, 1]
    assert wrong(np.array([1.0, 5.0]), np.array([1.5, 7.0]), within=1.0).tolist() == [0, 1]


def test_the_least_confidence_depends_on_the_classes() -> None:
    """Half for two classes, a quarter for four."""
    assert floor_of(np.zeros(3)) == 0.5
    assert floor_of(np.zeros((3, 4))) == 0.25


def test_a_width_covers_a_further_row_of_its_group() -> None:
    """Over many calibrations a further row lies inside as often as was promised, in the quiet and in the loud group."""
    rng = np.random.default_rng(5)
    inside = {False: [], True: []}
    for _ in range(400):
        scores = rng.uniform(0, 1, 240)
        labels = scores + rng.normal(0, np.where(scores < 0.5, 0.1, 1.0))
        found = widths_of(scores[:200], labels[:200], within=1.0, error=0.2, groups=2)
        for s, y in zip(scores[200:], labels[200:], strict=True):
            inside[s >= 0.5].append(abs(s - y) <= found.of(s))
    assert all(0.78 < np.mean(found) < 0.84 for found in inside.values())


def test_a_group_that_is_too_small_promises_nothing() -> None:
    """Four errors cannot bound a fifth at 95 %."""
    found = widths_of(np.arange(4.0), np.arange(4.0), within=1.0, error=0.05)
    assert found.widths == (None,) and found.of(1.0) == math.inf
    assert widths_of(np.array([]), np.array([]), within=1.0, error=0.05).widths == (None,)


@pytest.mark.parametrize("size", [49, 99, 100, 1000])
def test_groups_have_enough_rows_each(size: int) -> None:
    """Never more groups than there are fifties of rows."""
    rng = np.random.default_rng(size)
    found = widths_of(rng.normal(size=size), rng.normal(size=size), within=1.0, error=0.1)
    assert len(found.widths) == max(1, min(10, size // 50))
