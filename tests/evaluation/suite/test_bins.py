"""Features in parts that a person can name."""

from __future__ import annotations

import numpy as np

from plimsoll.evaluation.suite.bins import binned


def test_numbers_are_cut_at_quantiles_and_missing_is_a_part() -> None:
    """Every row is in one part, and the part's name says from where to where."""
    X = np.array([[1.0], [2], [3], [4], [5], [6], [7], [np.nan]], dtype=np.float32)
    found = binned(X, ["hour"], {}, bins=2)
    assert found.parts == (("1 to 4", "5 to 7", "missing"),)
    assert found.codes[:, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 2] and found.says(0, 2) == "hour missing"


def test_a_value_that_is_most_of_a_column_is_one_part() -> None:
    """No rain on most days: quantiles that fall together are one edge."""
    X = np.array([[0.0]] * 90 + [[0.1]] * 10, dtype=np.float32)
    assert binned(X, ["rain"], {}).parts == (("= 0", "= 0.1"),)


def test_a_category_has_its_commonest_levels_by_name() -> None:
    """The others, and what training never saw, are one part together."""
    X = np.array([[0]] * 5 + [[1]] * 3 + [[2]] * 1 + [[-1]], dtype=np.float32)
    found = binned(X, ["carrier"], {"carrier": ("UA", "B6", "OO")}, most_levels=2)
    assert found.parts == (("= UA", "= B6", "another level"),) and found.codes[-2:, 0].tolist() == [2, 2]


def test_a_constant_feature_is_left_out() -> None:
    """It tells no rows apart; without any feature there are no parts, and no error."""
    assert binned(np.ones((5, 1), dtype=np.float32), ["one"], {}).names == ()
    assert binned(np.empty((0, 0), dtype=np.float32), [], {}).codes.shape == (0, 0)
