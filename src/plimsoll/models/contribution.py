"""What each feature adds to a packed model's answers, where the model says it: an ensemble of trees."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.models.engine import Engine
from plimsoll.models.engines import kind_of, open_engine
from plimsoll.models.engines.lightgbm_text import LightgbmEngine
from plimsoll.models.shapley import shapley
from plimsoll.models.trees import Trees, read_trees

Floats = NDArray[np.float64]
CLOSE = 1e-4
"""How far the sum of the trees may be from what the graph answers, of the largest answer or of 1."""


class Contributions(NamedTuple):
    """``values`` (rows, outputs, features) and ``base`` (outputs,) add up to the raw score, whose ``unit`` is named (""
    for a regression: the label's own). A binary answer has one output."""

    values: Floats
    base: Floats
    unit: str


def contributions(model: bytes, X: NDArray[np.float32], background: NDArray[np.float32]) -> Contributions:
    """Exact Shapley values of the rows ``X``. What a feature is worth unknown is averaged over ``background``; a LightGBM
    text counts the rows of its own training instead. Raises UsageError, with the reason, for a model that is not made of
    trees alone. Seconds for thousands of rows and leaves: O(leaves · rows)."""
    kind = kind_of(model)
    if kind not in ("onnx", "lightgbm"):
        raise UsageError(f"it is kept as {kind}, whose trees, if it has any, cannot be read")
    engine = open_engine(model)
    if isinstance(engine, LightgbmEngine):
        values = engine.contributions(X)
        return Contributions(values[:, :, :-1], values[0, :, -1], _UNITS.get(engine.task, ""))
    trees = read_trees(model)
    _check(trees, engine, background[:500])
    found = shapley(trees, X, background)
    return Contributions(found.values, found.base, _unit(trees, engine.task))


def is_made_of_trees(model: bytes, *, most_leaves: int) -> bool:
    """Whether ``contributions`` can be told of a model, and cheaply: its trees have no more leaves than that."""
    try:
        return kind_of(model) == "lightgbm" or 0 < leaves_of(model) <= most_leaves
    except UsageError:
        return False


def leaves_of(model: bytes) -> int:
    """How many leaves the trees of an ONNX model have: what contributions cost for each row. 0 for another kind; raises
    UsageError for a graph that is no ensemble."""
    return read_trees(model).leaves if kind_of(model) == "onnx" else 0


_UNITS = {"binary": "log-odds", "multiclass": "logit"}


def _unit(trees: Trees, task: str) -> str:
    if task == "regression":
        return ""
    return _UNITS[task] if trees.link != "NONE" else "probability"


def _check(trees: Trees, engine: Engine, X: NDArray[np.float32]) -> None:
    """The sum of what was read must be what is answered."""
    said, made = np.asarray(engine.predict(X)), trees.answers(trees.raw(X))
    if said.shape != made.shape or np.abs(said - made).max() > CLOSE * max(1.0, float(np.abs(said).max())):
        raise UsageError("its graph does more than add up its trees: what each feature adds cannot be read from it")
