"""Metrics of a confusion matrix, from its counts alone: they add up over blocks, shards and windows exactly.

A block's numbers are the matrix, row after row: ``matrix[label, said]``. Binary calls positive from probability ½ on;
with more classes the likeliest is said, the first of equals. NaN is a share of nothing, never a zero that looks measured.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def counts(scores: Any, labels: Any, codes: Any, count: int) -> Floats:
    """(count, classes²): how often each label met each answer, by block; rows without a label left out."""
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    known = ~np.isnan(labels)
    scores, codes = scores[known], np.asarray(codes)[known]
    classes = 2 if scores.ndim == 1 else scores.shape[1]
    said = (scores >= 0.5).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
    cell = (codes * classes + labels[known].astype(np.int64)) * classes + said
    return np.bincount(cell, minlength=count * classes**2).astype(np.float64).reshape(count, classes**2)


def precision(parts: Any) -> Floats:
    m = _matrix(parts)
    return _share(m[..., 1, 1], m[..., :, 1].sum(axis=-1))


def recall(parts: Any) -> Floats:
    m = _matrix(parts)
    return _share(m[..., 1, 1], m[..., 1, :].sum(axis=-1))


def specificity(parts: Any) -> Floats:
    m = _matrix(parts)
    return _share(m[..., 0, 0], m[..., 0, :].sum(axis=-1))


def f1(parts: Any) -> Floats:
    """2·TP / (2·TP + FP + FN), of class 1."""
    right, happened, said = _margins(parts)
    return _share(2.0 * right, happened + said)[..., 1]


def f1_macro(parts: Any) -> Floats:
    """The mean over classes that are, or are said."""
    right, happened, said = _margins(parts)
    return _mean_where(_share(2.0 * right, happened + said), happened + said > 0)


def f1_micro(parts: Any) -> Floats:
    right, happened, _ = _margins(parts)
    return _share(right.sum(axis=-1), happened.sum(axis=-1))


def f1_weighted(parts: Any) -> Floats:
    right, happened, said = _margins(parts)
    each = np.nan_to_num(_share(2.0 * right, happened + said))
    return _share((happened * each).sum(axis=-1), happened.sum(axis=-1))


def balanced_accuracy(parts: Any) -> Floats:
    right, happened, _ = _margins(parts)
    return _mean_where(_share(right, happened), happened > 0)


def mcc(parts: Any) -> Floats:
    """The R_K of Gorodkin (2004), which is Matthews' φ for two classes. 0 where label or answer is constant."""
    right, happened, said = _margins(parts)
    n = happened.sum(axis=-1)
    covariance = right.sum(axis=-1) * n - (happened * said).sum(axis=-1)
    spread = np.sqrt(n * n - (happened**2).sum(axis=-1)) * np.sqrt(n * n - (said**2).sum(axis=-1))
    return np.where(n > 0, np.nan_to_num(_share(covariance, spread)), np.nan)


def _matrix(parts: Any) -> Floats:
    parts = np.asarray(parts, dtype=np.float64)
    classes = math.isqrt(parts.shape[-1])
    return np.asarray(parts.reshape(*parts.shape[:-1], classes, classes))


def _margins(parts: Any) -> tuple[Floats, Floats, Floats]:
    """By class: how often it was said rightly, was the label, was said."""
    m = _matrix(parts)
    return np.diagonal(m, axis1=-2, axis2=-1), m.sum(axis=-1), m.sum(axis=-2)


def _share(part: Floats, of: Floats) -> Floats:
    """``part / of``; NaN of nothing."""
    return np.where(of > 0, part / np.where(of > 0, of, 1.0), np.nan)


def _mean_where(values: Floats, there: NDArray[np.bool_]) -> Floats:
    """The mean over the last axis of the values that are there."""
    return _share(np.where(there, values, 0.0).sum(axis=-1), there.sum(axis=-1).astype(np.float64))
