"""A confidence sequence for a quantile: two order statistics, however often one looks.

x is excluded as the q-quantile when the bets speak against "the chance to lie at or below x is q": by how many values do,
no matter what the values are (Howard & Ramdas 2022, *Sequential estimation of quantiles with applications to A/B testing
and best-arm identification*, Bernoulli 28, theorem 1, with our bets as its sequence for a rate). A requirement on a
latency's quantile is judged by the same duality: p95 ≤ 50 ms says that at most 5 % of the answers take longer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from plimsoll.errors import UsageError
from plimsoll.stats.betting import lowest_rate
from plimsoll.stats.interval import Interval, check_alpha


def quantile_sequence(ordered: Sequence[float], q: float, *, alpha_low: float, alpha_high: float) -> Interval:
    """Where the ``q``-quantile lies, of values in ascending order; infinite while there are too few. O(log n) bounds."""
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    if not 0.0 < q < 1.0:
        raise UsageError(f"q={q!r}: a quantile's level lies between 0 and 1", hint="0.95 is the usual")
    n = len(ordered)
    if n == 0:
        return Interval(math.nan, -math.inf, math.inf, "betting-quantile", 0)
    # So few lie at or below x that the rate of doing so is below q: x is too low. So many lie below it: too high.
    few = _last(n, lambda k: 1.0 - lowest_rate(n - k, n, alpha_low) < q)
    many = _last(n, lambda k: lowest_rate(n - k, n, alpha_high) > q)
    return Interval(
        estimate=ordered[max(0, math.ceil(q * n) - 1)],
        low=ordered[few] if few >= 0 else -math.inf,
        high=ordered[n - many - 1] if many >= 0 else math.inf,
        method="betting-quantile",
        n=n,
    )


def _last(n: int, holds: Callable[[int], bool]) -> int:
    """The last k below ``n`` for which it holds, where it holds from 0 to some k; −1 where it holds for none."""
    low, high = -1, n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
