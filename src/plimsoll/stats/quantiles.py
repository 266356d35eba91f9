"""Quantiles with intervals: of independent values exactly, of values in blocks by what a block has below the quantile.

Independent: order statistics, whose ranks are binomial whatever the distribution (Thompson 1936; David & Nagaraja 2003).
In blocks: the interval of the *share* of values at or below the estimate is turned back into values (Woodruff 1952, *JASA*
47:635); that share is a ratio over blocks, and has the interval of one (``ratios``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plimsoll.errors import UsageError
from plimsoll.stats.interval import Interval, check_alpha
from plimsoll.stats.ratios import Totals, ratio_interval
from plimsoll.stats.resample import placed
from plimsoll.stats.special import beta_cdf


def quantile_interval(
    values: Any, q: float, *, block_ids: Any = None, alpha_low: float = 0.025, alpha_high: float = 0.025
) -> Interval:
    """The value that a share ``q`` of all values does not exceed: the smallest observed one that has as many below it.

    Bounds are infinite where there are too few values (or blocks) for that level: ten say nothing about a p99. Raises
    UsageError unless 0 < q < 1 and all values are numbers.
    """
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    given = np.asarray(values, dtype=np.float64)
    if not 0.0 < q < 1.0:
        raise UsageError(f"q={q!r}: a quantile lies between 0 and 1", hint="p95 is 0.95")
    if np.isnan(given).any():
        raise UsageError("a value is not a number: it has no place among the others")
    if block_ids is not None and len(np.asarray(block_ids)) != len(given):
        raise UsageError("there must be one block id for each value")
    if not len(given):
        return Interval(math.nan, -math.inf, math.inf, "order-statistics", 0)
    ordered = np.sort(given)
    if block_ids is None:
        ranks = _ranks(len(given), q, alpha_low, alpha_high)
        return _between(ordered, q, *ranks, "order-statistics", len(given))
    return _woodruff(given, ordered, q, np.asarray(block_ids), alpha_low, alpha_high)


def _ranks(n: int, q: float, alpha_low: float, alpha_high: float) -> tuple[int, int]:
    """(l, u), from 1; 0 and n + 1 stand for infinity. P(ξ < X₍ₗ₎) ≤ P(Bin(n, q) ≤ l − 1), P(ξ > X₍ᵤ₎) ≤ P(Bin ≥ u)."""
    low = _last(0, n, lambda rank: rank == 0 or _at_most(rank - 1, n, q) <= alpha_low)
    high = _last(0, n, lambda back: back == 0 or 1.0 - _at_most(n - back, n, q) <= alpha_high)
    return low, n + 1 - high


def _at_most(k: int, n: int, q: float) -> float:
    """P(Bin(n, q) ≤ k)."""
    return 1.0 if k >= n else beta_cdf(1.0 - q, n - k, k + 1)


def _last(first: int, last: int, holds: Any) -> int:
    """The last of these for which it holds; it holds up to there."""
    while first < last:
        middle = (first + last + 1) // 2
        first, last = (middle, last) if holds(middle) else (first, middle - 1)
    return first


def _between(ordered: Any, q: float, low: int, high: int, method: str, n: int, problem: str = "") -> Interval:
    count = len(ordered)
    return Interval(
        float(ordered[max(1, math.ceil(q * count - 1e-9)) - 1]),
        float(ordered[low - 1]) if low >= 1 else -math.inf,
        float(ordered[high - 1]) if high <= count else math.inf,
        method,
        n,
        problem,
    )


def _woodruff(given: Any, ordered: Any, q: float, ids: Any, alpha_low: float, alpha_high: float) -> Interval:
    names, codes, sizes = placed(ids)
    count = len(ordered)
    at = ordered[max(1, math.ceil(q * count - 1e-9)) - 1]
    below = np.bincount(codes[given <= at], minlength=len(names))
    share = ratio_interval(Totals(below.tolist(), sizes.tolist()), alpha_low=alpha_high, alpha_high=alpha_low)
    if math.isinf(share.low) or math.isinf(share.high):
        return Interval(float(at), -math.inf, math.inf, "woodruff", len(names), share.problem)
    down, up = share.high - share.estimate, share.estimate - share.low
    low, high = math.floor((q - down) * count), math.ceil((q + up) * count)
    return _between(ordered, q, low, high, "woodruff", len(names), share.problem)
