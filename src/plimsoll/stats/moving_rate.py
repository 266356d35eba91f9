"""A rate whose level moves from block to block: what may be said of its mean, at any time.

The bets of ``betting`` take events as independent given the past. A rate that is at its limit on average, and moves by a
half from day to day, *is* above its limit on half of the days, and such bets say so. Here each block has a level of its own,
around one mean, and the bets are against that mean. Two kinds of them share the capital:

**At once.** How much a level moves is not known while the first block is open, and nothing but a bound on it can tell a
fault from a bad day. So these are the exact bets, on many times the odds alone, m = 1 + 12 κ₀(p): such a bettor loses as
long as the rate lies below (m − 1)/ln m times the limit, however many events there are: 2.3 times for a limit of 5 %, 3.2
times for 0.5 %. A rarer thing has fewer causes, and its rate moves more: κ₀ = 0.14 p^(−¼), in parts of the mean.

**Over blocks.** Near the limit it takes blocks. Let a level be gamma-distributed with mean p and variance κ²p², k = 1/κ².
Then a bet on m times the mean is worth at most one on average, for μ = np expected hits in the block (the likelihood ratio of
two negative binomials; for hits that are binomial given the level, by 1 + x ≤ eˣ, a little less than one):

    E_m = Π m^hits · ((k + μ)/(k + mμ))^(hits + k),

and no block is worth more than the gamma's own ratio at its level. κ² is learnt from the blocks (the moment estimate of a
one-way analysis of variance, shrunk towards κ₀², with each block counting for as much as it tells), and widened for
neighbours that resemble each other as means over blocks are (``dependence``).

What this promises stands in ``benchmarks/kinds.py``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

from plimsoll.stats.dependence import inflation
from plimsoll.stats.evalue import log_mean
from plimsoll.stats.interval import Interval, check_alpha, check_counts

Counts = Sequence[tuple[int, int]]
"""(hits, events) of each block, in order of time."""

AT_ONCE = ((1.0, 6.0), (2.5, 2.0), (10.0, 0.5), (1e4, 0.25))
"""How many times m each bettor backs who does not wait, and its part of the capital."""
AT_ONCE_SHARE = 0.9
OVER_BLOCKS = (1.03, 1.1, 1.25, 1.5, 2.0, 3.0, 4.0, 8.0, 32.0)
"""How many times the mean each bettor backs who waits for blocks; downwards, one over that."""
NONE_AT_ALL = 1e6
"""Downwards, one backs that it never happens."""
PRIOR_BLOCKS = 5.0
LEAST_VARIANCE, MOST_VARIANCE = 1e-9, 4.0
"""Of a level, in squares of its mean. At the least its blocks are as good as independent events; beyond the most, the moments of
a few blocks are one block's."""


def moving_rate(counts: Counts, *, alpha_low: float, alpha_high: float, before: Counts | None = None) -> Interval:
    """A confidence sequence for the mean rate of blocks whose levels move.

    ``before``: the blocks in front of these, where these are judged as if everything began with them (``onset``). Then it is
    learnt from those how much levels move, and is at least what is usual; and nobody bets at once, since among many starts
    there is soon one at a bad block.
    """
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    for hits, n in counts:
        check_counts(hits, n)
    hits, n = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
    if n == 0:
        return Interval(math.nan, 0.0, 1.0, "betting", 0)
    above, below = partial(log_evidence_above, counts, before=before), partial(log_evidence_below, counts)
    low = _where(above, -math.log(alpha_low), hits / n, 1e-12) if hits else 0.0
    high = _where(below, -math.log(alpha_high), hits / n if hits else 0.1 / n, 1.0) if hits < n else 1.0
    return Interval(hits / n, low, high, "betting", n)


def log_evidence_above(counts: Counts, rate: float, *, before: Counts | None = None) -> float:
    """ln of the capital that the bets against "the mean is at most ``rate``" have come to. It falls as ``rate`` grows."""
    hits, n = sum(h for h, _ in counts), sum(m for _, m in counts)
    if rate <= 0.0:
        return math.inf if hits else 0.0
    if before is not None:
        calm = usual_variation(rate) ** 2 * inflation([])[0]
        return _over_blocks(counts, rate, max(calm, level_variance(before, rate)), OVER_BLOCKS)
    waits = _over_blocks(counts, rate, level_variance(counts, rate), OVER_BLOCKS)
    odds = odds_at_once(rate)
    at_once = [hits * math.log(odds * many) - n * math.log1p((odds * many - 1.0) * rate) for many, _ in AT_ONCE]
    parts = math.fsum(part for _, part in AT_ONCE)
    return log_mean(
        [log_mean(at_once, [part / parts for _, part in AT_ONCE]), waits], [AT_ONCE_SHARE, 1 - AT_ONCE_SHARE]
    )


def log_evidence_below(counts: Counts, rate: float) -> float:
    """ln of the capital that the bets against "the mean is at least ``rate``" have come to. It grows with ``rate``."""
    downwards = [1.0 / many for many in (*OVER_BLOCKS, NONE_AT_ALL)]
    return _over_blocks(counts, rate, level_variance(counts, rate), downwards)


def usual_variation(rate: float) -> float:
    """κ₀: how much the level of such a rate moves from block to block before any has been seen, in parts of its mean."""
    return 0.14 / math.sqrt(math.sqrt(rate))


def odds_at_once(rate: float) -> float:
    """m: the odds that the most of those back who do not wait for blocks."""
    return 1.0 + 12.0 * usual_variation(rate)


def level_variance(counts: Counts, rate: float) -> float:
    """κ²: the variance of a level in squares of its mean, learnt from ``counts`` and shrunk towards what is usual at
    ``rate``; widened for dependence.

    The moments are those of a one-way analysis of variance with blocks of unequal size. A block with μ expected hits counts
    for (μκ₀²/(1 + μκ₀²))² of one: of few hits, all variance is their own.
    """
    usual = usual_variation(rate) ** 2
    told, found, widening = _seen(tuple((h, n) for h, n in counts if n))
    expected = usual * told.mean
    weight = (told.blocks - 1) * (expected / (1.0 + expected)) ** 2
    shrunk = (PRIOR_BLOCKS * usual + weight * min(MOST_VARIANCE, found)) / (PRIOR_BLOCKS + weight)
    return max(0.0, shrunk) * widening


class _Told(NamedTuple):
    """How many ``blocks`` can tell how much levels move, and the ``mean`` number of hits in one."""

    blocks: int
    mean: float


@lru_cache(maxsize=64)
def _seen(counts: tuple[tuple[int, int], ...]) -> tuple[_Told, float, float]:
    """What does not depend on the rate in question: who told, the moment estimate, and the widening for dependence."""
    hits, events, blocks = sum(h for h, _ in counts), sum(n for _, n in counts), len(counts)
    if blocks < 2 or not hits:
        return _Told(1, 0.0), 0.0, inflation([])[0]
    mean = hits / events
    between = math.fsum(n * (h / n - mean) ** 2 for h, n in counts) - (blocks - 1) * mean * (1.0 - mean)
    found = between / (events - sum(n * n for _, n in counts) / events) / (mean * mean)
    return _Told(blocks, hits / blocks), found, inflation([h / n for h, n in counts])[0]


def _over_blocks(counts: Counts, rate: float, variance: float, many: Sequence[float]) -> float:
    """ln of the mean capital of those who wait for blocks, each of which backs one of ``many``."""
    k = 1.0 / max(LEAST_VARIANCE, variance)
    blocks = [(h, n * rate, times) for (h, n), times in Counter(counts).items() if n]  # blocks that are alike, at once
    hits = sum(h * times for h, _, times in blocks)
    logs = (
        hits * math.log(m)
        - math.fsum(times * (h + k) * math.log1p((m - 1.0) * mean / (k + mean)) for h, mean, times in blocks)
        for m in many
    )
    return log_mean(tuple(logs))


def _where(log_evidence: Callable[[float], float], wanted: float, inside: float, end: float) -> float:
    """The rate between ``inside``, which is not excluded, and ``end``, at which the evidence is what is ``wanted``; ``end``
    where it is not excluded either. False position on the logarithm of the rate (Illinois), on the excluded side."""
    a, fa = math.log(inside), log_evidence(inside) - wanted
    b, fb = math.log(end), log_evidence(end) - wanted
    if fb < 0.0:
        return 0.0 if end < inside else end
    if fa >= 0.0:
        return inside
    for _ in range(100):
        middle = (a * fb - b * fa) / (fb - fa)
        f = log_evidence(math.exp(middle)) - wanted
        if f >= 0.0:
            b, fb, fa = middle, f, 0.5 * fa
        else:
            a, fa, fb = middle, f, 0.5 * fb
        if abs(b - a) <= 1e-12 or 0.0 <= f <= 1e-9:
            break
    return math.exp(b)
