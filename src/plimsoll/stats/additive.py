"""Sums and histograms of blocks, and the metrics that they are enough for. Counts of answers stand in ``confusion``.

Every function that makes parts takes (scores, labels, codes, count) and gives one row of numbers for each block that
``codes`` names; every value function reads the last axis, so that all blocks, or all blocks but one, are one call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.stats import scoring

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

AUC_BINS = 1024
"""Of equal width over [0, 1]. What they cannot tell apart is bounded: ``binned_auc_error``."""


def totals(values: Any, codes: Any, count: int) -> Floats:
    """(count, 2): how many values there are, and their sum; NaN is none."""
    values = np.asarray(values, dtype=np.float64)
    there = ~np.isnan(values)
    codes = np.asarray(codes)[there]
    sums = [np.bincount(codes, minlength=count), np.bincount(codes, weights=values[there], minlength=count)]
    return np.stack(sums, axis=-1).astype(np.float64)


def mean(parts: Any) -> Floats:
    """The mean of what was summed; NaN of nothing."""
    n, total = np.moveaxis(np.asarray(parts, dtype=np.float64), -1, 0)
    return np.where(n > 0, total / np.maximum(n, 1.0), np.nan)


def root_mean(parts: Any) -> Floats:
    return np.asarray(np.sqrt(mean(parts)))


def squared_errors(scores: Any, labels: Any, codes: Any, count: int) -> Floats:
    return totals((_floats(scores) - _floats(labels)) ** 2, codes, count)


def relative_errors(scores: Any, labels: Any, codes: Any, count: int) -> Floats:
    """|s − y| / |y|. A label of zero has no relative error: the row is left out."""
    s, y = _floats(scores), _floats(labels)
    return totals(np.abs(s - y) / np.where(y == 0.0, np.nan, np.abs(y)), codes, count)


def symmetric_errors(scores: Any, labels: Any, codes: Any, count: int) -> Floats:
    """2·|s − y| / (|s| + |y|); nothing said and nothing happened is no error."""
    s, y = _floats(scores), _floats(labels)
    size = np.abs(s) + np.abs(y)
    return totals(2.0 * np.abs(s - y) / np.where(size == 0.0, 1.0, size), codes, count)


def explained(scores: Any, labels: Any, codes: Any, count: int) -> Floats:
    """(count, 4): rows, the labels' mean, their squared distance from it, the squared errors.

    The distance is taken from each block's own mean: Σy² − (Σy)²/n loses every digit where the mean is large.
    """
    s, y = _floats(scores), _floats(labels)
    known = ~np.isnan(y)
    s, y, codes = s[known], y[known], np.asarray(codes)[known]
    n = np.bincount(codes, minlength=count).astype(np.float64)
    middle = float(y.mean()) if len(y) else 0.0
    means = middle + np.bincount(codes, weights=y - middle, minlength=count) / np.maximum(n, 1.0)
    spread = np.bincount(codes, weights=(y - means[codes]) ** 2, minlength=count)
    return np.stack([n, means, spread, np.bincount(codes, weights=(s - y) ** 2, minlength=count)], axis=-1)


def merge_explained(a: Any, b: Any) -> Floats:
    """Two parts as one (Chan, Golub & LeVeque 1983): the distance between their means is part of the spread."""
    (n, mean_a, spread_a, error_a), (m, mean_b, spread_b, error_b) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    both = np.maximum(n + m, 1.0)
    apart = mean_b - mean_a
    between = apart * apart * n * m / both
    return np.stack([n + m, mean_a + apart * m / both, spread_a + spread_b + between, error_a + error_b], axis=-1)


def r2(parts: Any) -> Floats:
    """1 − squared errors / the labels' squared distance from their mean; NaN where that is nothing but rounding."""
    n, middle, spread, error = np.moveaxis(np.asarray(parts, dtype=np.float64), -1, 0)
    varies = spread > n * (1e-13 * middle) ** 2
    return np.where(varies, 1.0 - error / np.where(varies, spread, 1.0), np.nan)


def calibration_bins(scores: Any, labels: Any, codes: Any, count: int) -> Floats:
    """(count, 3·bins): rows, stated and observed sums in the fixed bins of a binary score."""
    s, y = _floats(scores), _floats(labels)
    return _binned(s, y, codes, count)


def calibration_error(parts: Any) -> Floats:
    return scoring.binned_calibration_error(*_thirds(parts))


def confidence_bins(scores: Any, labels: Any, codes: Any, count: int) -> Floats:
    """As ``calibration_bins``; with more than two classes of the likeliest class, and whether it was right."""
    s, y = _floats(scores), _floats(labels)
    if s.ndim == 1:
        return _binned(s, y, codes, count)
    return _binned(s.max(axis=1), scoring.accuracy_rows(s, y), codes, count)


def expected_calibration_error(parts: Any) -> Floats:
    """Σ |stated − observed| / rows (Naeini, Cooper & Hauskrecht 2015); biased upwards where bins have few rows."""
    n, said, happened = _thirds(parts)
    rows = n.sum(axis=-1)
    return np.where(rows > 0, np.abs(said - happened).sum(axis=-1) / np.maximum(rows, 1.0), np.nan)


def _binned(said: Floats, happened: Floats, codes: Any, count: int) -> Floats:
    known = ~np.isnan(happened)
    said, happened = said[known], happened[known]
    cell = np.asarray(codes)[known] * scoring.BINS + scoring.score_bins(said)
    sums = [np.bincount(cell, weights=w, minlength=count * scoring.BINS) for w in (None, said, happened)]
    return np.concatenate([s.astype(np.float64).reshape(count, scoring.BINS) for s in sums], axis=-1)


def _thirds(parts: Any) -> list[Floats]:
    return np.split(np.asarray(parts, dtype=np.float64), 3, axis=-1)


def score_histogram(scores: Any, labels: Any, codes: Any, count: int) -> Floats:
    """(count, 2·bins): how many negatives, then how many positives, in each of the score's fixed bins."""
    s, y = _floats(scores), _floats(labels)
    known = ~np.isnan(y)
    place = np.clip((s[known] * AUC_BINS).astype(np.int64), 0, AUC_BINS - 1)
    cell = (np.asarray(codes)[known] * 2 + (y[known] == 1.0)) * AUC_BINS + place
    return np.bincount(cell, minlength=count * 2 * AUC_BINS).astype(np.float64).reshape(count, 2 * AUC_BINS)


def binned_auc(parts: Any) -> Floats:
    """AUC with all scores of one bin taken for ties; off by at most ``binned_auc_error``. NaN with a class missing."""
    negatives, positives = np.split(np.asarray(parts, dtype=np.float64), 2, axis=-1)
    below = np.cumsum(negatives, axis=-1) - negatives
    pairs = positives.sum(axis=-1) * negatives.sum(axis=-1)
    won = (positives * (below + 0.5 * negatives)).sum(axis=-1)
    return np.where(pairs > 0, won / np.maximum(pairs, 1.0), np.nan)


def binned_auc_error(parts: Any) -> Floats:
    """The most that ``binned_auc`` can be off: half the share of pairs whose two scores lie in one bin."""
    negatives, positives = np.split(np.asarray(parts, dtype=np.float64), 2, axis=-1)
    pairs = positives.sum(axis=-1) * negatives.sum(axis=-1)
    return np.where(pairs > 0, 0.5 * (positives * negatives).sum(axis=-1) / np.maximum(pairs, 1.0), np.nan)


def _floats(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)
