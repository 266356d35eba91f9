"""Two rates compared, exact from the first event on and however often one looks: their difference and their ratio.

"Ours is at most theirs + d" is a line of pairs (p + d, p). For each p there are bets against "ours is at most p + d" and
bets against "theirs is at least p" (``betting``). Of independent arms the product of the two capitals is a test martingale
again, of arms that answer the same requests their mean is an e-process, whatever they have in common (Vovk & Wang 2021).
A difference is excluded where even the p that is kindest to it has a capital of 1/α: an e-process for the whole line
(Turner & Grünwald 2023, *Exact anytime-valid confidence intervals for contingency tables and beyond*, Stat. Prob. Lett.
198; Turner, Ly & Grünwald 2024, *Generic E-variables for exact sequential k-sample tests that allow for optional
stopping*, J. Stat. Plan. Inf. 230).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from plimsoll.stats.betting import capital
from plimsoll.stats.interval import Interval, check_alpha, check_counts

STEPS = 40
"""Halvings of the line of pairs: its end is 1e−12 wide."""


class Arm(NamedTuple):
    """``hits`` among ``n`` events."""

    hits: int
    n: int

    @property
    def turned(self) -> Arm:
        """Its misses as hits."""
        return Arm(self.n - self.hits, self.n)


def difference_sequence(ours: Arm, theirs: Arm, *, alpha_low: float, alpha_high: float, paired: bool) -> Interval:
    """A confidence sequence for our rate less theirs. ``paired``: both answered the same requests."""
    _check(ours, theirs, alpha_low, alpha_high)
    if not (ours.n and theirs.n):
        return Interval(math.nan, -1.0, 1.0, "betting-difference", ours.n)
    low = _least(ours, theirs, alpha_low, paired)
    high = -_least(theirs, ours, alpha_high, paired)  # theirs less ours
    return Interval(ours.hits / ours.n - theirs.hits / theirs.n, low, high, "betting-difference", ours.n)


def ratio_sequence(ours: Arm, theirs: Arm, *, alpha_low: float, alpha_high: float, paired: bool) -> Interval:
    """A confidence sequence for our rate over theirs; from 0 to infinity while nothing is known."""
    _check(ours, theirs, alpha_low, alpha_high)
    if not (ours.n and theirs.n):
        return Interval(math.nan, 0.0, math.inf, "betting-ratio", ours.n)
    rate, other = ours.hits / ours.n, theirs.hits / theirs.n
    low, most = _least_ratio(ours, theirs, alpha_low, paired), _least_ratio(theirs, ours, alpha_high, paired)
    estimate = rate / other if other else math.inf if rate else math.nan
    return Interval(estimate, low, 1.0 / most if most else math.inf, "betting-ratio", ours.n)


def log_evidence_above(ours: Arm, theirs: Arm, difference: float, *, paired: bool) -> float:
    """ln of the e-value against "our rate is at most theirs + ``difference``"."""
    return _kindest(ours, theirs, lambda p: p + difference, _span(difference), 1.0, paired).log


class _Point(NamedTuple):
    log: float
    slope: float  # of ln E, with the rate that ours is held to


def _kindest(
    ours: Arm,
    theirs: Arm,
    held_to: Callable[[float], float],
    span: tuple[float, float],
    stretch: float,
    paired: bool,
) -> _Point:
    """The least evidence along the line: it is convex in p, so where its slope changes its sign. ``stretch`` is the slope
    of ``held_to``."""
    low, high = span
    point = _Point(0.0, 0.0)
    for _ in range(STEPS):
        p = 0.5 * (low + high)
        (log, slope), (other, back) = (
            capital(ours.hits, ours.n, held_to(p)),
            capital(theirs.n - theirs.hits, theirs.n, 1 - p),
        )
        if paired:
            most = max(log, other)
            a, b = math.exp(log - most), math.exp(other - most)
            whole, share = most + math.log(0.5 * (a + b)), a / (a + b)
            rising = share * slope * stretch - (1.0 - share) * back
            point = _Point(whole, share * slope)
        else:
            rising = slope * stretch - back
            point = _Point(log + other, slope)
        low, high = (p, high) if rising < 0.0 else (low, p)
    return point


def _span(difference: float) -> tuple[float, float]:
    """The p for which both p and p + difference are rates."""
    return max(0.0, -difference), min(1.0, 1.0 - difference)


def _least(ours: Arm, theirs: Arm, alpha: float, paired: bool) -> float:
    """The least difference that is not excluded. ln E is convex in it and falls: Newton's
    steps come from the excluded side, and are held inside a shrinking bracket where it is flat."""
    wanted = -math.log(alpha)

    def at(d: float) -> _Point:
        return _kindest(ours, theirs, lambda p: p + d, _span(d), 1.0, paired)

    low, high = -1.0, ours.hits / ours.n - theirs.hits / theirs.n
    if at(low).log < wanted:
        return low
    spread = math.sqrt(sum((arm.hits + 1) / arm.n / arm.n for arm in (ours, theirs)))
    d = max(0.5 * (low + high), high - math.sqrt(2.0 * wanted) * spread)
    for _ in range(100):
        log, slope = at(d)
        low, high = (d, high) if log >= wanted else (low, d)
        following = d + (log - wanted) / -slope if slope < 0.0 else math.nan
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(log - wanted) <= 1e-7 or high - low <= 1e-13:
            return min(d, high)
        d = following
    return low


def _least_ratio(ours: Arm, theirs: Arm, alpha: float, paired: bool) -> float:
    """The least ratio that is not excluded: bisection on its logarithm, on the excluded side; 0 where none is excluded."""
    if not ours.hits:
        return 0.0
    wanted = -math.log(alpha)

    def excluded(ratio: float) -> bool:
        span = (0.0, min(1.0, 1.0 / ratio))
        return _kindest(ours, theirs, lambda p: min(1.0, ratio * p), span, ratio, paired).log >= wanted

    low = -30.0
    high = math.log(ours.hits / ours.n) - (math.log(theirs.hits / theirs.n) if theirs.hits else -30.0)
    if not excluded(math.exp(low)):
        return 0.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if high - low <= 1e-5:
            break
        low, high = (middle, high) if excluded(math.exp(middle)) else (low, middle)
    return math.exp(low)


def _check(ours: Arm, theirs: Arm, alpha_low: float, alpha_high: float) -> None:
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    for arm in (ours, theirs):
        check_counts(arm.hits, arm.n)
