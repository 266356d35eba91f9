"""Change detection for what is live: an alarm that comes soon after things get worse, and rarely before.

A cumulative interval is blinded by a good history: after a year at −0.02 it takes months of +0.05 to notice. A
detector forgets what is past and good. These are e-detectors (Shin, Ramdas & Rinaldo 2024, *E-detectors: a
nonparametric framework for sequential change detection*), in the form of Shiryaev and Roberts,

    M = L · (M before + 1),

where L is a bet on the step that is worth at most one on average while all is well: as if a new bettor began at every
step and all were added up. An alarm at M ≥ ``run_length`` then means: while nothing is wrong, the expected number of
steps until a false alarm is at least ``run_length``; with daily blocks, 365 is one false alarm a year at most. The
CUSUM form, M = L · max(M before, 1), keeps the same promise with 20 times to spare and pays for it: at half a
standard deviation it takes 80 days where this takes 45.

A detector's state is a tuple of ln(1 + M), one for each bet, all ≥ 0. It is all that is carried from pass to pass;
feeding steps one by one or together gives the same state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from plimsoll.errors import Broken, UsageError
from plimsoll.stats.evalue import log_mean
from plimsoll.stats.interval import check_counts

BETS = (0.25, 0.5, 0.75, 0.95)
"""Shares of the largest possible stake: small ones find small changes, large ones find large changes soon."""

DEPENDENCE_ALLOWANCE = 2.0
"""How many times ``run_length`` a mean's detector asks for. Independent blocks need no allowance; blocks with an
autocorrelation of 0.15 shorten the run length by a quarter, skewed ones with it by up to a half (simulated)."""

ALTERNATIVES = (1.5, 2.0, 4.0, 8.0, 16.0, 64.0)
"""How many times the limit's odds a rate may have come to: one detector for each."""

_MOST_LOG = 700.0  # e^700 is as certain as a float can say; a state must stay finite to be stored


class Detection(msgspec.Struct, frozen=True):
    """What a detector says now. ``log_e`` is ln(1 + M): the alarm comes at ln(1 + what the promise asks for)."""

    alarm: bool
    log_e: float
    state: tuple[float, ...]
    method: str


def mean_detector(
    state: tuple[float, ...],
    blocks: Sequence[tuple[float, float]],
    *,
    limit: float,
    run_length: float,
) -> Detection:
    """Has the mean of x risen above ``limit``? One step for each block (x, floor).

    ``x`` is a block's mean loss against its comparator, positive where we are worse; ``floor`` is the least it could
    have been, known from the two predictions before any label. The bet on one block is

        1 + f · (x − limit)/(limit − floor),    f from ``BETS``:

    never negative, and worth at most one on average while E[x | the past] ≤ ``limit`` (Waudby-Smith & Ramdas 2024,
    *Estimating means of bounded random variables by betting*). A tight floor makes a strong detector. Raises Broken
    where x lies below its floor.
    """
    _check_run_length(run_length)
    logs = _begun(state, len(BETS))
    for x, floor in blocks:
        edge = _edge(x, floor, limit)
        logs = [_step(log, math.log1p(f * edge)) for log, f in zip(logs, BETS, strict=True)]
    return _detection(logs, DEPENDENCE_ALLOWANCE * run_length, "e-detector-betting")


def _edge(x: float, floor: float, limit: float) -> float:
    """(x − limit) in units of the most that can be lost on the block: −1 at the floor."""
    if not (math.isfinite(x) and math.isfinite(floor)):
        raise Broken(f"a block's value {x!r} and floor {floor!r} must be finite numbers")
    if x < floor - 1e-9 * max(1.0, abs(floor)):
        raise Broken(
            f"a block's value {x:g} lies below its floor {floor:g}",
            hint="the floor is the mean of the row bounds over the very rows that the value is the mean of",
        )
    room = limit - floor
    if room > 0.0:
        return max(-1.0, (x - limit) / room)
    return math.inf if x > limit else 0.0  # whatever the labels, the limit is missed: certain


def rate_detector(
    state: tuple[float, ...],
    increments: Sequence[tuple[int, int]],
    *,
    limit: float,
    run_length: float,
) -> Detection:
    """Has a rate risen above ``limit``? One step for each increment (hits, events); ``run_length`` counts these.

    The bet is the likelihood ratio of a higher rate, with ``ALTERNATIVES`` times the limit's odds, to the limit
    itself: exact for independent events, and worth less than one on average below the limit. An increment without
    events changes nothing.
    """
    _check_run_length(run_length)
    if not 0.0 <= limit < 1.0:
        raise UsageError(f"limit={limit!r}: the limit of a rate lies from 0 to below 1")
    logs = _begun(state, len(ALTERNATIVES))
    for hits, n in increments:
        check_counts(hits, n)
        if n:
            bets = [_log_ratio(hits, n, limit, many) for many in ALTERNATIVES]
            logs = [_step(log, bet) for log, bet in zip(logs, bets, strict=True)]
    return _detection(logs, run_length, "e-detector-likelihood-ratio")


def _log_ratio(hits: int, n: int, limit: float, many: float) -> float:
    if limit == 0.0:  # what must never happen did, or did not
        return math.inf if hits else 0.0
    odds = many * limit / (1.0 - limit)
    rate = odds / (1.0 + odds)
    return hits * math.log(rate / limit) + (n - hits) * (math.log1p(-rate) - math.log1p(-limit))


def _step(log: float, log_bet: float) -> float:
    """ln(1 + M) after M = L · (M before + 1)."""
    grown = log + log_bet
    return _MOST_LOG if grown >= _MOST_LOG else math.log1p(math.exp(grown))


def _begun(state: tuple[float, ...], size: int) -> list[float]:
    if state and len(state) != size:
        raise UsageError(
            f"a detector's state has {size} numbers, not {len(state)}",
            hint="it belongs to another detector or another version; begin with an empty state",
        )
    return list(state) or [0.0] * size


def _detection(logs: list[float], threshold: float, method: str) -> Detection:
    """The mean over the bets is an e-detector again."""
    log_e = log_mean(logs)
    return Detection(log_e >= math.log1p(threshold), log_e, tuple(logs), method)


def _check_run_length(run_length: float) -> None:
    if not run_length > 1.0:
        raise UsageError(f"run_length={run_length!r}: the promised number of steps without a false alarm is above 1")
