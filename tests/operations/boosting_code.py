"""A model that is made of trees, in a file of its own: a release pins the file's text."""

from typing import Any


def boosting(training: Any, params: Any) -> Any:
    """A few small trees."""
    import lightgbm

    rows = training.labelled()
    settings = {"objective": "binary", "num_leaves": 7, "min_data_in_leaf": 50, "num_threads": 1, "verbose": -1}
    data = lightgbm.Dataset(rows.X, rows.y, feature_name=list(rows.names))
    return lightgbm.train({**settings, "seed": params["seed"]}, data, num_boost_round=20)
