"""Shapley values of trees: LightGBM's own, brute force over every set of features, and what they add up to."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import Any

import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from plimsoll.errors import UsageError
from plimsoll.models import contributions, is_made_of_trees, open_engine, package
from plimsoll.models.shapley import shapley
from plimsoll.models.trees import LEAF, read_trees

WIDTH = 5
NAMES = [f"f{i}" for i in range(WIDTH)]


@pytest.fixture(scope="module")
def rows() -> tuple[Any, Any]:
    """Two features that work together, one that is missing now and then."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(800, WIDTH)).astype(np.float32)
    y = (X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=800) > 0).astype(int)
    X[rng.random(800) < 0.2, 0] = np.nan
    return X, y


def packed(model: Any, X: Any, task: str = "binary", classes: Any = None) -> bytes:
    made = package(model, names=NAMES, task=task, sample=X, classes=classes)  # type: ignore[arg-type]
    assert made.kind == "onnx", made.note
    return made.model


def boosted(X: Any, y: Any, **settings: Any) -> Any:
    given = {"objective": "binary", "verbose": -1, "num_leaves": 9, "num_threads": 1, **settings}
    return lightgbm.train(given, lightgbm.Dataset(X, y), 12)


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("binary", {}),
        ("multiclass", {"objective": "multiclass", "num_class": 3}),
        ("regression", {"objective": "regression"}),
    ],
)
def test_they_are_lightgbms_own(rows: tuple[Any, Any], task: str, settings: Any) -> None:
    """Missing values and all, where the background is what it was trained on."""
    X, y = rows
    label = y if task == "binary" else (np.arange(len(y)) % 3 if task == "multiclass" else X[:, 1] * 1.0)
    booster = boosted(X, label, **settings)
    own = booster.predict(X, pred_contrib=True).reshape(len(X), -1, WIDTH + 1)
    found = contributions(packed(booster, X, task, [0, 1, 2] if task == "multiclass" else None), X, X)
    assert np.abs(found.values - own[:, :, :-1]).max() < 1e-6 and np.abs(found.base - own[0, :, -1]).max() < 1e-6
    assert found.unit == {"binary": "log-odds", "multiclass": "logit", "regression": ""}[task]


def test_they_are_what_the_definition_says(rows: tuple[Any, Any]) -> None:
    """Over all 32 sets of features: the mean of what a feature adds to each, weighted as Shapley weighs them."""
    X, y = rows
    trees = read_trees(packed(boosted(X, y), X))
    row = X[7:8]
    worth = {s: _worth(trees, row, X, set(s)) for k in range(WIDTH + 1) for s in combinations(range(WIDTH), k)}
    found = shapley(trees, row, X)
    for i in range(WIDTH):
        by_hand = sum(
            (worth[tuple(sorted((*s, i)))] - worth[s]) / (WIDTH * comb(WIDTH - 1, len(s))) for s in worth if i not in s
        )
        assert found.values[0, 0, i] == pytest.approx(by_hand, abs=1e-12)
    assert found.base[0] == pytest.approx(worth[()], abs=1e-12)


def _worth(trees: Any, row: Any, background: Any, known: set[int]) -> float:
    """The raw score with ``known`` features alone: elsewhere both ways are taken, by the background's shares."""
    total = float(trees.base[0])
    for tree in trees.trees:
        passed, reached = tree.passes(row)[0], tree.reached(tree.passes(background)).sum(axis=0)
        waiting = [(0, 1.0)]
        while waiting:
            node, weight = waiting.pop()
            if tree.feature[node] == LEAF:
                total += weight * tree.weights[node, 0]
                continue
            yes = float(passed[node]) if tree.feature[node] in known else reached[tree.yes[node]] / reached[node]
            waiting += [(int(tree.yes[node]), weight * yes), (int(tree.no[node]), weight * (1 - yes))]
    return total


@pytest.mark.parametrize(
    ("model", "task"),
    [
        (RandomForestClassifier(8, max_depth=6, random_state=0), "binary"),
        (ExtraTreesClassifier(6, max_depth=5, random_state=0), "multiclass"),
        (HistGradientBoostingClassifier(max_iter=8), "binary"),
        (RandomForestRegressor(6, max_depth=6, random_state=0), "regression"),
        (GradientBoostingRegressor(n_estimators=10, random_state=0), "regression"),
    ],
    ids=lambda m: type(m).__name__ if not isinstance(m, str) else m,
)
def test_forests_of_scikit_learn_add_up_to_their_answers(rows: tuple[Any, Any], model: Any, task: str) -> None:
    """The parts and what is expected give the raw score, which gives the answer."""
    X = np.nan_to_num(rows[0])
    label = {"binary": rows[1], "multiclass": np.arange(len(X)) % 3, "regression": X[:, 1] + X[:, 2]}[task]
    data = packed(model.fit(X, label), X, task)
    found, trees = contributions(data, X[:50], X), read_trees(data)
    raw = found.values.sum(axis=2) + found.base
    assert trees.answers(raw) == pytest.approx(np.asarray(open_engine(data).predict(X[:50])), abs=1e-5)


def test_a_lightgbm_text_says_it_itself(rows: tuple[Any, Any]) -> None:
    """An objective without an ONNX form keeps its text: the library's TreeSHAP, by the shares of its own training."""
    X = rows[0]
    booster = boosted(X, X[:, 1].copy(), objective="mae")
    made = package(booster, names=NAMES, task="regression", sample=X)
    found, own = contributions(made.model, X[:9], X), booster.predict(X[:9], pred_contrib=True)
    assert made.kind == "lightgbm" and is_made_of_trees(made.model, most_leaves=1)
    assert found.values[:, 0] == pytest.approx(own[:, :-1]) and found.base[0] == pytest.approx(own[0, -1])


def test_linear_leaves_have_none(rows: tuple[Any, Any]) -> None:
    """LightGBM tells the constants of the leaves alone, which add up to something else: nothing is told."""
    from plimsoll.models.engines.lightgbm_text import lightgbm as adapter

    X = np.nan_to_num(rows[0])
    booster = boosted(X, rows[1], linear_tree=True)
    data = adapter.pack(booster, task="binary", names=NAMES, classes=("0", "1"))
    with pytest.raises(UsageError, match="its leaves are linear"):
        contributions(data, X[:3], X)


def test_what_is_not_made_of_trees_says_what_it_is(rows: tuple[Any, Any]) -> None:
    """A line behind a scaler; trees behind a scaler, whose sum is of other inputs."""
    X = np.nan_to_num(rows[0])
    line = packed(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, rows[1]), X)
    with pytest.raises(UsageError, match=r"not one ensemble of trees, but of: .*Scaler"):
        contributions(line, X[:3], X)
    scaled = packed(make_pipeline(StandardScaler(), RandomForestClassifier(5, max_depth=3)).fit(X, rows[1]), X)
    with pytest.raises(UsageError, match="not one ensemble of trees"):
        contributions(scaled, X[:3], X)
    assert not is_made_of_trees(line, most_leaves=99) and not is_made_of_trees(scaled, most_leaves=99)
