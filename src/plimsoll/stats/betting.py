"""Bets on a rate: exact evidence from the first event on, however often one looks and whenever one stops.

Whoever bets on m-fold odds multiplies a capital of 1 by m/(1 + (m − 1)p) at a hit and by 1/(1 + (m − 1)p) at a miss. If
the rate is p, that is worth 1 on average; if it is lower, and m > 1, less. So the capital after n events,

    E_m(p) = m^hits / (1 + (m − 1)p)^n,

is a test martingale against "the rate is at most p" (it is the likelihood ratio of m-fold odds to p), and a mean of many
bettors' capitals is one too (Waudby-Smith & Ramdas 2024, *Estimating means of bounded random variables by betting*, JRSS B
86; Howard, Ramdas, McAuliffe & Sekhon 2021, *Ann. Statist.* 49). By Ville's inequality it ever reaches 1/α with
probability at most α. Since
m^x ≤ 1 + (m − 1)x on [0, 1], all of this holds for values in [0, 1] as it does for hits.
"""

from __future__ import annotations

import math

from plimsoll.stats.interval import Interval, check_alpha, check_counts

ODDS = (
    *((1.003, 0.25), (1.01, 0.25), (1.03, 0.25), (1.1, 0.5), (1.25, 0.5), (1.5, 1.0), (2.0, 2.0), (3.0, 4.0)),
    *((4.0, 4.0), (6.0, 3.0), (8.0, 2.0), (16.0, 1.0), (64.0, 1.0), (1e3, 0.25), (1e6, 0.25)),
)
"""How many times the odds each bettor backs, and its share of the capital, in parts. Most is on what an incident looks
like, twice to eight times the odds; the small ones are for millions of events, the large ones for a first hit."""

_STAKES = tuple((math.log(m), m - 1.0, math.log(w / math.fsum(part for _, part in ODDS))) for m, w in ODDS)


def log_evidence(hits: float, n: int, rate: float) -> float:
    """ln of the capital that the bets against "the rate is at most ``rate``" have come to."""
    return capital(hits, n, rate)[0]


def rate_sequence(hits: int, n: int, *, alpha_low: float, alpha_high: float) -> Interval:
    """A confidence sequence for a rate: the rates that no capital of 1/α speaks against. Exact from the first event on.

    Events are taken as independent given the past; a burst that comes from one cause counts as what it is, many hits.
    """
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    check_counts(hits, n)
    if n == 0:
        return Interval(math.nan, 0.0, 1.0, "betting", 0)
    low = lowest_rate(hits, n, alpha_low)
    high = 1.0 - lowest_rate(n - hits, n, alpha_high)  # hits are the misses of misses
    return Interval(hits / n, low, min(high, math.nextafter(1.0, 0.0)) if hits < n else 1.0, "betting", n)


def lowest_rate(hits: float, n: int, alpha: float) -> float:
    """The least rate that is not excluded: where the capital is 1/``alpha``. Above zero once there was a hit.

    ln E is convex and falls with the rate, so Newton's steps come from the excluded side and never cross.
    """
    if hits == 0:
        return 0.0
    wanted = -math.log(alpha)
    rate = 0.0 if capital(hits, n, 0.0)[0] <= wanted else hits / n * math.exp(-math.sqrt(2.0 * wanted / hits))
    for _ in range(200):
        log, slope = capital(hits, n, rate)
        following = rate + (log - wanted) / -slope
        following = following if following > 0.0 else 0.5 * rate
        settled = abs(following - rate) <= 1e-13 * rate
        rate = min(rate, following) if settled else following
        if settled:
            break
    return max(rate, math.ulp(0.0))


def capital(hits: float, n: int, rate: float) -> tuple[float, float]:
    """ln of the mean capital of the bets against "at most ``rate``", and its slope with the rate."""
    logs = [share + hits * odds - n * math.log1p(more * rate) for odds, more, share in _STAKES]
    most = max(logs)
    parts = [math.exp(log - most) for log in logs]
    total = math.fsum(parts)
    slopes = (part * more / (1.0 + more * rate) for part, (_, more, _) in zip(parts, _STAKES, strict=True))
    return most + math.log(total), -n * math.fsum(slopes) / total
