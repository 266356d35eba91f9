"""What a stage can see: the power of its sequences at a look, the smallest effect behind a power, and how long a fault
goes on before it is caught.

Closed forms for one look at n, without the luck of earlier looks: a stage that may stop at any of its looks does a little
better. ``tests/stats/test_power.py`` holds each of them against simulated streams.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

from plimsoll.errors import UsageError
from plimsoll.stats.betting import rate_sequence
from plimsoll.stats.dependence import MOST_RHO, PRIOR_BLOCKS, PRIOR_RHO
from plimsoll.stats.interval import check_alpha
from plimsoll.stats.sequence import START, critical_t, lean_weight
from plimsoll.stats.special import beta_cdf, normal_quantile

MOST_EVENTS = 100_000_000
_SURE = 0.9999


def power_over_blocks(*, n: int, gap: float, sd: float, alpha: float, rho: float = 0.1, planned: int = 20) -> float:
    """The chance that ``mean_sequence``'s bound of error ``alpha`` has cleared a limit after ``n`` blocks.

    ``gap`` is how far the true mean lies on the side that is to be shown: margin − effect for a pass, effect − margin for
    a fail. ``sd`` is from block to block, ``rho`` their autocorrelation. Zero before the sequence speaks (block 10).
    """
    check_blocks(sd=sd, rho=rho)
    check_alpha(alpha_low=alpha, alpha_high=alpha)
    if n < START:
        return 0.0
    if sd == 0.0:
        return float(gap > 0.0)
    return _cleared(n, gap, _Spread(sd=sd, rho=rho), alpha, planned)


def power_of_equivalence(
    *, n: int, margin: float, sd: float, alpha: float, rho: float = 0.1, planned: int = 20
) -> float:
    """The chance that both of ``mean_sequence``'s bounds, each of error ``alpha``, lie within ±``margin`` after ``n`` blocks,
    of a candidate that is equal.

    One spread widens both bounds, so they miss together more often than two tests would: the mean of the chance over
    equally likely spreads, and over the skewness, which moves one of the two.
    """
    check_blocks(sd=sd, rho=rho)
    if n < START or sd == 0.0:
        return float(n >= START and margin > 0.0)
    parts = _parts(n, _Spread(sd=sd, rho=rho), alpha, planned)
    if math.isinf(parts.widened):
        return 0.0
    gap, error = margin * math.sqrt(n) / sd, NormalDist(0.0, parts.error)
    total = 0.0
    for z in _STRATA:
        widened = parts.widened * (1.0 + z / math.sqrt(2.0 * (n - 1)))
        for g in _STRATA:
            above, below = (widened + parts.lean * max(0.0, side * g) for side in (1.0, -1.0))
            total += max(0.0, error.cdf(gap - above) - error.cdf(below - gap))
    return total / len(_STRATA) ** 2


_STRATA = tuple(normal_quantile((i + 0.5) / 15) for i in range(15))
"""Equally likely values of a standard normal."""


def gap_over_blocks(*, n: int, sd: float, alpha: float, power: float, rho: float = 0.1, planned: int = 20) -> float:
    """The gap between limit and true mean that ``n`` blocks show with probability ``power``: the inverse of
    ``power_over_blocks``. Infinite before block 10."""
    check_blocks(sd=sd, rho=rho)
    check_power(power)
    if n < START:
        return math.inf
    widened, noise = _reach(n, _Spread(sd=sd, rho=rho), alpha, planned)
    return sd / math.sqrt(n) * (widened + normal_quantile(power) * noise)


class _Spread(NamedTuple):
    """How blocks vary, and how much more of it a change in their midst adds: ``step`` is its variance, seen as spread
    and as autocorrelation by whoever believes that all blocks have one mean."""

    sd: float
    rho: float
    step: float = 0.0

    @property
    def seen(self) -> float:
        """The spread seen, in true standard deviations."""
        return math.sqrt(1.0 + self.step / self.sd**2) if self.step else 1.0

    @property
    def seen_rho(self) -> float:
        return (self.sd**2 * self.rho + self.step) / (self.sd**2 + self.step) if self.step else self.rho


def _cleared(n: int, gap: float, spread: _Spread, alpha: float, planned: int) -> float:
    widened, noise = _reach(n, spread, alpha, planned)
    return NormalDist().cdf((gap * math.sqrt(n) / spread.sd - widened) / noise)


def _reach(n: int, spread: _Spread, alpha: float, planned: int) -> tuple[float, float]:
    """In units of sd/√n: how far the bound lies above the mean, and the standard error of the two together.

    The mean varies by its own error, and the bound by that of s (relative variance 1/(2(n − 1))). A bound also moves out
    by max(0, G₁) times a factor (``Summary.lean``): half a normal's mean is 1/√(2π), its variance ½ − 1/(2π).
    """
    parts = _parts(n, spread, alpha, planned)
    if math.isinf(parts.widened):
        return math.inf, 1.0
    widened = parts.widened + parts.lean / math.sqrt(2.0 * math.pi)
    of_s = widened * widened / (2.0 * (n - 1))
    of_lean = parts.lean**2 * (0.5 - 0.5 / math.pi)
    return widened, math.sqrt(parts.error**2 + of_s + of_lean)


class _Parts(NamedTuple):
    """Of a bound, in units of sd/√n: how far it lies out without skewness, how much further a standard deviation of the
    skewness moves it, and the standard error of the mean."""

    widened: float
    lean: float
    error: float


def _parts(n: int, spread: _Spread, alpha: float, planned: int) -> _Parts:
    """n Gaussian blocks have a skewness G₁ of 0 ± √(6n(n − 1)/((n − 2)(n + 1)(n + 3))) (Joanes & Gill 1998). What is believed
    of the autocorrelation is shrunk towards the prior, as in ``dependence``."""
    believed = min(MOST_RHO, (PRIOR_BLOCKS * PRIOR_RHO + n * spread.seen_rho) / (PRIOR_BLOCKS + n))
    widening = spread.seen * math.sqrt((1.0 + believed) / (1.0 - believed))
    error = math.sqrt((1.0 + spread.rho) / (1.0 - spread.rho))
    critical = critical_t(n, alpha, planned)
    if math.isinf(critical):
        return _Parts(math.inf, 0.0, error)
    skewness = math.sqrt(6.0 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
    lean = lean_weight(alpha) * (1.0 + 2.0 * critical * critical) / (6.0 * math.sqrt(n)) * skewness
    return _Parts(widening * critical, widening * lean, error)


def blocks_until_caught(
    *,
    effect: float,
    margin: float,
    sd: float,
    alpha: float,
    most: int,
    clean: int = 0,
    rho: float = 0.1,
    planned: int = 20,
) -> tuple[float, float]:
    """The expected number of blocks, ``most`` at most, until a loss of ``effect`` is shown to exceed ``margin``, and the
    chance that it is shown within ``most``.

    ``clean`` blocks without the fault come before, and hide it: the mean is diluted, and the step from one level to the
    other counts as spread and as dependence.
    """
    check_blocks(sd=sd, rho=rho)
    waited, caught = 0.0, 0.0
    for k in range(1, most + 1):
        waited += 1.0 - caught
        n, share = clean + k, k / (clean + k)
        gap = effect * share - margin
        if n >= START and sd > 0.0:
            spread = _Spread(sd=sd, rho=rho, step=effect**2 * share * (1.0 - share))
            caught = max(caught, _cleared(n, gap, spread, alpha, planned))
        elif n >= START and gap > 0.0:
            caught = 1.0
    return waited, caught


# ── rates ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def power_of_rate(*, n: int, limit: float, rate: float, alpha: float) -> float:
    """The chance that ``rate_sequence`` has decided about ``limit`` after ``n`` events: for a ``rate`` below it, that it
    holds; for one above, that it does not. Exact for this one look (binomial)."""
    check_rates(limit=limit, rate=rate)
    if n == 0 or rate == limit:
        return 0.0
    if rate < limit:
        most = _most_hits(n, lambda k: rate_sequence(k, n, alpha_low=alpha, alpha_high=alpha).high <= limit)
        return 0.0 if most < 0 else binomial_cdf(most, n, rate)
    least = 1 + _most_hits(n, lambda k: rate_sequence(k, n, alpha_low=alpha, alpha_high=alpha).low <= limit)
    return 0.0 if least > n else 1.0 - binomial_cdf(least - 1, n, rate)


def rate_events_to_catch(*, limit: float, rate: float, alpha: float, power: float, most: int = MOST_EVENTS) -> int:
    """How many events until ``rate_sequence`` shows with probability ``power`` that ``rate`` exceeds ``limit``;
    ``most`` if that takes as long."""
    check_rates(limit=limit, rate=rate)
    check_power(power)
    low, high = 0, 1
    while power_of_rate(n=high, limit=limit, rate=rate, alpha=alpha) < power:
        if high >= most or rate <= limit:
            return most
        low, high = high, min(2 * high, most)
    while high - low > max(1, low // 256):
        middle = (low + high) // 2
        shown = power_of_rate(n=middle, limit=limit, rate=rate, alpha=alpha) >= power
        low, high = (low, middle) if shown else (middle, high)
    return high


def rate_seen(*, n: int, limit: float, alpha: float, power: float) -> float:
    """The smallest rate above ``limit`` that ``n`` events show with probability ``power``; infinite where none is."""
    check_rates(limit=limit, rate=limit)
    check_power(power)
    low, high = limit, 1.0
    if n == 0 or power_of_rate(n=n, limit=limit, rate=high, alpha=alpha) < power:
        return math.inf
    while high - low > 1e-3 * low:
        middle = math.sqrt(low * high)
        shown = power_of_rate(n=n, limit=limit, rate=middle, alpha=alpha) >= power
        low, high = (low, middle) if shown else (middle, high)
    return high


def events_until_caught(*, limit: float, rate: float, alpha: float, most: int) -> tuple[float, float]:
    """The expected number of events, ``most`` at most, until ``rate`` is shown to exceed ``limit``, and the chance that it
    is within ``most``."""
    return looked_at_until_caught(lambda n: power_of_rate(n=n, limit=limit, rate=rate, alpha=alpha), most)


def looked_at_until_caught(power: Callable[[int], float], most: int) -> tuple[float, float]:
    """The expected number of events, ``most`` at most, until what n events show with the chance ``power(n)`` is shown, and the
    chance that it is within ``most``: the trapezoid over looks a tenth apart."""
    at, waited, caught, before = 0, 0.0, 0.0, 0
    while at < most and caught < _SURE:
        at = min(most, max(at + 1, round(1.1 * at)))
        now = max(caught, power(at))
        waited += (at - before) * (1.0 - 0.5 * (caught + now))
        caught, before = now, at
    return waited + (most - at) * (1.0 - caught), caught


def _most_hits(n: int, holds: Callable[[int], bool]) -> int:
    """The most hits among ``n`` for which it ``holds``; −1 if it does for none. It holds up to some number."""
    if not holds(0):
        return -1
    low, high = 0, n + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def binomial_cdf(k: int, n: int, rate: float) -> float:
    """P(X ≤ k) of a binomial, by the incomplete beta function (Abramowitz & Stegun 26.5.24)."""
    if k < 0:
        return 0.0
    if k >= n or rate <= 0.0:
        return 1.0
    return 0.0 if rate >= 1.0 else beta_cdf(1.0 - rate, n - k, k + 1.0)


# ── what cannot be asked ─────────────────────────────────────────────────────────────────────────────────────────────


def check_blocks(*, sd: float, rho: float) -> None:
    """Raises UsageError for a spread or an autocorrelation that no stream has."""
    if not (0 <= sd < math.inf and 0 <= rho < 1):
        raise UsageError(f"sd={sd!r}, rho={rho!r}: sd is finite and ≥ 0, rho from 0 to below 1")


def check_power(power: float) -> None:
    if not 0 < power < 1:
        raise UsageError(f"power={power!r}: a chance lies between 0 and 1", hint="0.8 is the usual")


def check_rates(*, limit: float, rate: float) -> None:
    if not 0 < limit < 1 or not 0 <= rate <= 1:
        raise UsageError(f"limit={limit!r}, rate={rate!r}: a limit lies between 0 and 1, a rate from 0 to 1")
