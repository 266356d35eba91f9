"""Did the units land where they were sent? A sequential sample-ratio test, for two arms or many.

Lindon & Malek 2022 (*Anytime-valid inference for multinomial count data*, NeurIPS 35): the likelihood of the counts under
a Dirichlet prior around the declared shares, over that of the shares themselves,

    E = Γ(k)/Γ(k + n) · Π Γ(kθ + x)/Γ(kθ) · θ^(−x),

is a test martingale while every unit lands in arm i with probability θ_i. It may be looked at after every unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from plimsoll.errors import UsageError
from plimsoll.stats.evalue import log_mean

CONCENTRATIONS = (2.0, 30.0, 1000.0)
"""Of the prior, in equal parts: arms that are missing, shares that are off by some per cent, and by less than one."""


def split_evidence(counts: Sequence[int], shares: Sequence[float]) -> float:
    """ln of the e-value against "units land in each arm with its share"; ever above ln(1/α) with probability ≤ α.

    Raises UsageError unless there is a count ≥ 0 for each share, and the shares are above zero and sum to one.
    """
    if len(counts) != len(shares) or not counts or min(counts) < 0:
        raise UsageError(f"counts {tuple(counts)} and shares {tuple(shares)}: there must be a count ≥ 0 for each share")
    if not all(s > 0 for s in shares) or not math.isclose(math.fsum(shares), 1.0, rel_tol=1e-9):
        raise UsageError(f"shares {tuple(shares)}: each must be above zero, and together they are one")
    return log_mean([_log_ratio(counts, shares, k) for k in CONCENTRATIONS])


def _log_ratio(counts: Sequence[int], shares: Sequence[float], k: float) -> float:
    arms = (math.lgamma(k * s + x) - math.lgamma(k * s) - x * math.log(s) for x, s in zip(counts, shares, strict=True))
    return math.lgamma(k) - math.lgamma(k + sum(counts)) + math.fsum(arms)
