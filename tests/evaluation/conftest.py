"""Fourteen days of predictions with a day's own luck in them, a weaker fallback beside, some outcomes missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest


@dataclass(frozen=True)
class Days:
    scores: Any
    labels: Any
    blocks: Any
    fallback: Any
    origin: Any

    @property
    def rows(self) -> dict[str, Any]:
        """As ``measure`` takes them."""
        return {
            "scores": self.scores,
            "labels": self.labels,
            "blocks": self.blocks,
            "comparators": {"fallback": self.fallback},
            "slices": {"origin": self.origin},
        }


@pytest.fixture(scope="session")
def days() -> Callable[..., Days]:
    def make(*, blocks: int = 14, per_block: int = 300, missing: float = 0.0, seed: int = 3) -> Days:
        rng = np.random.default_rng(seed)
        n = blocks * per_block
        ids = np.repeat(np.arange(blocks), per_block)
        signal = rng.normal(size=n)
        chance = 1 / (1 + np.exp(-(signal + rng.normal(scale=0.3, size=blocks)[ids] - 1)))
        labels = (rng.random(n) < chance).astype(float)
        labels[rng.random(n) < missing] = np.nan
        scores = np.clip(chance + rng.normal(scale=0.05, size=n), 0.01, 0.99)
        fallback = np.full(n, 0.3) + 0.02 * np.sign(signal)
        origin = rng.choice(["EWR", "JFK", "LGA", "TTN"], size=n, p=[0.4, 0.33, 0.25, 0.02])
        names = np.array([f"2013-01-{b + 1:02d}" for b in range(blocks)])
        return Days(scores, labels, names[ids], fallback, origin)

    return make
