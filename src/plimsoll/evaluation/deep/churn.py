"""Two trainings of one declaration side by side: what another seed, or another draw of the training blocks, changes.

*Churn* is the share of decisions that differ between two models of equal quality; it reaches users as answers that change
for no reason of theirs, and hides small gains behind noise (Milani Fard, Cormier, Canini & Gupta 2016, *Launch and
iterate: reducing prediction churn*, NeurIPS). Of the decisions that differ, those that became right against those that
became wrong say whether the change is progress or noise (their *win-loss ratio*).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.evaluation.deep.loss import Answered, Loss, loss, moves
from plimsoll.evaluation.measurement import finite
from plimsoll.kernel.digest import rounded
from plimsoll.stats import Metric
from plimsoll.stats.disagreement import decisions, difference
from plimsoll.stats.scoring import midranks

Floats = NDArray[np.float64]
LEAST_ROWS = 100
"""Of a slice: the worst of many small ones says nothing."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A share of rows with its 95 % interval over blocks."""

    share: float
    low: float | None
    high: float | None


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """A slice of the rows and what differs there: the share of decisions, or for numbers the mean move."""

    name: str
    rows: int
    differs: float


class Churn(msgspec.Struct, frozen=True, kw_only=True):
    """``flips``: decisions that differ (None for numbers, which decide nothing by themselves), of which ``won`` became right
    and ``lost`` became wrong. ``moved``: mean size of an answer's change; ``rank``: Spearman's correlation of the two
    answers (over classes, the mean), None where one of them is constant. ``worst``: the slices where most differs."""

    name: str
    rows: int
    flips: Rate | None
    won: int
    lost: int
    moved: float
    moved_p95: float
    rank: float | None
    worst: tuple[Slice, ...]
    losses: tuple[Loss, ...]
    note: str = ""


def churn(
    name: str, answered: Answered, scores: Floats, metrics: Sequence[Metric], slices: Mapping[str, NDArray[Any]]
) -> Churn:
    """How ``scores``, another training's answers to the same rows, differ from the release's own."""
    apart = difference(scores, answered.scores, answered.blocks, answered.task)
    before, after = decisions(answered.scores, answered.task), decisions(scores, answered.task)
    moved = moves(answered, scores)
    differs = moved if before is None or after is None else (before != after).astype(np.float64)
    right = None if before is None or after is None else (before == answered.labels, after == answered.labels)
    return Churn(
        name=name,
        rows=len(moved),
        flips=None if apart.changed is None else _rate(apart.changed),
        won=0 if right is None else int((~right[0] & right[1]).sum()),
        lost=0 if right is None else int((right[0] & ~right[1]).sum()),
        moved=rounded(float(moved.mean())),
        moved_p95=rounded(float(np.quantile(moved, 0.95))),
        rank=rank_correlation(scores, answered.scores),
        worst=tuple(_worst(differs, slices)),
        losses=tuple(loss(m, answered, scores) for m in metrics),
        note="" if moved.any() else "not one answer differs: this training does not depend on it",
    )


def rank_correlation(a: Floats, b: Floats) -> float | None:
    """Spearman's: Pearson's correlation of the ranks, ties sharing the mean of theirs."""
    pairs = [(a, b)] if a.ndim == 1 else list(zip(a.T, b.T, strict=True))
    found = [_spearman(x, y) for x, y in pairs]
    return None if any(math.isnan(r) for r in found) else rounded(math.fsum(found) / len(found))


def _spearman(a: Floats, b: Floats) -> float:
    x, y = (ranks - ranks.mean() for ranks in (midranks(a), midranks(b)))
    size = math.sqrt(float((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / size if size > 0 else math.nan


def _rate(interval: Any) -> Rate:
    return Rate(share=rounded(interval.estimate), low=finite(interval.low), high=finite(interval.high))


def _worst(differs: Floats, slices: Mapping[str, NDArray[Any]], *, shown: int = 5) -> list[Slice]:
    found: list[Slice] = []
    for column, values in slices.items():
        names, codes = np.unique(values.astype(str), return_inverse=True)
        n = np.bincount(codes.reshape(-1))
        mean = np.bincount(codes.reshape(-1), weights=differs) / n
        found += [
            Slice(name=f"{column}={names[k]}", rows=int(n[k]), differs=rounded(float(mean[k])))
            for k in np.flatnonzero(n >= LEAST_ROWS).tolist()
        ]
    return sorted(found, key=lambda s: (-s.differs, s.name))[:shown]
