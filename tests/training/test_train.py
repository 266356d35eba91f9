"""Training again gives the same model; training wrongly says where."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from plimsoll.errors import Refused, UsageError
from plimsoll.models import package
from plimsoll.training import Params, train


def boosted(rows: Any, params: Params) -> Any:
    """A user's train function."""
    import lightgbm as lgb

    usual = {"objective": "binary", "num_threads": params.threads, "seed": params.seed, "verbose": -1}
    return lgb.train({**usual, "bagging_fraction": 0.5, "bagging_freq": 1}, lgb.Dataset(rows.X, rows.y), params.trees)


def careless(rows: Any, params: Params) -> Any:
    """Draws from the global generators, and returns what it drew."""
    return random.random(), np.random.random()


def test_the_same_seed_gives_the_same_model(rows: Any) -> None:
    """Down to the bytes of the packed model; another seed gives another."""

    def bytes_of(seed: int) -> bytes:
        model = train(boosted, rows, {"trees": 10}, seed)
        return package(model, names=rows.names, task="binary", sample=rows.X).model

    assert bytes_of(1) == bytes_of(1) != bytes_of(2)


def test_global_generators_are_seeded_and_put_back(rows: Any) -> None:
    """A train function that forgets its seed is reproducible, and disturbs nobody."""
    random.seed(99)
    expected = random.Random(99).random()
    assert train(careless, rows, {}, 4) == train(careless, rows, {}, 4) != train(careless, rows, {}, 5)
    assert random.random() == expected


def test_an_estimator_is_cloned_seeded_and_fitted(rows: Any) -> None:
    """An unfitted pipeline trains as it is; the one that was declared stays unfitted."""
    declared = make_pipeline(SimpleImputer(), RandomForestClassifier(n_estimators=5))
    one = train(declared, rows, {"randomforestclassifier__max_depth": 2}, 3)
    two = train(declared, rows, {"randomforestclassifier__max_depth": 2}, 3)
    np.testing.assert_array_equal(one.predict_proba(rows.X), two.predict_proba(rows.X))
    assert one[-1].random_state == 3 and one[-1].n_jobs is None and not hasattr(declared[-1], "estimators_")


def test_a_parameter_that_the_estimator_lacks_is_named(rows: Any) -> None:
    """With the nearest right name."""
    with pytest.raises(UsageError, match="LogisticRegression has no parameter 'c'") as caught:
        train(LogisticRegression(), rows, {"c": 2}, 0)
    assert "'C'" in caught.value.hint or "known" in caught.value.hint


def test_an_error_names_the_function_and_the_line(rows: Any) -> None:
    """The user finds the place without a traceback."""

    def broken(rows: Any, params: Params) -> Any:
        return rows.X / params.tres

    with pytest.raises(UsageError, match=r"broken \(test_train.py:\d+\) raised AttributeError: .*'tres'") as caught:
        train(broken, rows, {"trees": 3}, 0)
    assert "did you mean 'trees'" in str(caught.value) and "(line" in str(caught.value)


def test_our_own_errors_pass_through(rows: Any) -> None:
    """What the function refuses on purpose stays refused."""

    def refusing(rows: Any, params: Params) -> Any:
        raise Refused("too few rows")

    with pytest.raises(Refused, match="too few rows"):
        train(refusing, rows, {}, 0)


def test_a_function_that_returns_nothing_is_named(rows: Any) -> None:
    """A forgotten return is the commonest mistake."""

    def forgetful(rows: Any, params: Params) -> Any:
        LogisticRegression().fit(rows.X, rows.y)

    with pytest.raises(UsageError, match=r"forgetful .* returned None"):
        train(forgetful, rows, {}, 0)


def test_params_read_like_a_mapping_and_like_an_object() -> None:
    """The seed is always there and cannot be overridden by a parameter of that name."""
    params = Params({"trees": 5, "seed": 1}, seed=7)
    assert (params.trees, params["trees"], params.seed, params.get("depth", 3)) == (5, 5, 7, 3)
    assert dict(params) == {"threads": 1, "trees": 5, "seed": 7}
