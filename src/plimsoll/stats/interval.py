"""Intervals at one fixed look: what a gate may say from the blocks that it has.

Each bound is one-sided and has its own error: P(true < low) ≤ ``alpha_low``, P(true > high) ≤ ``alpha_high``. They
are for a single look at a size chosen beforehand; whoever looks again as blocks come in needs ``sequence``.

Student's t on block means, not a bootstrap of blocks: a percentile bootstrap of seven blocks covers 82–89 % where 95
% is promised; what the t covers stands in ``benchmarks/coverage.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from plimsoll.errors import UsageError
from plimsoll.stats.dependence import ONE_LOOK
from plimsoll.stats.special import beta_quantile, t_quantile
from plimsoll.stats.summary import Summary, summarise

ENOUGH_EQUAL = 7
"""From how many equal block values on a quantity is believed to be a constant."""
FEW = 10
"""Below so many blocks two degrees of freedom are taken off: without, seven skewed blocks cover in 92.5 % instead of 95
(``benchmarks/coverage.py``), since a tail that has not been seen yet is in neither the mean nor the spread."""


class Interval(msgspec.Struct, frozen=True):
    """Where a quantity lies. ``n`` counts blocks (or events, for a rate); ``estimate`` is NaN with none.

    ``low`` and ``high`` are infinite while there is too little to say. A ``problem`` that is not empty makes the
    interval inadmissible, however narrow it looks.
    """

    estimate: float
    low: float
    high: float
    method: str
    n: int
    problem: str = ""


def t_interval(values: Sequence[float], *, alpha_low: float, alpha_high: float) -> Interval:
    """Student's t on block means, widened for the dependence of neighbouring blocks (``dependence``) and, on the side
    that the values lean to, for their skewness (``Summary.lean``).

    Blocks count alike, whatever their size. Fewer than four say nothing, and fewer than ten have less than their t. Equal
    values have no spread to judge by: fewer than seven of them leave the bounds open, since three equal days show no more
    than three days; from seven on the quantity is taken for the constant it looks like (two releases that answer alike
    differ by exactly zero).
    """
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    summary = summarise(values, doubt=ONE_LOOK)
    if not summary.usable:
        return settled(summary, "student-t")
    df = summary.n - 1 if summary.n >= FEW else summary.n - 3
    if df < 1:
        return Interval(summary.mean, -math.inf, math.inf, "student-t", summary.n, summary.problem)
    low_t, high_t = (t_quantile(1.0 - alpha, df) for alpha in (alpha_low, alpha_high))
    return around(summary, "student-t", below=low_t + summary.lean(-1, low_t), above=high_t + summary.lean(1, high_t))


def exact_rate(hits: int, n: int, *, alpha_low: float, alpha_high: float) -> Interval:
    """Clopper & Pearson 1934: exact for independent events, at any number of them, zero hits included."""
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    check_counts(hits, n)
    if n == 0:
        return Interval(math.nan, 0.0, 1.0, "clopper-pearson", 0)
    low = beta_quantile(alpha_low, hits, n - hits + 1) if hits else 0.0
    high = beta_quantile(1.0 - alpha_high, hits + 1, n - hits) if hits < n else 1.0
    return Interval(hits / n, low, high, "clopper-pearson", n)


def settled(summary: Summary, method: str) -> Interval:
    """The interval where there is no spread to compute one from: a point for a constant, else the whole line."""
    if summary.constant and summary.n >= ENOUGH_EQUAL:
        return Interval(summary.mean, summary.mean, summary.mean, method, summary.n)
    return Interval(summary.mean, -math.inf, math.inf, method, summary.n, summary.problem)


def around(summary: Summary, method: str, *, below: float, above: float) -> Interval:
    """The interval from ``below`` to ``above`` standard errors around the mean."""
    return Interval(
        estimate=summary.mean,
        low=summary.mean - summary.error * below if math.isfinite(below) else -math.inf,
        high=summary.mean + summary.error * above if math.isfinite(above) else math.inf,
        method=method,
        n=summary.n,
        problem=summary.problem,
    )


def check_alpha(*, alpha_low: float, alpha_high: float) -> None:
    """Raises UsageError unless both errors are usable."""
    for name, alpha in (("alpha_low", alpha_low), ("alpha_high", alpha_high)):
        if not 0.0 < alpha < 0.5:
            raise UsageError(f"{name}={alpha!r}: the error of one bound lies between 0 and ½", hint="0.05 is the usual")


def check_counts(hits: int, n: int) -> None:
    """Raises UsageError unless 0 ≤ hits ≤ n."""
    if not 0 <= hits <= n:
        raise UsageError(f"{hits} hits of {n} events cannot be: hits lie between 0 and the number of events")
