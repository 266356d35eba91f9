"""What an interval for a mean needs to know of the block values it comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from plimsoll.stats.dependence import inflation

LARGEST = 1e150
"""A block value beyond this (or one that is infinite, or not a number) is a measuring error."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Moments of block values. ``variance`` is the unbiased one of a value; ``widening`` is the factor for
    dependence; ``hidden`` a variance of the mean that the values cannot show (``two_arms``).

    ``skewness`` is Fisher's G₁, the bias-corrected one; 0 below three values. ``constant`` says that all values are
    equal to 12 digits. Where ``usable`` is false no interval can be computed from spread: fewer than two values, a
    constant, or a value that is not a number (then ``problem`` says so).
    """

    mean: float
    n: int
    variance: float = 0.0
    skewness: float = 0.0
    widening: float = 1.0
    hidden: float = 0.0
    constant: bool = False
    usable: bool = False
    problem: str = ""

    @property
    def error(self) -> float:
        """The standard error of the mean, widened for dependence, and by what is hidden."""
        return math.sqrt(self.variance * self.widening / self.n + self.hidden)

    def lean(self, sign: int, critical: float) -> float:
        """How many standard errors a bound must move out on one side because the values lean to it, ≥ 0.

        A stream with rare bad days looks good until one comes, and its mean is too low just when its spread is too
        small. The first-order correction of a studentised mean is γ(1 + 2t²)/(6√n) (Johnson 1978, *Modified t tests
        and confidence intervals for asymmetrical populations*, JASA 73; Hall 1992). Only ever outwards: a sample that
        leans the other way proves nothing. ``sign`` is +1 for the upper bound, −1 for the lower.
        """
        if not math.isfinite(critical):
            return 0.0
        leaning = max(0.0, sign * self.skewness)
        return leaning * (1.0 + 2.0 * critical * critical) / (6.0 * math.sqrt(self.n))


def summarise(values: Sequence[float], *, doubt: float = 0.0) -> Summary:
    """The moments of block values, in their order (which dependence is judged from; ``doubt`` as in ``inflation``)."""
    n = len(values)
    if n == 0:
        return Summary(mean=math.nan, n=0)
    if not all(abs(v) < LARGEST for v in values):
        return Summary(mean=math.nan, n=n, problem="a block's value is not a usable number")
    mean = math.fsum(values) / n
    spread = max(values) - min(values)
    constant = spread <= 1e-12 * max(abs(v) for v in values)
    if n < 2 or constant:
        return Summary(mean=mean, n=n, constant=constant)
    centred = [(v - mean) / spread for v in values]
    second = math.fsum(c * c for c in centred)
    widening, problem = inflation(values, doubt=doubt)
    return Summary(
        mean=mean,
        n=n,
        variance=spread * spread * second / (n - 1),
        skewness=_skewness(centred),
        widening=widening,
        usable=True,
        problem=problem,
    )


def _skewness(centred: Sequence[float]) -> float:
    """Fisher's G₁ (Joanes & Gill 1998) of values whose mean is zero."""
    n = len(centred)
    if n < 3:
        return 0.0
    second = math.fsum(c * c for c in centred) / n
    third = math.fsum(c * c * c for c in centred) / n
    return third / (second * math.sqrt(second)) * math.sqrt(n * (n - 1)) / (n - 2)
