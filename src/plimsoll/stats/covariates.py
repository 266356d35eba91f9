"""CUPED: what was known of a unit before takes its part out of the noise.

A value minus θ(x − x̄), with x from before the comparison began, has the same mean and less variance: (1 − ρ²) of it, at
θ = cov(x, y)/var(x) (Deng, Xu, Kohavi & Walker 2013, *Improving the Sensitivity of Online Controlled Experiments by
Utilizing Pre-Experiment Data*, WSDM). One θ and one x̄ for all arms, or the arms would be moved apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from plimsoll.errors import UsageError


class Adjusted(msgspec.Struct, frozen=True, kw_only=True):
    """``values``: as they were given, less what ``before`` explains. ``removed``: the share of their variance that went."""

    values: tuple[float, ...]
    theta: float
    removed: float


def cuped(values: Sequence[float], before: Sequence[float]) -> Adjusted:
    """Of units (or blocks) of all arms together; cut them into arms afterwards.

    ``before`` must not be touched by what is compared: the same metric in the time before is the usual. Constant, it
    explains nothing, and the values stay. Raises UsageError for lengths that differ or a number that is none.
    """
    if len(values) != len(before):
        raise UsageError(f"there are {len(values)} values and {len(before)} from before: one each for every unit")
    if not all(map(math.isfinite, (*values, *before))):
        raise UsageError("a value, or one from before, is not a finite number", hint="a new unit has its group's mean")
    if not values:
        return Adjusted(values=(), theta=0.0, removed=0.0)
    mean_y, mean_x = math.fsum(values) / len(values), math.fsum(before) / len(before)
    together = math.fsum((y - mean_y) * (x - mean_x) for y, x in zip(values, before, strict=True))
    spread_x = math.fsum((x - mean_x) ** 2 for x in before)
    spread_y = math.fsum((y - mean_y) ** 2 for y in values)
    if spread_x <= 1e-24 * max(1.0, mean_x * mean_x) * len(before) or not spread_y:
        return Adjusted(values=tuple(values), theta=0.0, removed=0.0)
    theta = together / spread_x
    adjusted = tuple(y - theta * (x - mean_x) for y, x in zip(values, before, strict=True))
    return Adjusted(values=adjusted, theta=theta, removed=theta * together / spread_y)
