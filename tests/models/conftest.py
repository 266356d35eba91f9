"""Small models of every kind that a user may bring, trained here in a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture(scope="session")
def X() -> NDArray[np.float32]:
    """400 rows of four features; the second is missing now and then."""
    rng = np.random.default_rng(7)
    made = rng.normal(size=(400, 4)).astype(np.float32)
    made[rng.random(400) < 0.1, 1] = np.nan
    return made


@pytest.fixture(scope="session")
def late(X: NDArray[np.float32]) -> NDArray[np.float64]:
    noise = np.random.default_rng(8).normal(size=len(X))
    return (X[:, 0] + np.nan_to_num(X[:, 1]) + noise > 0.5).astype(float)


@pytest.fixture(scope="session")
def which(X: NDArray[np.float32]) -> NDArray[np.float64]:
    """One of three classes."""
    return np.digitize(X[:, 0], [-0.5, 0.5]).astype(float)


@pytest.fixture(scope="session")
def names() -> tuple[str, ...]:
    return ("delay", "wind", "hour", "distance")


@pytest.fixture(scope="session")
def booster() -> Callable[..., Any]:
    """Trains 20 LightGBM trees, in one thread."""
    import lightgbm as lgb

    def train(X: NDArray[np.float32], y: NDArray[np.float64], **params: Any) -> Any:
        usual = {"objective": "binary", "num_threads": 1, "verbose": -1, "deterministic": True, "min_data_in_leaf": 5}
        return lgb.train({**usual, **params}, lgb.Dataset(X, y), num_boost_round=20)

    return train
