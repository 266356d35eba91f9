"""What LightGBM would crash on is told apart from what it can read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.errors import UsageError
from plimsoll.models.lightgbm_trees import check_trees


def _text(**params: Any) -> str:
    import lightgbm as lgb

    rng = np.random.default_rng(3)
    rows = rng.normal(size=(400, 3))
    rows[:, 2] = rng.integers(0, 40, 400)
    y = (rows[:, 0] + rows[:, 2] % 7 > 3).astype(float)
    usual = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, "num_leaves": 8}
    columns = params.pop("categorical", "auto")
    return str(lgb.train({**usual, **params}, lgb.Dataset(rows, y, categorical_feature=columns), 4).model_to_string())


@pytest.mark.parametrize(
    "params",
    [{}, {"categorical": [2]}, {"linear_tree": True, "objective": "regression"}, {"min_data_in_leaf": 300}],
    ids=["plain", "categorical", "linear", "stumps"],
)
def test_what_lightgbm_writes_is_whole(params: dict[str, Any]) -> None:
    """Every kind of tree that it knows passes."""
    check_trees(_text(**params), "it")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("end of trees", "end of tries", "cut off"),
        ("num_leaves=8", "num_leaves=9", "9 leaves, and not as many values"),
        ("left_child=", "left_child=9 ", "not as long as it says"),
        ("max_feature_idx=2", "max_feature_idx=0", "beyond the 1 there are"),
        ("tree_sizes=", "tree_sizes=x", "damaged"),
    ],
)
def test_what_was_changed_is_found(old: str, new: str, said: str) -> None:
    """The message says which tree, and what about it."""
    text = _text()
    assert old in text
    with pytest.raises(UsageError, match=said):
        check_trees(text.replace(old, new, 1), "it")


def test_a_tree_that_leads_back_is_found() -> None:
    """A cycle would be walked for ever."""
    head, mark, rest = _text().partition("left_child=")
    line, end, tail = rest.partition("\n")
    first = line.split()[0]
    changed = line.replace(first, "0".rjust(len(first)), 1)
    with pytest.raises(UsageError, match=r"tree 0 .* not there, or back"):
        check_trees(head + mark + changed + end + tail, "it")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_cut_passes(data: st.DataObject) -> None:
    """Wherever the text ends before its trees do, it is refused."""
    text = _text()
    end = data.draw(st.integers(0, text.index("end of trees")))
    with pytest.raises(UsageError):
        check_trees(text[:end], "it")
