"""A feature that is too good to be true: alone, it all but knows the outcome.

Known times catch a feature that is dated honestly and comes too late. This catches one that is dated wrongly, or is the
outcome under another name: each feature is cut at quantiles (a category into its levels, a missing value into a part of its
own, since *is missing* is how outcomes leak most often), each part's mean outcome is learnt on every other block, and the
blocks between are ranked by it. Nothing about the feature's shape or direction is assumed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plimsoll.stats.scoring import auc

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
BINS = 32
LEAST_ROWS, LEAST_EACH = 200, 20
"""Labelled rows, and rows of either class, below which nothing is suspected."""
IMPOSSIBLE, SUSPICIOUS = 0.99, 0.95
"""Of AUC, or of the share of variance explained: from here on evidence is invalid; a person is told."""


class Suspect(NamedTuple):
    """``alone``: what the feature reaches by itself, on blocks it did not learn from: AUC (of the class that it tells
    best), or for a regression the share of variance explained."""

    feature: str
    alone: float


def suspects(
    task: str, X: NDArray[np.float32], names: tuple[str, ...], labels: Floats, blocks: Codes, categories: frozenset[str]
) -> list[Suspect]:
    """The features that reach ``SUSPICIOUS`` by themselves, the best first."""
    known = ~np.isnan(labels)
    X, y, half = X[known], labels[known], blocks[known] % 2 == 0
    if len(y) < LEAST_ROWS or half.all() or not half.any():
        return []
    targets = [y] if task != "multiclass" else [(y == c).astype(np.float64) for c in np.unique(y)]
    found: list[Suspect] = []
    for name, column in zip(names, np.asarray(X, dtype=np.float64).T, strict=True):
        codes = _parts(column, name in categories)
        alone = max((_alone(task, codes, target, half) for target in targets), default=0.0)
        if alone >= SUSPICIOUS:
            found.append(Suspect(name, alone))
    return sorted(found, key=lambda s: -s.alone)


def _parts(column: Floats, category: bool) -> Codes:
    """Each row's part, numbered from zero."""
    if category:
        return np.asarray(np.unique(column, return_inverse=True)[1].reshape(-1))
    there = np.isfinite(column)
    edges = np.unique(np.quantile(column[there], np.arange(1, BINS) / BINS)) if there.any() else np.array([])
    return np.where(there, np.searchsorted(edges, column, side="right"), len(edges) + 1)


def _alone(task: str, codes: Codes, y: Floats, half: NDArray[np.bool_]) -> float:
    """The worse of the two halves: a feature that leaks does so everywhere."""
    return min(_held_out(task, codes, y, half), _held_out(task, codes, y, ~half))


def _held_out(task: str, codes: Codes, y: Floats, learn: NDArray[np.bool_]) -> float:
    count = int(codes.max()) + 1
    n = np.bincount(codes[learn], minlength=count)
    mean = float(y[learn].mean())
    told = (np.bincount(codes[learn], weights=y[learn], minlength=count) + mean) / (n + 1)  # an unseen part: the mean
    said, happened = told[codes[~learn]], y[~learn]
    if task == "regression":
        spread = float(((happened - happened.mean()) ** 2).sum())
        return 1.0 - float(((happened - said) ** 2).sum()) / spread if spread > 0 else 0.0
    positives = int(happened.sum())
    if min(positives, len(happened) - positives) < LEAST_EACH:
        return 0.0
    return float(auc(said, happened))
