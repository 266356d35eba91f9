"""What quality is expected to be before the labels come: confidence-based, corrected by how wrong that was before.

A classifier that is calibrated says how often it is right: a row with probability p is worth p · loss if positive and (1 − p) ·
loss if not. So its expected log loss, Brier score or accuracy on rows without labels is a mean over what it said (CBPE: Kivimäki
et al. 2024, *Confidence-based Estimators for Predictive Performance in Model Monitoring*, arXiv 2407.08649). Scores are
calibrated first, by isotonic regression on labelled rows of the past (Zadrozny & Elkan 2002, KDD).

It sees a shift of what is asked, and is blind to a change of what happens for the same question: then the scores lie, and the
estimate with them. How far it was off on past blocks, whose labels came, is its error: their mean corrects it and their spread
bounds it. It explains and warns; nothing is judged by it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.stats.dependence import inflation
from plimsoll.stats.interval import Interval, check_alpha
from plimsoll.stats.metric import Metric
from plimsoll.stats.special import t_quantile

Floats = NDArray[np.float64]
FEWEST_BLOCKS = 5
"""Past blocks with labels, without which nothing bounds the estimate."""


class Isotonic:
    """A score's probability by isotonic regression (pool adjacent violators; Ayer et al. 1955), linear between knots."""

    def __init__(self, scores: Any, labels: Any) -> None:
        s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
        known = np.isfinite(s) & np.isfinite(y)
        if not known.any():
            raise UsageError("there is no labelled row to calibrate scores by")
        at, place = np.unique(s[known], return_inverse=True)
        weight = np.bincount(place.reshape(-1)).astype(np.float64)
        self._at = at
        self._value = _pooled(np.bincount(place.reshape(-1), weights=y[known]) / weight, weight)

    def __call__(self, scores: Any) -> Floats:
        """Probabilities, in [0, 1]; beyond the scores seen, those of the nearest."""
        return np.asarray(np.interp(np.asarray(scores, dtype=np.float64), self._at, self._value))


def _pooled(values: Floats, weights: Floats) -> Floats:
    """The nearest non-decreasing values, in weighted least squares. Linear in their number."""
    means: list[float] = []
    sizes: list[float] = []
    counts: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, size, count = value, weight, 1
        while means and means[-1] >= mean:
            before, of, n = means.pop(), sizes.pop(), counts.pop()
            mean, size, count = (before * of + mean * size) / (of + size), of + size, n + count
        means.append(mean)
        sizes.append(size)
        counts.append(count)
    return np.repeat(means, counts)


def calibrated(scores: Any, past_scores: Any, past_labels: Any) -> Floats:
    """(n, classes) probabilities of ``scores``: (n,) of the positive class, or (n, classes). A class is calibrated against
    all others, and a row's classes sum to one."""
    s, past, y = (np.asarray(v, dtype=np.float64) for v in (scores, past_scores, past_labels))
    if s.ndim == 1:
        p = Isotonic(past, y)(s)
        return np.stack([1.0 - p, p], axis=1)
    columns = [Isotonic(past[:, k], np.where(np.isnan(y), np.nan, y == k))(s[:, k]) for k in range(s.shape[1])]
    made = np.clip(np.stack(columns, axis=1), 1e-12, None)
    return np.asarray(made / made.sum(axis=1, keepdims=True))


def expected_rows(metric: Metric, scores: Any, probabilities: Any) -> Floats:
    """Each row's metric, expected over its label: a mean over classes. Raises UsageError for a metric of all rows at once."""
    if metric.rows is None:
        raise UsageError(f"{metric.name} is no mean over rows: it has no expectation row by row")
    s, p = np.asarray(scores, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    found = np.zeros(len(s))
    for k in range(p.shape[1]):
        found += p[:, k] * metric.rows(s, np.full(len(s), float(k)))
    return found


def expected_auc(scores: Any, probabilities: Any) -> float:
    """AUC where each row is a positive with its probability and a negative with the rest; ties count half. NaN for none."""
    s, p = np.asarray(scores, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    _, place = np.unique(s, return_inverse=True)
    positive = np.bincount(place.reshape(-1), weights=p)
    negative = np.bincount(place.reshape(-1), weights=1.0 - p)
    pairs = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative
    return float((positive * (below + 0.5 * negative)).sum() / pairs) if pairs > 0 else math.nan


def expected_confusion(called: Any, probabilities: Any) -> tuple[float, float, float, float]:
    """Expected true positives, false positives, false negatives, true negatives of a binary call."""
    hit, p = np.asarray(called, dtype=bool), np.asarray(probabilities, dtype=np.float64)
    return float(p[hit].sum()), float((1 - p[hit]).sum()), float(p[~hit].sum()), float((1 - p[~hit]).sum())


def corrected(
    expected: Sequence[float], past_expected: Sequence[float], past_realised: Sequence[float], *, alpha: float = 0.05
) -> Interval:
    """The mean of blocks that have no labels yet: what is ``expected`` of them, moved by how far past blocks turned out from
    what had been expected, and bounded by how much that varied (a t prediction interval, widened for dependence).

    It holds as far as the world drifts no faster than it did over those blocks. Infinite bounds with fewer than
    FEWEST_BLOCKS of them; NaN with no block to say anything of.
    """
    check_alpha(alpha_low=alpha / 2, alpha_high=alpha / 2)
    if len(past_expected) != len(past_realised):
        raise UsageError(
            f"{len(past_expected)} past expectations and {len(past_realised)} outcomes: one of each a block"
        )
    m, k = len(expected), len(past_expected)
    off = [r - e for r, e in zip(past_realised, past_expected, strict=True)]
    shift = math.fsum(off) / k if k else 0.0
    estimate = math.fsum(expected) / m + shift if m else math.nan
    if not m or k < FEWEST_BLOCKS:
        return Interval(estimate, -math.inf, math.inf, "confidence-based", m)
    widening, _ = inflation(off)
    variance = math.fsum((x - shift) ** 2 for x in off) / (k - 1)
    reach = t_quantile(1.0 - alpha / 2, k - 1) * math.sqrt(variance * widening * (1.0 / m + 1.0 / k))
    return Interval(estimate, estimate - reach, estimate + reach, "confidence-based", m)
