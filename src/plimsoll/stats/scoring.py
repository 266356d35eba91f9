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


def top_3_accuracy_rows(scores: Any, labels: Any) -> Floats:
    """1 where fewer than three classes are likelier than the label's; of equals the first counts as likelier, so that
    a constant score is not right about everything."""
    scores, labels = _arrays(scores, labels)
    place = _classes(labels)[:, None]
    own = np.take_along_axis(scores, place, axis=1)
    ahead = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < place))
    return _known(labels, (ahead.sum(axis=1) < 3).astype(np.float64))


def absolute_error_rows(scores: Any, labels: Any) -> Floats:
    """|value − label|, in the label's unit."""
    scores, labels = _arrays(scores, labels)
    return np.asarray(np.abs(scores - labels))


def pinball_p10_rows(scores: Any, labels: Any) -> Floats:
    """The pinball loss of the 10 % quantile, in the label's unit, per row."""
    return pinball_rows(scores, labels, 0.1)


def pinball_p50_rows(scores: Any, labels: Any) -> Floats:
    """The pinball loss of the median: half the absolute error."""
    return pinball_rows(scores, labels, 0.5)


def pinball_p90_rows(scores: Any, labels: Any) -> Floats:
    """The pinball loss of the 90 % quantile, in the label's unit, per row."""
    return pinball_rows(scores, labels, 0.9)


def pinball_rows(scores: Any, labels: Any, quantile: float) -> Floats:
    """q(y − s) where the label is above the score, else (1 − q)(s − y) (Koenker & Bassett 1978)."""
    scores, labels = _arrays(scores, labels)
    return np.asarray(np.maximum(quantile * (labels - scores), (1.0 - quantile) * (scores - labels)))


def median_absolute_error(scores: Any, labels: Any) -> float:
    """The median of |value − label|, in the label's unit. NaN without rows."""
    scores, labels = _arrays(scores, labels)
    return float(np.median(np.abs(scores - labels))) if len(labels) else float("nan")


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


def auc_ovr(scores: Any, labels: Any) -> float:
    """The mean over classes of the AUC of a class against the rest. NaN if a class is missing."""
    scores, labels = _arrays(scores, labels)
    return float(np.mean([auc(scores[:, c], labels == c) for c in range(scores.shape[1])]))


def average_precision(scores: Any, labels: Any) -> float:
    """Σ (Rₖ − Rₖ₋₁)·Pₖ over the distinct scores from above: rows of one score are called together. NaN without positives.

    Steps, not trapezoids: a straight line between two points of a precision-recall curve cannot be reached (Davis &
    Goadrich 2006).
    """
    scores, labels = _arrays(scores, labels)
    order = np.argsort(-scores, kind="stable")
    happened = np.cumsum(labels[order] == 1.0)
    if not len(happened) or not happened[-1]:
        return float("nan")
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    steps = np.diff(happened[last], prepend=0) / happened[-1]
    return float((steps * happened[last] / (last + 1)).sum())


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
