"""Confidence sequences: intervals that stay right however often one looks, so a rollout may stop when it knows.

P(the true value is ever below ``low``) ≤ ``alpha_low`` over all looks together, and so for ``high``. A plain interval
looked at after every block is wrong several times as often as it says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from plimsoll.stats.interval import Interval, around, check_alpha, settled
from plimsoll.stats.summary import Summary, summarise

START = 10
"""The block at which ``mean_sequence`` begins to speak. Earlier, a skewed stream can look certain by chance."""


def mean_sequence(
    values: Sequence[float], *, alpha_low: float, alpha_high: float, planned: int = 20, hidden: float = 0.0
) -> Interval:
    """A confidence sequence for the mean of block values with unknown variance.

    The t-mixture of Lai 1976 (*Ann. Statist.* 4), as an e-process in Wang & Ramdas 2024 (*Anytime-valid t-tests and
    confidence sequences for Gaussian means with unknown variance*): with an N(0, g) prior on the effect in standard
    deviations, t = √n (mean − μ)/s and v = n − 1,

        E(μ) = (1 + ng)^(−1/2) · [(1 + t²/v) / (1 + t²/((1 + ng) v))]^((v + 1)/2),

    and μ is excluded on a side once E(μ) ≥ 1/(2α): the prior is symmetric, so each side has half of the two-sided
    error. g makes the sequence narrowest at ``planned`` blocks; it must not change from look to look. The variance is
    widened for dependence, and a bound moves out where the values lean to its side (``lean_weight``). Independent
    Gaussian blocks are covered by theory; what holds for skewed and dependent ones is measured in
    ``benchmarks/sequences.py``. Bounds are infinite before block 10, and while E cannot reach 1/(2α). ``hidden``: a variance of
    the mean that comes on top of what the values show (``two_arms``).
    """
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    summary = msgspec.structs.replace(summarise(values), hidden=hidden)
    if not summary.usable:
        return settled(summary, "t-mixture")
    return around(
        summary,
        "t-mixture",
        below=_reach(summary, -1, alpha_low, planned),
        above=_reach(summary, 1, alpha_high, planned),
    )


def _reach(summary: Summary, sign: int, alpha: float, planned: int) -> float:
    """How many standard errors out a bound lies: the mixture's, and more on the side that they lean to."""
    critical = critical_t(summary.n, alpha, planned)
    return critical + lean_weight(alpha) * summary.lean(sign, critical)


def lean_weight(alpha: float) -> float:
    """How many times the first-order correction for skewness a sequence takes: 2 at 5 %, 2.9 at 1.25 %.

    One look needs it once. A sequence stops at the luckiest of many looks, further out in the tail, on a skewness
    that few blocks understate. The weight was found by simulation: with it, streams of skewness up to 2 keep their
    promise at 5 %, also with an autocorrelation of 0.15.
    """
    return (2.0 / 3.0) * math.log(1.0 / alpha)


@lru_cache(maxsize=8192)
def critical_t(n: int, alpha: float, planned: int) -> float:
    """How many standard errors the one-sided bound lies from the mean after ``n`` blocks; infinite before START."""
    return math.inf if n < START else _radius(n, _prior_scale(alpha, planned), alpha)


def _radius(n: int, g: float, alpha: float) -> float:
    """|t| where E = 1/(2α): E's equation solved for t."""
    v, spread = n - 1, 1.0 + n * g
    k = (math.sqrt(spread) / (2.0 * alpha)) ** (2.0 / (v + 1))
    return math.sqrt(v * (k - 1.0) / (1.0 - k / spread)) if k < spread else math.inf


@lru_cache(maxsize=256)
def _prior_scale(alpha: float, planned: int) -> float:
    """The g with the narrowest interval at ``planned`` blocks: a golden-section search on ln g."""
    n = max(planned, START)
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    # The radius is infinite below some g: begin above it, where the function has a single valley.
    low = next(x / 10 for x in range(-80, 60) if math.isfinite(_radius(n, math.exp(x / 10), alpha)))
    high = low + 8.0
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if _radius(n, math.exp(left), alpha) < _radius(n, math.exp(right), alpha):
            high = right
        else:
            low = left
    return math.exp(0.5 * (low + high))
