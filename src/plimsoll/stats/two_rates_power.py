"""What a comparison of two rates can see: the chance that ``difference_sequence`` has decided after n events of each.

Both releases answer the same requests, and what they have in common is not known beforehand: here they err independently,
which spreads their difference most. For a number of errors of the champion the region that decides is found with the
sequence's own evidence; between a few of these numbers it is taken as straight, and the binomial does the rest. One look at n,
without the luck of earlier ones (``power``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

from plimsoll.stats.power import binomial_cdf, check_rates
from plimsoll.stats.special import normal_quantile
from plimsoll.stats.two_rates import Arm, log_evidence_above

Decided = Literal["within", "either_way", "beyond"]
"""Shown to be worse by less than the limit; to lie within it on both sides; to be worse by more."""
_KNOTS = (0.01, 0.5, 0.99)
_POINTS = 21


def power_of_difference(*, n: int, ours: float, theirs: float, limit: float, alpha: float, decided: Decided) -> float:
    """The chance that after ``n`` events of each it is shown at error ``alpha`` how our rate less theirs lies to ``limit``.

    ``ours`` and ``theirs`` are the true rates, ``limit`` lies between −1 and 1. Costs some 30 evaluations of the evidence, 40 ms.
    """
    check_rates(limit=0.5, rate=ours)
    check_rates(limit=0.5, rate=theirs)
    if n == 0:
        return 0.0
    knots = sorted({_quantile(n, theirs, q) for q in _KNOTS})
    if decided == "beyond":
        edges = [_most(n, k, ours, lambda h, k: not _above(n, h, k, limit, alpha)) for k in knots]
        return 1.0 - _mean(n, theirs, lambda k: binomial_cdf(_between(knots, edges, k), n, ours))
    edges = [_most(n, k, ours, lambda h, k: _above(n, k, h, -limit, alpha)) for k in knots]
    inside = _mean(n, theirs, lambda k: binomial_cdf(_between(knots, edges, k), n, ours))
    if decided == "within":
        return inside
    floors = [_most(n, k, ours, lambda h, k: not _above(n, h, k, -limit, alpha)) for k in knots]
    return max(0.0, inside - _mean(n, theirs, lambda k: binomial_cdf(_between(knots, floors, k), n, ours)))


def _above(n: int, ours: int, theirs: int, difference: float, alpha: float) -> bool:
    """Whether "the first rate is at most the second plus ``difference``" is excluded."""
    evidence = log_evidence_above(Arm(ours, n), Arm(theirs, n), difference, paired=True)
    return evidence >= -math.log(alpha)


def _most(n: int, theirs: int, ours: float, holds: Callable[[int, int], bool]) -> int:
    """The most of our errors beside ``theirs`` for which it ``holds``; −1 if it does for none. Sought within what our rate
    can bring: beyond it nothing is added."""
    reach = 4.5 * math.sqrt(n * ours * (1.0 - ours)) + 3.0
    low, high = max(0, math.floor(n * ours - reach) - 1), min(n + 1, math.ceil(n * ours + reach) + 1)
    if not holds(low, theirs):
        return -1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle, theirs) else (low, middle)
    return low


def _quantile(n: int, rate: float, q: float) -> int:
    """Of the binomial, by the normal: where to stand, not how likely it is."""
    return min(n, max(0, round(n * rate + normal_quantile(q) * math.sqrt(n * rate * (1.0 - rate)))))


def _mean(n: int, rate: float, of: Callable[[int], float]) -> float:
    """The mean of ``of`` the champion's errors: over strata of equal chance."""
    points = [_quantile(n, rate, (i + 0.5) / _POINTS) for i in range(_POINTS)]
    return math.fsum(map(of, points)) / _POINTS


def _between(knots: list[int], values: list[int], at: int) -> int:
    """Straight between the knots, and flat outside them."""
    for (a, b), (x, y) in zip(pairwise(knots), pairwise(values), strict=True):
        if at <= b:
            return round(x + (y - x) * max(0.0, (at - a) / (b - a)))
    return values[-1]
