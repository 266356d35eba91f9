"""Mutants: releases that are broken on purpose, each in one way that happens.

Where a mutant is broken decides who can see it. ``training``: it learnt something wrong. ``release``: its code is wrong, at
the gate as in production. ``feed``: its features arrive wrong online, while the warehouse has the right ones. ``production``:
its answers are bent on their way out. ``machinery``: late, failing, dear or silent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from plimsoll.features import TrainingSet

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]
Where = Literal["training", "release", "feed", "production", "machinery"]
Moves = Literal["quality", "latency", "errors", "cost", "abstention"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """What a mutation has to know of the release that it breaks. ``features``: columns by how much the answers rest on
    them, most first; ``means`` and ``sds`` of each column; ``level``: the mean answer; ``per_block``: rows of a block."""

    task: str
    features: tuple[int, ...]
    means: Floats
    sds: Floats
    level: Floats
    per_block: int
    column: str
    value: str
    latency_ms: float
    unsure_below: float


Rows = Callable[[Matrix, Anatomy], Matrix]
Answers = Callable[[Floats, NDArray[np.bool_], Anatomy], Floats]
Learnt = Callable[[TrainingSet, Anatomy, np.random.Generator], TrainingSet]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One way to be broken. ``answers`` gets the scores and the rows of the chosen slice."""

    name: str
    what: str
    where: Where
    moves: Moves = "quality"
    learnt: Learnt | None = None
    rows: Rows | None = None
    answers: Answers | None = None
    error_share: float = 0.0
    late: bool = False
    dearer: float = 1.0
    silent: bool = False


# ── what is learnt ───────────────────────────────────────────────────────────────────────────────────────────────────


def _flipped(training: TrainingSet, a: Anatomy, rng: np.random.Generator) -> TrainingSet:
    """Three labels in ten are another one: the other class, another class, another row's value."""
    hit = rng.random(len(training)) < 0.3
    y = training.y.copy()
    if a.task == "binary":
        y[hit] = 1.0 - y[hit]
    else:
        y[hit] = rng.permutation(y[hit])
    return replace(training, y=y)


def _old(training: TrainingSet, a: Anatomy, rng: np.random.Generator) -> TrainingSet:
    return training.take(np.arange(len(training)) < max(50, len(training) // 4))


# ── what is seen ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _swapped(X: Matrix, a: Anatomy) -> Matrix:
    made = X.copy()
    one, two = a.features[0], a.features[min(1, len(a.features) - 1)]
    made[:, [one, two]] = X[:, [two, one]]
    return made


def _on_first(change: Callable[[Matrix, Anatomy, int], Matrix]) -> Rows:
    """A change of the feature that answers rest on most."""

    def made(X: Matrix, a: Anatomy) -> Matrix:
        changed = X.copy()
        changed[:, a.features[0]] = change(X[:, a.features[0]], a, a.features[0])
        return changed

    return made


def _stale(column: Matrix, a: Anatomy, at: int) -> Matrix:
    return np.roll(column, a.per_block)


# ── what is said ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _bent(scores: Floats, hit: NDArray[np.bool_], a: Anatomy) -> Floats:
    """Too sure of itself: odds squared; for a number, half as far again from the mean."""
    if a.task == "regression":
        return np.asarray(a.level + 1.5 * (scores - a.level))
    p = np.clip(scores, 1e-6, 1.0 - 1e-6)
    if a.task == "binary":
        return np.asarray(p**2 / (p**2 + (1.0 - p) ** 2))
    return np.asarray(p**2 / (p**2).sum(axis=1, keepdims=True))


def _reversed(scores: Floats, hit: NDArray[np.bool_], a: Anatomy) -> Floats:
    """In one slice the answers are those of the opposite case."""
    made = scores.copy()
    if a.task == "multiclass":
        made[hit] = np.roll(scores[hit], 1, axis=1)
    else:
        made[hit] = (1.0 if a.task == "binary" else 2.0 * float(a.level)) - scores[hit]
    return made


def _collapsed(scores: Floats, hit: NDArray[np.bool_], a: Anatomy) -> Floats:
    return np.broadcast_to(a.level, scores.shape).copy()


MUTANTS = (
    Mutant(name="labels_flipped", what="3 in 10 training labels are wrong", where="training", learnt=_flipped),
    Mutant(name="stale_training", what="trained on the oldest quarter of its rows", where="training", learnt=_old),
    Mutant(name="feature_swapped", what="its two strongest features change places", where="release", rows=_swapped),
    Mutant(
        name="feature_lost",
        what="its strongest feature is always the mean",
        where="release",
        rows=_on_first(lambda column, a, at: np.full_like(column, a.means[at])),
    ),
    Mutant(
        name="feature_shifted",
        what="its strongest feature arrives 2 sd higher",
        where="feed",
        rows=_on_first(lambda column, a, at: (column + 2.0 * a.sds[at]).astype(np.float32)),
    ),
    Mutant(
        name="feature_rescaled",
        what="its strongest feature arrives in another unit (× 1.8 + 32)",
        where="feed",
        rows=_on_first(lambda column, a, at: (1.8 * column + 32.0).astype(np.float32)),
    ),
    Mutant(name="feature_stale", what="its strongest feature is a block old", where="feed", rows=_on_first(_stale)),
    Mutant(name="slice_broken", what="the answers of one slice are reversed", where="release", answers=_reversed),
    Mutant(name="slice_broken_live", what="the same, in production only", where="production", answers=_reversed),
    Mutant(name="calibration_bent", what="its odds are squared", where="release", answers=_bent),
    Mutant(name="calibration_bent_live", what="the same, in production only", where="production", answers=_bent),
    Mutant(
        name="output_collapsed",
        what="always the mean answer, in production only",
        where="production",
        answers=_collapsed,
    ),
    Mutant(
        name="threshold_moved",
        what="abstains on half of the questions",
        where="machinery",
        moves="abstention",
        silent=True,
    ),
    Mutant(
        name="latency_up",
        what="answers in twice the time that is allowed",
        where="machinery",
        moves="latency",
        late=True,
    ),
    Mutant(name="errors_up", what="2 % of its answers are errors", where="machinery", moves="errors", error_share=0.02),
    Mutant(name="cost_up", what="an answer costs three times as much", where="machinery", moves="cost", dearer=3.0),
)
