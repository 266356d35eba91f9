"""Two classifiers on the same rows, by the rows on which only one is right: McNemar's test, exact.

Rows that both get right or both get wrong say nothing about which is better. Of the others, each is a coin if the two are
alike (McNemar 1947, *Psychometrika* 12:153; exact in the binomial: Cochran 1950). Rows have to be independent: where they
come in days or users, compare the accuracy over blocks (``t_interval``), which is what a verdict does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from plimsoll.errors import UsageError
from plimsoll.stats.interval import Interval, exact_rate
from plimsoll.stats.special import beta_cdf


class Discordance(msgspec.Struct, frozen=True, kw_only=True):
    """``only_ours``, ``only_theirs``: rows that one alone got right. ``p_value``: two-sided, of being alike; 1 without any.
    ``share``: of those rows, the share that is ours, with its Clopper-Pearson interval; ½ is alike."""

    only_ours: int
    only_theirs: int
    p_value: float
    share: Interval


def mcnemar(ours: Any, theirs: Any, *, alpha_low: float = 0.025, alpha_high: float = 0.025) -> Discordance:
    """From whether each of the two was right, row by row. Raises UsageError unless they are of the same rows."""
    import numpy as np

    a, b = np.asarray(ours, dtype=bool), np.asarray(theirs, dtype=bool)
    if a.shape != b.shape:
        raise UsageError(
            f"there are {len(a):,} answers of ours and {len(b):,} of theirs; they must be of the same rows"
        )
    won, lost = int((a & ~b).sum()), int((b & ~a).sum())
    return Discordance(
        only_ours=won,
        only_theirs=lost,
        p_value=_p_value(won, lost),
        share=exact_rate(won, won + lost, alpha_low=alpha_low, alpha_high=alpha_high),
    )


def _p_value(won: int, lost: int) -> float:
    """Twice the smaller tail of Binomial(won + lost, ½), at most 1."""
    few, many = sorted((won, lost))
    return 1.0 if few == many else min(1.0, 2.0 * beta_cdf(0.5, many, few + 1))
