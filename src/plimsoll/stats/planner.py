"""How long a stage will need, said before it begins: an underpowered rollout should be known at declaration.

Both answers are approximations in closed form for one look at n, without the luck of earlier looks; simulation puts
the true median and 80 % points within about a fifth of them (``tests/stats/test_planner.py``). What a given number of
blocks can see stands in ``power``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from plimsoll.stats.betting import rate_sequence
from plimsoll.stats.power import check_blocks, check_power, check_rates, gap_over_blocks
from plimsoll.stats.sequence import START
from plimsoll.stats.special import normal_quantile

POWER = 0.8
"""The chance with which a stage should be decided, for a candidate that is as good as it is believed to be."""


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
    check_power(power)
    gap = margin - effect
    check_blocks(sd=sd, rho=rho)

    def shown(n: int) -> bool:
        return gap >= gap_over_blocks(n=n, sd=sd, alpha=alpha, power=power, rho=rho, planned=planned)

    return next((n for n in range(START, most + 1) if shown(n)), None) if gap > 0 else None


def rate_events_needed(*, limit: float, rate: float, alpha: float, power: float, most: int = 100_000_000) -> int | None:
    """How many events until ``rate_sequence`` shows a rate ≤ ``limit`` with probability ``power``; None beyond.

    ``rate`` is the true one. Zero is allowed: how long a faultless release takes.
    """
    check_rates(limit=limit, rate=rate)
    check_power(power)
    if rate >= limit:
        return None
    reach = normal_quantile(power)

    def shown(n: int) -> bool:
        hits = min(n, max(0, math.ceil(n * rate + reach * math.sqrt(n * rate * (1.0 - rate)))))
        return rate_sequence(hits, n, alpha_low=alpha, alpha_high=alpha).high <= limit

    return first_shown(shown, most)


def first_shown(shown: Callable[[int], bool], most: int, *, fine: float = 1.0) -> int | None:
    """The least n ≥ 1 that is ``shown``, for what stays shown once it is; None beyond ``most``. Doubling, then
    bisection: about 2 log₂ n calls; fewer where ``fine`` times the least is near enough."""
    high = 1
    while not shown(high):
        if high >= most:
            return None
        high = min(2 * high, most)
    low = high // 2
    while high - low > 1 and high > fine * low:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high
