"""Two groups of blocks that share no rows: Welch's t, each side with its own spread.

For what cannot be paired: two releases whose answers influence their outcomes, so that only one of them can be seen on a
row. Where both answered in the same blocks (two arms of one day), compare block by block instead: a day that is bad for
both then costs nothing (``ratios.ratio_interval`` with ``against``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from plimsoll.stats.interval import Interval, check_alpha
from plimsoll.stats.special import t_quantile
from plimsoll.stats.summary import summarise


def welch(
    ours: Sequence[float], theirs: Sequence[float], *, alpha_low: float = 0.025, alpha_high: float = 0.025
) -> Interval:
    """mean(ours) − mean(theirs) of block values (Welch 1947, *Biometrika* 34:28), each side's error widened for the
    dependence of its neighbouring blocks. Open bounds while a side has fewer than two blocks, or no spread."""
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    a, b = summarise(ours), summarise(theirs)
    estimate, problem = a.mean - b.mean, a.problem or b.problem
    if not (a.usable and b.usable):
        return Interval(estimate, -math.inf, math.inf, "welch", a.n + b.n, problem)
    variance = a.error**2 + b.error**2
    df = variance**2 / (a.error**4 / (a.n - 1) + b.error**4 / (b.n - 1))
    low, high = (t_quantile(1.0 - alpha, df) * math.sqrt(variance) for alpha in (alpha_low, alpha_high))
    return Interval(estimate, estimate - low, estimate + high, "welch", a.n + b.n, problem)
