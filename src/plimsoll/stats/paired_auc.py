"""DeLong's interval of an AUC, and of the difference between two on the same rows; also where rows come in clusters.

An AUC is a mean of placements: for a positive the share of negatives below it, for a negative the share of positives above
it (DeLong, DeLong & Clarke-Pearson 1988, *Biometrics* 44:837), which one sort gives for all rows (Sun & Xu 2014, *IEEE
Signal Process. Lett.* 21:1389). Where rows of a day or a user resemble each other, their placements are summed by cluster
(Obuchowski 1997, *Biometrics* 53:567), and Student's t with as many degrees of freedom as there are clusters, less one,
takes the place of the normal. No dependence between clusters is allowed for: a verdict's ``t_interval`` does that.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.stats import wins
from plimsoll.stats.interval import Interval, check_alpha
from plimsoll.stats.resample import check_lengths, placed
from plimsoll.stats.special import normal_quantile, t_quantile

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def delong(
    scores: Any,
    labels: Any,
    *,
    against: Any = None,
    clusters: Any = None,
    alpha_low: float = 0.025,
    alpha_high: float = 0.025,
) -> Interval:
    """The AUC of ``scores``, or with ``against`` AUC(scores) − AUC(against), paired; O(n log n).

    Rows without a label (NaN) are left out. ``clusters``: each row's block; without it rows count as independent. Bounds
    are infinite where there are fewer than two positives or negatives (or clusters with them); the estimate is NaN where
    a class is missing. Raises UsageError for rows that do not fit together, or a label that is neither 0 nor 1.
    """
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    ids = np.arange(len(y)) if clusters is None else np.asarray(clusters)
    other = None if against is None else np.asarray(against, dtype=np.float64)
    check_lengths(s, y, ids, other)
    known = ~np.isnan(y)
    if not np.isin(y[known], (0.0, 1.0)).all():
        raise UsageError("an AUC has the labels 0 and 1 (NaN where one has not come)")
    positive = y[known] == 1.0
    parts = _placements(s[known], positive)
    if other is not None:
        parts = parts - _placements(other[known], positive)
    method = "delong" if clusters is None else "obuchowski"
    if not positive.any() or positive.all():
        return Interval(math.nan, -math.inf, math.inf, method, 0, "a class is missing")
    estimate = float(parts[positive].mean())
    if clusters is None:
        variance, n = _independent(parts, positive), len(parts)
        low_z, high_z = (normal_quantile(1.0 - a) for a in (alpha_low, alpha_high))
    else:
        names, codes, _ = placed(ids[known])
        variance, n = _clustered(parts, positive, codes, len(names), estimate), len(names)
        low_z, high_z = (t_quantile(1.0 - a, max(n - 1, 1)) for a in (alpha_low, alpha_high))
    if not math.isfinite(variance):
        return Interval(estimate, -math.inf, math.inf, method, n)
    error = math.sqrt(max(variance, 0.0))
    return Interval(estimate, estimate - low_z * error, estimate + high_z * error, method, n)


def _placements(scores: Floats, positive: NDArray[np.bool_]) -> Floats:
    """Each row's share of the other class that it is on the right side of, in the rows' order."""
    found = wins.wins(scores, positive, np.zeros(len(scores), dtype=np.int64))
    placed_ = np.empty(len(scores))
    placed_[found.order] = found.wins
    ups = int(positive.sum())
    return placed_ / np.maximum(np.where(positive, len(scores) - ups, ups), 1)


def _independent(parts: Floats, positive: NDArray[np.bool_]) -> float:
    """The variances of the two classes' mean placements, added."""
    if min(positive.sum(), (~positive).sum()) < 2:
        return math.inf
    return float(sum(parts[of].var(ddof=1) / of.sum() for of in (positive, ~positive)))


def _clustered(parts: Floats, positive: NDArray[np.bool_], codes: Codes, count: int, auc: float) -> float:
    """Obuchowski's equations 2 to 5: within the positives, within the negatives, and between the two of one cluster."""
    ups, downs = (np.bincount(codes[of], minlength=count) for of in (positive, ~positive))
    both = [np.bincount(codes[of], weights=parts[of] - auc, minlength=count) for of in (positive, ~positive)]
    there = [int((n > 0).sum()) for n in (ups, downs)]
    if min(there) < 2:
        return math.inf
    own = (k / (k - 1) * (d @ d) / n.sum() ** 2 for k, d, n in zip(there, both, (ups, downs), strict=True))
    return float(sum(own) + 2.0 * count / (count - 1) * (both[0] @ both[1]) / (ups.sum() * downs.sum()))
