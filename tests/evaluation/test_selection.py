"""The threshold of an answer policy from the gate's rows, for each kind of task."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from plimsoll.evaluation import select
from plimsoll.kernel.promise import ErrorAmongAnswered, WrongPerRequest
from plimsoll.stats.confidence import confidences

DAYS, SIZE = 14, 300
BLOCKS = [f"day {i:02}" for i in range(DAYS) for _ in range(SIZE)]


def honest(seed: int = 4) -> tuple[Any, Any]:
    """Probabilities that mean what they say."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0, 1, DAYS * SIZE)
    return p, (rng.random(len(p)) < p).astype(float)


def noisy(seed: int = 4) -> tuple[Any, Any]:
    """A number that is nearly right below 5, and anybody's guess above."""
    rng = np.random.default_rng(seed)
    said = rng.uniform(0, 10, DAYS * SIZE)
    return said, said + rng.normal(0, np.where(said < 5, 0.5, 5.0))


def test_a_binary_promise_finds_its_threshold() -> None:
    """What is answered there errs less than was promised, and another seed's rows agree."""
    p, y = honest()
    found = select(ErrorAmongAnswered(0.15), task="binary", scores=p, labels=y, blocks=BLOCKS)
    assert found is not None and found.threshold is not None and found.chosen is not None
    assert 0.69 < found.threshold < 0.8 and found.chosen.risk < found.chosen.high <= 0.15
    p, y = honest(5)
    taken = confidences(p) >= found.threshold
    assert ((p[taken] >= 0.5) != y[taken]).mean() < 0.15


def test_several_classes_go_by_the_likeliest() -> None:
    """Three classes: a confidence starts at a third."""
    rng = np.random.default_rng(1)
    scores = rng.dirichlet([1, 1, 1], DAYS * SIZE)
    labels = (rng.random((len(scores), 1)) > scores.cumsum(axis=1)).sum(axis=1).astype(float)
    found = select(WrongPerRequest(0.2), task="multiclass", scores=scores, labels=labels, blocks=BLOCKS)
    assert found is not None and found.threshold is not None and found.threshold > 0.34
    assert found.chosen is not None and found.chosen.coverage * found.chosen.risk < 0.2


def test_a_regression_answers_where_its_intervals_are_narrow() -> None:
    """It learns where it is sure from the earlier days, and keeps its promise on the later ones."""
    said, label = noisy()
    found = select(ErrorAmongAnswered(0.1, within=1.5), task="regression", scores=said, labels=label, blocks=BLOCKS)
    assert found is not None and found.threshold is not None and found.widths is not None and found.blocks == 7
    said, label = noisy(8)
    taken = confidences(said, found.widths) >= found.threshold
    assert 0.35 < taken.mean() < 0.6 and (np.abs(said - label)[taken] > 1.5).mean() < 0.1


def test_labels_that_never_came_count_against_the_promise() -> None:
    """Where a fifth of the outcomes is missing, nothing below a fifth can be promised."""
    p, y = honest()
    y[::5] = math.nan
    found = select(ErrorAmongAnswered(0.15), task="binary", scores=p, labels=y, blocks=BLOCKS)
    assert found is not None and found.threshold is None and "no threshold keeps" in found.why


@pytest.mark.parametrize("below", [0.0, 0.7, 0.753])
def test_without_a_promise_the_curve_shows_what_the_declared_threshold_does(below: float) -> None:
    """Nothing is chosen; the point is the grid's at or below the threshold."""
    p, y = honest()
    found = select(None, task="binary", scores=p, labels=y, blocks=BLOCKS, abstain_below=below)
    assert found is not None and found.threshold == below and found.chosen is not None
    assert found.chosen.threshold == pytest.approx(math.floor(below * 100 + 1e-9) / 100 if below > 0.5 else 0.0)


def test_a_regression_without_a_promise_has_no_confidence() -> None:
    """There is nothing to show."""
    said, label = noisy()
    assert select(None, task="regression", scores=said, labels=label, blocks=BLOCKS) is None
