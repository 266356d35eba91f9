"""A confidence sequence for the mean of values between known bounds, which learns how little they vary: from the first one on.

The empirical-Bernstein sequence with predictable stakes (Waudby-Smith & Ramdas 2024, *Estimating means of bounded random
variables by betting*, JRSS B 86, theorem 2; Howard, Ramdas, McAuliffe & Sekhon 2021, *Ann. Statist.* 49). For x in [0, 1],
with stakes λ and guesses m of each x, both from what came before it,

    exp Σ [λ(x − μ) − (x − m)² ψ(λ)],    ψ(λ) = −ln(1 − λ) − λ,

is worth at most one on average, so that μ lies below Σλx / Σλ − (ln(1/α) + Σ(x − m)² ψ(λ)) / Σλ with probability at most α,
at all looks together. No assumption but the bounds and one mean: E[x | the past] = μ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from plimsoll.errors import UsageError
from plimsoll.stats.interval import Interval, check_alpha

MOST_STAKE = 0.5


def bounded_sequence(
    values: Sequence[float], *, least: float, most: float, alpha_low: float, alpha_high: float
) -> Interval:
    """Where the mean of ``values`` in [``least``, ``most``] lies, at any number of them and whatever their distribution.

    Raises UsageError for a value outside: then nothing bounds the mean.
    """
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    if not least < most:
        raise UsageError(f"least={least!r}, most={most!r}: values lie between two different bounds")
    outside = next((v for v in values if not least <= v <= most), None)
    if outside is not None:
        raise UsageError(
            f"the value {outside!r} lies outside [{least:g}, {most:g}]: there is no bound on the mean then"
        )
    if not values:
        return Interval(math.nan, least, most, "empirical-bernstein", 0)
    xs = [(v - least) / (most - least) for v in values]
    low, high = _lower(xs, alpha_low), 1.0 - _lower([1.0 - x for x in xs], alpha_high)
    return Interval(
        estimate=math.fsum(values) / len(values),
        low=least + (most - least) * max(0.0, low),
        high=least + (most - least) * min(1.0, high),
        method="empirical-bernstein",
        n=len(values),
    )


def _lower(xs: Sequence[float], alpha: float) -> float:
    """The lower bound on the mean of values in [0, 1]."""
    wanted = math.log(1.0 / alpha)
    total, spread = 0.5, 0.25  # one imagined value of ½, and its squared distance
    staked = weighted = paid = 0.0
    for n, x in enumerate(xs, 1):
        guess, variance = total / n, spread / n
        stake = min(MOST_STAKE, math.sqrt(2.0 * wanted / (variance * n * math.log1p(n))))
        staked += stake
        weighted += stake * x
        paid += (x - guess) ** 2 * (-math.log1p(-stake) - stake)
        total += x
        spread += (x - total / (n + 1)) ** 2
    return (weighted - wanted - paid) / staked
