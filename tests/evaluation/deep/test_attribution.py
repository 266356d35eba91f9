"""What the answers rest on: sizes, views, points; nothing told by a value that may not be shown."""

from __future__ import annotations

import numpy as np
import pytest

from plimsoll.evaluation.deep.attribution import shapley_parts

X = np.column_stack([np.arange(600), np.arange(600)[::-1], np.full(600, np.nan)]).astype(np.float32)
BLOCKS = np.repeat(np.arange(6), 100).tolist()


def parts(values, *, unordered=()):
    found = shapley_parts(
        values, X, BLOCKS, ["a", "b", "c"], {"v": [1, 2]}, unit="log-odds", unordered=frozenset(unordered)
    )
    return {p.name: p for p in found}


def test_a_part_is_the_mean_size_and_a_views_the_size_of_its_sum():
    """Two features of a view that pull against each other are together worth little."""
    rng = np.random.default_rng(0)
    pull = rng.normal(size=600)
    found = parts(np.stack([0.5 * pull, pull, -pull], axis=1)[:, None, :])
    assert found["b"].size == pytest.approx(np.abs(pull).mean()) and found["v"].size == pytest.approx(0, abs=1e-12)
    assert found["v"].of == "view" and found["b"].low < found["b"].size < found["b"].high


def test_points_are_told_by_the_place_of_the_value():
    """From low to high; none for what is missing, for what has no order, and for what may not be shown."""
    found = parts(np.ones((600, 1, 3)), unordered=["b"])
    assert found["a"].points[0][0] < 0.01 < 0.99 < found["a"].points[-1][0]
    assert {place for name in "bc" for place, _ in found[name].points} == {None}


def test_several_outputs_add_their_sizes():
    """A feature that moves two classes against each other moves the answer by both."""
    found = parts(np.stack([np.ones((600, 3)), -np.ones((600, 3))], axis=1))
    assert found["a"].size == 2.0
