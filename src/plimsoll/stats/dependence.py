"""Neighbouring blocks resemble each other: how much, and what that costs.

The mean of n values with lag-1 autocorrelation ρ (a first-order autoregression) has the variance of n · (1 − ρ) / (1
+ ρ) independent ones. A dozen blocks cannot measure ρ: its standard error is 0.3. So the estimate is shrunk towards a
prior of 0.1, what paired daily differences show (0.05–0.14 on a year of flights), worth 20 blocks; it never goes
below zero, because alternation would narrow an interval on thin evidence.

One look has only this estimate, and its coverage falls faster where ρ is larger than it rises where ρ is smaller. So an
interval for one look believes half a standard error more (``ONE_LOOK``): 10 to 30 blocks with ρ = 0.3 are then covered in
93 %, not 92, at the price of 5–10 % of width (``benchmarks/coverage.py``). A sequence has room for that already.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

PRIOR_RHO = 0.1
PRIOR_BLOCKS = 20.0
ONE_LOOK = 0.5
"""How many standard errors above the shrunken estimate an interval for one look believes."""
MOST_RHO = 0.5
MOST_BELIEVED = 0.6
"""Above the first the blocks are no blocks: a correction would rest on the model more than on the data."""


def lag1(values: Sequence[float]) -> float:
    """Lag-1 autocorrelation, corrected for the bias of a short series; 0 for fewer than four or equal values.

    The plain estimate is too low by about (1 + 3ρ)/n, because the mean is estimated too (Marriott & Pope 1954;
    Kendall 1954, *Note on bias in the estimation of autocorrelation*, Biometrika 41).
    """
    n = len(values)
    if n < 4:
        return 0.0
    mean = math.fsum(values) / n
    centred = [v - mean for v in values]
    total = math.fsum(c * c for c in centred)
    if total <= 0.0:
        return 0.0
    plain = math.fsum(a * b for a, b in pairwise(centred)) / total
    return max(-1.0, min(1.0, plain + (1.0 + 3.0 * plain) / n))


def shrunken(values: Sequence[float]) -> float:
    """The autocorrelation that intervals believe: between the prior and ``lag1``, never negative."""
    n = len(values)
    return max(0.0, (PRIOR_BLOCKS * PRIOR_RHO + n * lag1(values)) / (PRIOR_BLOCKS + n))


def inflation(values: Sequence[float], *, doubt: float = 0.0) -> tuple[float, str]:
    """By what factor the variance of the mean exceeds that of independent blocks, and what is wrong, if anything.

    The factor is (1 + ρ)/(1 − ρ), at least 1. The text is not empty where ρ > 0.5. ``doubt``: how many standard errors above the
    shrunken estimate ρ is believed to be, which widens and refuses nothing; that of an autocorrelation is √((1 − ρ²)/n)
    (Bartlett 1946), and the prior counts as blocks.
    """
    rho = shrunken(values)
    if rho > MOST_RHO:
        capped = (1.0 + MOST_RHO) / (1.0 - MOST_RHO)
        return capped, (
            f"blocks too dependent: neighbouring blocks correlate by {rho:.2f}, and at most {MOST_RHO} can be "
            "corrected for; declare longer blocks"
        )
    believed = min(MOST_BELIEVED, rho + doubt * math.sqrt((1.0 - rho * rho) / (PRIOR_BLOCKS + len(values))))
    return (1.0 + believed) / (1.0 - believed), ""
