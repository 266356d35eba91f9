"""A rate over blocks whose events fail together: an exact bound on as many events as the blocks are worth.

Student's t over block means has no spread to go by where nothing has failed, or in one block only: of fourteen days without a
failure it says that the rate is zero. Clopper and Pearson say how high it may be, if events are independent; of events that
fail together, n are worth n/d independent ones. So their bounds are taken at n/d events (Korn & Graubard 1998, *Confidence
intervals for proportions with small expected number of positive counts estimated from survey data*, Survey Methodology 24:
193–201), with their correction for a design effect d that few blocks have measured.

d is what the failures of the blocks show, and at least what an intraclass correlation of ``LEAST_TOGETHER`` makes of blocks of
this size: where next to nothing has failed, how it would fail is not seen. What this covers is simulated in
``benchmarks/coverage.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from plimsoll.stats.dependence import inflation
from plimsoll.stats.interval import Interval, check_alpha
from plimsoll.stats.special import beta_quantile, t_quantile

LEAST_TOGETHER = 0.02
"""900 answers of a day are worth 47 then, a design effect of 19: losses of the flights' days have 8 to 48."""
METHOD = "clustered-rate"
_NONE = 1e-9
"""Of an event: what is left of none after dividing."""


def clustered_rate(shares: Sequence[float], n: Sequence[int], *, alpha_low: float, alpha_high: float) -> Interval:
    """Bounds on the rate of which block i has ``shares[i]`` among ``n[i]`` events. Fewer than two blocks say nothing."""
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    total, blocks = sum(n), len(n)
    if blocks < 2 or not total:
        return Interval(math.nan if not total else shares[0], 0.0, 1.0, METHOD, blocks)
    rate = math.fsum(s * k for s, k in zip(shares, n, strict=True)) / total
    factor, problem = inflation(shares)
    together = max(
        1.0 + (sum(k * k for k in n) / total - 1.0) * LEAST_TOGETHER, factor * _design_effect(shares, n, rate)
    )
    low, high = (
        _bound(rate, total, together, blocks, alpha, side) for alpha, side in ((alpha_low, -1), (alpha_high, 1))
    )
    return Interval(rate, low, high, METHOD, blocks, problem)


def _design_effect(shares: Sequence[float], n: Sequence[int], rate: float) -> float:
    """The variance of the rate over blocks against that of independent events; 1 where nothing, or everything, failed."""
    total, blocks = sum(n), len(n)
    if not 0.0 < rate < 1.0:
        return 1.0
    spread = math.fsum((k * (s - rate)) ** 2 for s, k in zip(shares, n, strict=True))
    return blocks / (blocks - 1) * spread / (total * rate * (1.0 - rate))


def _bound(rate: float, total: int, together: float, blocks: int, alpha: float, side: int) -> float:
    """Clopper and Pearson's, of a number of events and failures that need not be whole."""
    normal, few = t_quantile(1.0 - alpha, total - 1), t_quantile(1.0 - alpha, blocks - 1)
    worth = total / together * (normal / few) ** 2 if total > 1 else 1.0
    hits, misses = rate * worth, (1.0 - rate) * worth
    if side < 0:
        return beta_quantile(alpha, hits, misses + 1.0) if hits > _NONE else 0.0
    return beta_quantile(1.0 - alpha, hits + 1.0, misses) if misses > _NONE else 1.0
