"""A ratio of sums (clicks per view, cost per answer, errors per request of a user) over blocks, by the delta method.

The rows of a unit are not independent, so a ratio is no mean of rows: it is Σx / Σy over units or blocks, and to first
order R̂ − R is the mean of (xᵇ − R·yᵇ)/ȳ (Cochran 1977, *Sampling Techniques*, ch. 6; Deng, Knoblich & Lu 2018, *Applying
the Delta Method in Metric Analytics*, KDD). These linearised values, one a block, have the ratio itself as their mean; so
``t_interval`` treats them as it treats any block means, dependence and skewness included, and a paired difference of two
ratios is the difference of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from plimsoll.errors import UsageError
from plimsoll.stats.interval import Interval, t_interval


class Totals(NamedTuple):
    """Numerators and denominators, one of each a block."""

    numerators: Sequence[float]
    denominators: Sequence[float]


def ratio_interval(
    of: Totals, *, against: Totals | None = None, alpha_low: float = 0.025, alpha_high: float = 0.025
) -> Interval:
    """Σ numerators / Σ denominators; with ``against`` (of the same blocks) the difference of the two ratios.

    NaN with open bounds and a ``problem`` where the denominators sum to zero. Raises UsageError for a negative one.
    """
    values = linearised(of)
    if against is not None:
        theirs = linearised(against)
        if len(theirs) != len(values):
            raise UsageError(f"there are {len(values)} blocks and {len(theirs)} to compare with: they must be the same")
        values = [a - b for a, b in zip(values, theirs, strict=True)]
    if any(map(math.isnan, values)):
        return Interval(math.nan, -math.inf, math.inf, "delta", len(values), "the denominators sum to zero")
    found = t_interval(values, alpha_low=alpha_low, alpha_high=alpha_high)
    return Interval(found.estimate, found.low, found.high, "delta", found.n, found.problem)


def linearised(of: Totals) -> list[float]:
    """One value a block, whose mean is the ratio and whose spread is the ratio's; NaN where nothing is counted."""
    if len(of.numerators) != len(of.denominators):
        raise UsageError(f"there are {len(of.numerators)} numerators and {len(of.denominators)} denominators")
    if any(d < 0 for d in of.denominators):
        raise UsageError("a denominator is below zero: it counts something")
    total = math.fsum(of.denominators)
    if not total > 0:
        return [math.nan] * len(of.denominators)
    ratio, mean = math.fsum(of.numerators) / total, total / len(of.denominators)
    return [ratio + (x - ratio * y) / mean for x, y in zip(of.numerators, of.denominators, strict=True)]
