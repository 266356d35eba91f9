"""The shipped bounds and the plan of a rollout, for many streams at once.

``sequences`` checks that they are ``mean_sequence``'s to 1e-9. A rollout here is a shadow of 10 to 30 blocks and then a
canary of 7 to 30 more, on one sequence, as the kernel has it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from plimsoll.errors import Broken
from plimsoll.stats.change import BETS, DEPENDENCE_ALLOWANCE, mean_detector
from plimsoll.stats.dependence import MOST_RHO, PRIOR_BLOCKS, PRIOR_RHO
from plimsoll.stats.interval import exact_rate
from plimsoll.stats.onset import SHARE, part, starts
from plimsoll.stats.sequence import START, critical_t, lean_weight

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ALPHA = 0.05
SHADOW, CANARY, DEADLINE = 10, 7, 30
LONGEST = 2 * DEADLINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Of the first n values of each stream, n along the last axis."""

    n: NDArray[np.int64]
    mean: Floats
    error: Floats  # of the mean, as if independent
    skewness: Floats
    widening: Floats


def moments(xs: Floats) -> Moments:
    """What ``stats.summary`` computes, for every n from START on."""
    n = np.arange(1, xs.shape[-1] + 1)
    total = xs.cumsum(-1)
    mean = total / n
    second = np.maximum((xs**2).cumsum(-1) / n - mean**2, 1e-100)
    third = (xs**3).cumsum(-1) / n - 3 * mean * (xs**2).cumsum(-1) / n + 2 * mean**3
    products = np.zeros_like(xs)
    products[..., 1:] = (xs[..., 1:] * xs[..., :-1]).cumsum(-1)
    together = products - mean * (2 * total - xs - xs[..., :1]) + (n - 1) * mean**2
    plain = together / (n * second)
    rho = np.clip(plain + (1 + 3 * plain) / n, -1, 1)
    believed = np.clip((PRIOR_BLOCKS * PRIOR_RHO + n * rho) / (PRIOR_BLOCKS + n), 0.0, MOST_RHO)
    spread, late = np.maximum(n - 1, 1), np.maximum(n - 2, 1)
    return Moments(
        n=n,
        mean=mean,
        error=np.sqrt(second / spread),
        skewness=third / second**1.5 * np.sqrt(n * spread) / late,
        widening=np.sqrt((1 + believed) / (1 - believed)),
    )


def all_moments(xs: Floats) -> Moments:
    """The same of all values alone: the last of ``moments``."""
    n = xs.shape[-1]
    mean = xs.mean(-1, keepdims=True)
    centred = xs - mean
    second = np.maximum((centred**2).mean(-1, keepdims=True), 1e-100)
    plain = (centred[..., 1:] * centred[..., :-1]).sum(-1, keepdims=True) / (n * second)
    rho = np.clip(plain + (1 + 3 * plain) / n, -1, 1)
    believed = np.clip((PRIOR_BLOCKS * PRIOR_RHO + n * rho) / (PRIOR_BLOCKS + n), 0.0, MOST_RHO)
    return Moments(
        n=np.array([n]),
        mean=mean,
        error=np.sqrt(second / (n - 1)),
        skewness=(centred**3).mean(-1, keepdims=True) / second**1.5 * math.sqrt(n * (n - 1)) / (n - 2),
        widening=np.sqrt((1 + believed) / (1 - believed)),
    )


def sequence_bound(m: Moments, sign: int, alpha: float, planned: int = 20) -> Floats:
    """``mean_sequence``'s upper (sign 1) or lower (−1) bound."""
    critical = np.array([critical_t(int(n), alpha, planned) for n in m.n])
    lean = np.where(np.isfinite(critical), (1 + 2 * critical**2) / (6 * np.sqrt(m.n)), 0.0)
    reach = critical + lean_weight(alpha) * lean * np.maximum(0.0, sign * m.skewness)
    return m.mean + sign * m.error * m.widening * reach


def t_bound(m: Moments, sign: int, alpha: float) -> Floats:
    """Student's, as if this look were the only one and blocks were independent."""
    critical = scipy_stats.t.ppf(1 - alpha, np.maximum(m.n - 1, 1))
    return np.where(m.n > 1, m.mean + sign * m.error * critical, sign * np.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """How rollouts ended, as numbers of them, and the median block of going live."""

    rolled_back: int
    live: int
    median_live: float


def first(hit: Bools) -> NDArray[np.int64]:
    """The block (from 1) at which each stream first hits; beyond every deadline if it never does."""
    return np.where(hit.any(-1), hit.argmax(-1) + 1, 10 * LONGEST)


def fails(xs: Floats, alpha: float, *, planned: int = 20, truth: Floats | None = None) -> tuple[Bools, Bools]:
    """At which blocks each stream fails, from its beginning or since a later start (``stats.onset``), and at which it does so
    by blocks whose ``truth`` is within the margin (on average; without ``truth``, all are)."""
    length = xs.shape[-1]
    failing, wrongly = (np.zeros(xs.shape, dtype=bool) for _ in range(2))
    for j in range(max(1, length // START)):
        begin, share = j * START, SHARE * part(j) if j else 1.0 - SHARE
        low = sequence_bound(moments(xs[..., begin:]), -1, share * alpha, planned) > 0
        looked = np.array([not j or j in dict(starts(n // START)) for n in range(begin + 1, length + 1)])
        found = low & looked
        failing[..., begin:] |= found
        if truth is None:
            wrongly[..., begin:] |= found
        else:
            wrongly[..., begin:] |= found & (truth[..., begin:].cumsum(-1) <= 0)
    return failing, wrongly


def fails_now(xs: Floats, alpha: float) -> Bools:
    """Whether each stream fails at its last block, all of it being known anew."""
    found = sequence_bound(all_moments(xs), -1, (1.0 - SHARE) * alpha)[..., -1] > 0
    for j, share in starts(xs.shape[-1] // START):
        found |= sequence_bound(all_moments(xs[..., j * START :]), -1, share * alpha)[..., -1] > 0
    return np.asarray(found)


def ended(failing: Bools, passing: Bools, *, wrongly: tuple[Bools, Bools] | None = None) -> Ends:
    """Walk the plan: shadow until it passes or its deadline, then canary; a fail in between takes it out. ``wrongly``: the
    blocks at which failing and passing are wrong; without it all ends count."""
    block = np.arange(1, failing.shape[-1] + 1)
    shadow = first(passing & (block >= SHADOW))
    in_canary = shadow <= DEADLINE
    live = first(passing & (block >= (shadow + CANARY)[:, None]))
    goes_live = in_canary & (live <= shadow + DEADLINE)
    end = np.where(goes_live, live, np.where(in_canary, shadow + DEADLINE, DEADLINE))
    out = first(failing) <= end
    reached = goes_live & ~out
    if wrongly is not None:
        at, then = (np.minimum(x, failing.shape[-1])[:, None] - 1 for x in (first(failing), live))
        out = out & np.take_along_axis(wrongly[0], at, 1)[:, 0]
        reached = reached & np.take_along_axis(wrongly[1], then, 1)[:, 0]
    return Ends(
        rolled_back=int(out.sum()),
        live=int(reached.sum()),
        median_live=float(np.median(live[reached])) if reached.any() else math.nan,
    )


def upper(hits: int, n: int = 10_000) -> float:
    """The upper 95 % bound of a simulated share, in per cent."""
    return 100 * exact_rate(hits, n, alpha_low=0.05, alpha_high=0.05).high


def alarms(xs: Floats, floor: float, run_length: float) -> NDArray[np.int64]:
    """The block of ``mean_detector``'s first alarm in each stream, limit 0; one past the end if there is none."""
    bets = np.array(BETS)[:, None]
    evidence = np.zeros((len(BETS), len(xs)))
    found = np.full(len(xs), xs.shape[1] + 1)
    for i in range(xs.shape[1]):
        evidence = (1.0 + bets * xs[:, i] / -floor) * (evidence + 1.0)
        ringing = evidence.mean(0) >= DEPENDENCE_ALLOWANCE * run_length
        found = np.where(ringing & (found > i + 1), i + 1, found)
    return found


def check_alarms(xs: Floats, floor: float, run_length: float) -> None:
    """Raise Broken where the shipped detector rings at another block."""
    for stream, ours in zip(xs, alarms(xs, floor, run_length), strict=True):
        state: tuple[float, ...] = ()
        rang = len(stream) + 1
        for i, x in enumerate(stream, 1):
            found = mean_detector(state, [(float(x), floor)], limit=0.0, run_length=run_length)
            state = found.state
            if found.alarm:
                rang = i
                break
        if rang != ours:
            raise Broken(f"the benchmark's detector rings at block {ours}, the shipped one at {rang}")
