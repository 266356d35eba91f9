"""Weighted and stratified means, with intervals over blocks.

Weights say how many rows of the population a row stands for: the mean is Σwv/Σw (Hájek 1971), a ratio over blocks. Strata
have known shares of the population: the mean is Σ Wₕ·ȳₕ with the variance Σ Wₕ²·sₕ²/nₕ, and Satterthwaite's degrees of
freedom (Cochran 1977, *Sampling Techniques*, ch. 5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from plimsoll.errors import UsageError
from plimsoll.stats.interval import Interval, check_alpha
from plimsoll.stats.ratios import Totals, ratio_interval
from plimsoll.stats.resample import placed
from plimsoll.stats.special import t_quantile
from plimsoll.stats.summary import summarise


def weighted_mean(
    values: Any, weights: Any, block_ids: Any, *, alpha_low: float = 0.025, alpha_high: float = 0.025
) -> Interval:
    """Σ weight · value / Σ weight over rows, values NaN (no label) left out; its interval over blocks.

    Weighted to zero, it is NaN with open bounds and a ``problem``. Raises UsageError for a weight that is negative or no
    number.
    """
    v, w, ids = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64), np.asarray(block_ids)
    if len({len(v), len(w), len(ids)}) > 1:
        raise UsageError(f"there are {len(v):,} values, {len(w):,} weights and {len(ids):,} block ids: one each a row")
    if not (np.isfinite(w) & (w >= 0)).all():
        raise UsageError("a weight is below zero or not a finite number: it says how many rows this one stands for")
    known = ~np.isnan(v)
    names, codes, _ = placed(ids[known])
    sums = [np.bincount(codes, weights=x, minlength=len(names)).tolist() for x in (w[known] * v[known], w[known])]
    found = ratio_interval(Totals(*sums), alpha_low=alpha_low, alpha_high=alpha_high)
    problem = "all weights are zero" if math.isnan(found.estimate) else found.problem
    return Interval(found.estimate, found.low, found.high, "weighted", found.n, problem)


def stratified_mean(
    values: Mapping[str, Sequence[float]],
    shares: Mapping[str, float],
    *,
    alpha_low: float = 0.025,
    alpha_high: float = 0.025,
) -> Interval:
    """Block values of each stratum, and each one's share of the population (they are scaled to sum to 1).

    A stratum with a share and fewer than two blocks leaves the bounds open. Raises UsageError where the two name different
    strata, or a share is negative.
    """
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    if set(values) != set(shares):
        differ = ", ".join(sorted(set(values) ^ set(shares)))
        raise UsageError(f"strata with values and strata with a share are not the same: {differ}")
    total = math.fsum(shares.values())
    if not total > 0 or any(s < 0 for s in shares.values()):
        raise UsageError("the strata's shares are not negative, and sum to something")
    seen = {name: (share / total, summarise(values[name])) for name, share in shares.items() if share}
    n = sum(s.n for _, s in seen.values())
    estimate = math.fsum(w * s.mean for w, s in seen.values())
    problem = "; ".join(f"{name}: {s.problem}" for name, (_, s) in seen.items() if s.problem)
    if not all(s.usable for _, s in seen.values()):
        return Interval(estimate, -math.inf, math.inf, "stratified", n, problem)
    variances = [((w * s.error) ** 2, s.n - 1) for w, s in seen.values()]
    variance = math.fsum(v for v, _ in variances)
    df = variance**2 / math.fsum(v * v / k for v, k in variances)
    low, high = (t_quantile(1.0 - a, df) * math.sqrt(variance) for a in (alpha_low, alpha_high))
    return Interval(estimate, estimate - low, estimate + high, "stratified", n, problem)
