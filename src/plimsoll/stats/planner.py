"""How long a stage will need, said before it begins: an underpowered rollout should be known at declaration.

Both answers are approximations in closed form for one look at n, without the luck of earlier looks; simulation puts
the true median and 80 % points within about a fifth of them (``tests/stats/test_planner.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from plimsoll.errors import UsageError
from plimsoll.stats.betting import rate_sequence
from plimsoll.stats.dependence import PRIOR_BLOCKS, PRIOR_RHO
from plimsoll.stats.sequence import START, critical_t
from plimsoll.stats.special import normal_quantile


def blocks_needed(
    *,
    sd: float,
    effect: float,
    margin: float,
    alpha: float,
    power: float,
    rho: float = 0.1,
    most: int = 365,
    planned: int = 20,
) -> int | None:
    """How many blocks until ``mean_sequence`` shows x ≤ ``margin`` with probability ``power``; None beyond ``most``.

    ``effect`` is the true mean of x (the loss against the comparator, positive is worse) and ``sd`` its standard
    deviation from block to block, ``rho`` their autocorrelation. A candidate that is equal has effect 0; a margin of
    0 asks how long superiority takes.
    """
    if not sd >= 0 or not 0 < power < 1 or not 0 <= rho < 1:
        raise UsageError(
            f"sd={sd!r}, power={power!r}, rho={rho!r}: sd ≥ 0, power between 0 and 1, rho from 0 to below 1"
        )
    gap = margin - effect
    if gap <= 0:
        return None
    reach = normal_quantile(power)
    return next((n for n in range(START, most + 1) if gap >= _needs(n, sd, rho, alpha, reach, planned)), None)


def _needs(n: int, sd: float, rho: float, alpha: float, reach: float, planned: int) -> float:
    """The gap between margin and effect that n blocks show with the power behind ``reach``.

    The bound lies critical · s/√n above the mean; the mean varies by its own error, and the bound by that of s
    (relative variance 1/(2(n − 1))).
    """
    believed = (PRIOR_BLOCKS * PRIOR_RHO + n * rho) / (PRIOR_BLOCKS + n)
    widened = critical_t(n, alpha, planned) * math.sqrt((1.0 + believed) / (1.0 - believed))
    noise = math.sqrt((1.0 + rho) / (1.0 - rho) + widened * widened / (2.0 * (n - 1)))
    return sd / math.sqrt(n) * (widened + reach * noise)


def rate_events_needed(*, limit: float, rate: float, alpha: float, power: float, most: int = 100_000_000) -> int | None:
    """How many events until ``rate_sequence`` shows a rate ≤ ``limit`` with probability ``power``; None beyond.

    ``rate`` is the true one. Zero is allowed: how long a faultless release takes.
    """
    if not 0 < limit < 1 or not 0 <= rate <= 1 or not 0 < power < 1:
        raise UsageError(
            f"limit={limit!r}, rate={rate!r}, power={power!r}: limit and power lie between 0 and 1, rate from 0 to 1"
        )
    if rate >= limit:
        return None
    reach = normal_quantile(power)

    def shown(n: int) -> bool:
        hits = min(n, max(0, math.ceil(n * rate + reach * math.sqrt(n * rate * (1.0 - rate)))))
        return rate_sequence(hits, n, alpha_low=alpha, alpha_high=alpha).high <= limit

    return first_shown(shown, most)


def first_shown(shown: Callable[[int], bool], most: int) -> int | None:
    """The least n ≥ 1 that is ``shown``, for what stays shown once it is; None beyond ``most``. Doubling, then
    bisection: about 2 log₂ n calls."""
    high = 1
    while not shown(high):
        if high >= most:
            return None
        high = min(2 * high, most)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high
