"""A store of its own for each test, and a small training set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest


@dataclass(frozen=True)
class StoppedClock:
    at: datetime = datetime(2013, 2, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@dataclass(frozen=True)
class Rows:
    """What a train function reads of a training set."""

    X: Any
    y: Any
    names: tuple[str, ...]
    group: str = ""


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture(scope="session")
def rows() -> Rows:
    rng = np.random.default_rng(5)
    made = rng.normal(size=(300, 3)).astype(np.float32)
    return Rows(made, (made[:, 0] > 0).astype(float), ("a", "b", "c"))
