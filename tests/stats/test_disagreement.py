"""How two releases' answers part, on rows small enough to count."""

import numpy as np
import pytest

from plimsoll.errors import UsageError
from plimsoll.stats.disagreement import difference, paired_differences, worst


def test_a_changed_decision_is_counted_and_bounded() -> None:
    """Two of ten rows change their class; with few blocks the bounds are exact for rows."""
    ours = np.array([0.9, 0.4, 0.6, 0.1, 0.2, 0.8, 0.7, 0.3, 0.2, 0.1])
    theirs = np.array([0.9, 0.6, 0.4, 0.1, 0.2, 0.8, 0.7, 0.3, 0.2, 0.1])
    found = difference(ours, theirs, ["a"] * 10, "binary")
    assert found.changed is not None and found.changed.estimate == 0.2 and found.changed.method == "clopper-pearson"
    assert found.moved == {"0 → 1": 1, "1 → 0": 1} and sum(found.counts) == 10
    assert found.mean == pytest.approx(0.0) and found.mean_abs == pytest.approx(0.04)


def test_blocks_bound_the_share_where_there_are_enough() -> None:
    """A day on which everything changes is one day, not a hundred rows."""
    days = np.repeat(np.arange(10), 100)
    ours = np.where(days == 3, 0.9, 0.1)
    found = difference(ours, np.full(1_000, 0.1), days, "binary")
    assert found.changed is not None and found.changed.n == 10 and found.changed.high > 0.25


def test_the_furthest_apart_come_first() -> None:
    """Another decision before the same one; of equal ones the earlier."""
    ours, theirs = np.array([0.9, 0.45, 0.2, 0.2]), np.array([0.55, 0.55, 0.1, 0.1])
    assert worst(ours, theirs, "binary", most=3).tolist() == [1, 0, 2]
    assert worst(ours, theirs, "regression", most=4).tolist() == [0, 1, 2, 3]


def test_classes_part_by_total_variation_and_numbers_by_their_difference() -> None:
    """Half the sum of what was moved; a number decides nothing by itself."""
    a, b = np.array([[0.7, 0.2, 0.1]]), np.array([[0.2, 0.6, 0.2]])
    assert paired_differences(a, b).tolist() == pytest.approx([0.5])
    assert difference(a, b, ["x"], "multiclass").moved == {"1 → 0": 1}
    assert difference(np.array([3.0]), np.array([1.0]), ["x"], "regression").changed is None


def test_what_cannot_be_compared_is_refused() -> None:
    """No rows, or rows that are not the same."""
    with pytest.raises(UsageError):
        difference(np.empty(0), np.empty(0), [], "binary")
    with pytest.raises(UsageError):
        difference(np.ones(2), np.ones(3), ["a", "a"], "binary")
    same = difference(np.full(5, 0.3), np.full(5, 0.3), ["a"] * 5, "binary")
    assert same.mean_abs == 0.0 and sum(same.counts) == 5
