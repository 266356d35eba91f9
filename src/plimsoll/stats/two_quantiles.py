"""Two quantiles compared, from how many answers took longer than each edge of a grid, however often one looks.

The q-quantile lies above t where it is shown that more than 1 − q of the values do, and not above t where it is shown that fewer
do (Howard & Ramdas 2022, *Sequential estimation of quantiles*, Bernoulli 28, with the bets of ``betting`` as its sequence for a
rate): each bound is a statement about one true quantile, so no edge costs anything. Each side of a difference takes half of the
error for each of the two; so it is right whatever both have in common. It cannot tell apart what lies between two edges.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from plimsoll.errors import UsageError
from plimsoll.stats.betting import log_evidence
from plimsoll.stats.interval import Interval, check_alpha, check_counts

STEP = 1.02
"""From one edge to the next: a latency is known to within 2 %."""
_LEAST, _EDGES = 0.01, 905


def edges() -> list[float]:
    """The grid: from 0.01 to some 600,000 (of milliseconds: ten minutes)."""
    return [_LEAST * STEP**i for i in range(_EDGES)]


class Over(NamedTuple):
    """``hits`` of all values are larger than ``edge``."""

    edge: float
    hits: int


class Values(NamedTuple):
    """``over``: by edges of the grid, ascending, up to one that no value exceeds; of edges that as many exceed, the first. ``n``:
    how many values there are. Values are never below 0."""

    over: Sequence[Over]
    n: int


def quantile_difference(ours: Values, theirs: Values, q: float, *, alpha_low: float, alpha_high: float) -> Interval:
    """Our ``q``-quantile less theirs. Raises UsageError for a level outside of 0 and 1."""
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    if not 0.0 < q < 1.0:
        raise UsageError(f"q={q!r}: a quantile's level lies between 0 and 1", hint="0.95 is the usual")
    for values in (ours, theirs):
        for over in values.over:
            check_counts(over.hits, values.n)
    method = "betting-quantile-difference"
    if not (ours.n and theirs.n):
        return Interval(math.nan, -math.inf, math.inf, method, ours.n)
    return Interval(
        estimate=_estimate(ours, q) - _estimate(theirs, q),
        low=_low(ours, q, alpha_low / 2) - _high(theirs, q, alpha_low / 2),
        high=_high(ours, q, alpha_high / 2) - _low(theirs, q, alpha_high / 2),
        method=method,
        n=ours.n,
    )


def _estimate(values: Values, q: float) -> float:
    return next((o.edge for o in values.over if o.hits <= (1.0 - q) * values.n), math.inf)


def _low(values: Values, q: float, alpha: float) -> float:
    """The largest edge that more than 1 − q of the values are shown to exceed; 0 where there is none."""
    place = bisect_left(values.over, True, key=lambda o: log_evidence(o.hits, values.n, 1.0 - q) < -math.log(alpha))
    if not place:
        return 0.0
    return values.over[place].edge / STEP if place < len(values.over) else values.over[-1].edge


def _high(values: Values, q: float, alpha: float) -> float:
    """The least edge that at least q of the values are shown not to exceed; infinite where there is none."""
    place = bisect_left(
        values.over, True, key=lambda o: log_evidence(values.n - o.hits, values.n, q) >= -math.log(alpha)
    )
    return values.over[place].edge if place < len(values.over) else math.inf
