"""How each metric is computed from scores and labels, in NumPy. ``metrics`` names them and loads this on first use.

Shapes: a binary score is P(label = 1), shape (n,); a multiclass score is P(class), shape (n, classes), with labels 0
… classes − 1; a regression score is a value. Labels are numbers; NaN is a label that has not come: its row value is
NaN, never a guess.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLIP = 1e-7
"""Probabilities are clipped to [CLIP, 1 − CLIP] before a logarithm: a row's log loss is at most 16.1 nats."""

BINS = 15
"""Calibration error's fixed bins: of equal width over [0, 1], so that counts of blocks, shards and windows add up."""


def log_loss_rows(scores: Any, labels: Any) -> Floats:
    """−ln P(what happened), in nats, per row."""
    return _known(labels, -np.log(np.clip(_chance_of_label(scores, labels), CLIP, 1.0 - CLIP)))


def brier_rows(scores: Any, labels: Any) -> Floats:
    """Squared distance to what happened (Brier 1950): (p − y)² binary, summed over classes otherwise (0–2)."""
    scores, labels = _arrays(scores, labels)
    if scores.ndim == 1:
        return np.asarray((scores - labels) ** 2)
    happened = np.zeros_like(scores)
    happened[np.arange(len(labels)), _classes(labels)] = 1.0
    return _known(labels, ((scores - happened) ** 2).sum(axis=1))


def accuracy_rows(scores: Any, labels: Any) -> Floats:
    """1 where the likeliest class (binary: 1 from P ≥ ½ on) is the label, else 0."""
    scores, labels = _arrays(scores, labels)
    said = (scores >= 0.5).astype(np.float64) if scores.ndim == 1 else scores.argmax(axis=1)
    return _known(labels, (said == labels).astype(np.float64))


def absolute_error_rows(scores: Any, labels: Any) -> Floats:
    """|value − label|, in the label's unit."""
    scores, labels = _arrays(scores, labels)
    return np.asarray(np.abs(scores - labels))


def rmse(scores: Any, labels: Any) -> float:
    """The root of the mean squared error, in the label's unit. NaN without rows."""
    scores, labels = _arrays(scores, labels)
    return float(np.sqrt(np.mean((scores - labels) ** 2))) if len(labels) else float("nan")


def auc(scores: Any, labels: Any) -> float:
    """The chance that a positive scores above a negative, ties counted half. NaN if one class is missing.

    The rank-sum form (Hanley & McNeil 1982); exact, O(n log n).
    """
    scores, labels = _arrays(scores, labels)
    positive = labels == 1.0
    positives = int(positive.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    rank_sum = float(midranks(scores)[positive].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def midranks(values: Floats) -> Floats:
    """Ranks from 1, equal values sharing the mean of theirs."""
    order = np.argsort(values, kind="stable")
    sorted_values = values[order]
    starts = np.flatnonzero(np.concatenate(([True], sorted_values[1:] != sorted_values[:-1])))
    ends = np.append(starts[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + ends + 1) / 2, ends - starts)
    return ranks


def calibration_error(scores: Any, labels: Any) -> float:
    """How far stated and observed frequency lie apart: root mean square over 15 fixed bins, debiased. 0–1.

    A bin's squared gap is too large by the noise of its observed rate even for a perfect model; that noise, ȳ(1 −
    ȳ)/(n − 1), is taken off (Kumar, Liang & Ma 2019, *Verified Uncertainty Calibration*), so a small slice is not
    called miscalibrated for being small. Bins of one row say nothing and are left out. NaN without rows.
    """
    scores, labels = _arrays(scores, labels)
    bins = score_bins(scores)
    count = np.bincount(bins, minlength=BINS)
    said = np.bincount(bins, weights=scores, minlength=BINS)
    happened = np.bincount(bins, weights=labels, minlength=BINS)
    return float(binned_calibration_error(count, said, happened))


def score_bins(scores: Floats) -> NDArray[np.int64]:
    """Which of the fixed bins each score lies in."""
    return np.clip((scores * BINS).astype(np.int64), 0, BINS - 1)


def binned_calibration_error(count: Any, said: Any, happened: Any) -> Floats:
    """``calibration_error`` from per-bin counts and sums (bins on the last axis), which add up over blocks."""
    usable = np.where(count > 1, count, 0)
    n = np.maximum(usable, 2)
    rate = np.asarray(happened) / n
    gap = np.asarray(said) / n - rate
    squared = np.where(usable > 0, gap**2 - rate * (1.0 - rate) / (n - 1), 0.0)
    total = usable.sum(axis=-1)
    mean = (usable * squared).sum(axis=-1) / np.maximum(total, 1)
    return np.where(total > 0, np.sqrt(np.maximum(mean, 0.0)), np.nan)


def _arrays(scores: Any, labels: Any) -> tuple[Floats, Floats]:
    return np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)


def _chance_of_label(scores: Any, labels: Any) -> Floats:
    scores, labels = _arrays(scores, labels)
    if scores.ndim == 1:
        return np.asarray(np.where(labels == 1.0, scores, 1.0 - scores))
    return np.asarray(scores[np.arange(len(labels)), _classes(labels)])


def _classes(labels: Floats) -> NDArray[np.int64]:
    return np.where(np.isnan(labels), 0.0, labels).astype(np.int64)


def _known(labels: Any, values: Any) -> Floats:
    """``values``, NaN where the label is."""
    return np.where(np.isnan(np.asarray(labels, dtype=np.float64)), np.nan, values)
