"""Every kind of metric through simulated rollouts: how often one that is as good as allowed is rolled back, or another that
is just too bad goes live.

What is compared lies at exactly its margin, what is limited at exactly its limit: worse than an A/A, and harder. Blocks have
200 events (of a rate: days of 960); streams and their dependence are those of ``streams``. The bounds are the shipped ones in
NumPy, as in ``sequences``; AUC and the ratio come from the jackknife's pseudo-values of all blocks so far, made anew at every
look. Where the difference goes with the months there is no one true value: who is rolled back though the mean of its own days
(those that it fails by) is within the margin is wrong, and so is who goes live though the mean of its days is beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.bounds import (
    ALPHA,
    LONGEST,
    Ends,
    Floats,
    all_moments,
    ended,
    fails,
    fails_now,
    moments,
    sequence_bound,
    upper,
)
from benchmarks.levels import check, convicted_within, shown_below
from benchmarks.streams import STREAMS, Draw
from benchmarks.table import Row, at_most
from plimsoll.stats.sequence import START
from plimsoll.stats.split import split_evidence

ROLLOUTS, BATCH, PER_BLOCK = 2_000, 1_000, 200
BINS = 16
Ints = NDArray[np.int64]


class Walked(NamedTuple):
    """How rollouts ended. ``all``: at exactly the margin each is wrong. ``wrong``: those that are wrong about their own days,
    whose mean lies on the other side of the margin: of a difference that goes with the months, that is all that there is."""

    all: Ends
    wrong: Ends


Walk = Callable[[np.random.Generator, Draw, int, bool], Walked]
"""(rng, stream, runs, eased) → how these rollouts ended. ``eased``: as good as the champion, which the margin leaves room for;
a rate, six tenths of its limit."""
OWN_DAYS = "replayed days, two kinds of model"
"""The stream whose mean is no one number: what is promised on it is about the days of each rollout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """``by_window``: whether a rollout's own days say what is true; else, the long run."""

    name: str
    walk: Walk
    margin: str = "margin"
    by_window: bool = True


def run() -> list[Row]:
    """About two minutes."""
    return list(rows(np.random.default_rng(20260403)))


def kinds() -> tuple[Kind, ...]:
    """One of each."""
    return (
        Kind(name="error rate", walk=_rate(0.005, 0.5), margin="limit"),
        Kind(name="latency p95", walk=_rate(0.05, 0.3), margin="limit"),
        Kind(name="accuracy", walk=_over_blocks(_accuracy, room=0.006)),
        Kind(name="log loss", walk=_over_blocks(_log_loss, room=0.01)),
        Kind(name="AUC", walk=_over_pseudo(_auc_counts, _auc, room=0.006), by_window=False),
        Kind(name="ratio", walk=_over_pseudo(_ratio_sums, _ratio, room=0.02), by_window=False),
    )


def rows(rng: np.random.Generator, rollouts: int = ROLLOUTS) -> Iterator[Row]:
    """A row for each kind, stream and mistake."""
    for kind in kinds():
        for name, stream in STREAMS.items():
            ended = walked(rng, kind, stream, rollouts, eased=False)
            own = name == OWN_DAYS and kind.by_window
            where = f"{kind.name} at its {kind.margin}, {name}"
            for mistake in ("rolled back", "goes live"):
                share, year = (upper(_of(ends, mistake), rollouts) for ends in (ended.wrong, ended.all))
                yield _row(f"{where}: {mistake}", share if own else year, True)
                if own:
                    yield _row(f"{where}, by the year's mean: {mistake}", year, False)
            if name == OWN_DAYS:
                eased = walked(rng, kind, stream, rollouts, eased=True).all.rolled_back
                yield _row(f"{kind.name}, A/A, {name}: rolled back", upper(eased, rollouts), True)
    yield _row("a canary's split of 25 %, looks every 25 units: called broken", _splits(rng, 10 * rollouts), True, 0.1)


def _of(ends: Ends, mistake: str) -> int:
    return ends.rolled_back if mistake == "rolled back" else ends.live


def walked(rng: np.random.Generator, kind: Kind, stream: Draw, rollouts: int, *, eased: bool) -> Walked:
    """So many rollouts, a batch at a time."""
    size = min(BATCH, rollouts)
    parts = [kind.walk(rng, stream, size, eased) for _ in range(rollouts // size)]
    return Walked(_sum([p.all for p in parts]), _sum([p.wrong for p in parts]))


def _sum(parts: list[Ends]) -> Ends:
    return Ends(rolled_back=sum(p.rolled_back for p in parts), live=sum(p.live for p in parts), median_live=math.nan)


def _row(what: str, share: float, promised: bool, most: float = 100 * ALPHA) -> Row:
    if promised:
        return at_most(what, share, most, "%")
    return Row(what=what, ours=share, unit="%", met=True, note="published, not promised")


# ── means over blocks ────────────────────────────────────────────────────────────────────────────────────────────────


def _over_blocks(draw: Callable[[np.random.Generator, Floats], tuple[Floats, Floats]], *, room: float) -> Walk:
    """``draw``: the blocks' values, and what they are without the events' own chance."""

    def walk(rng: np.random.Generator, stream: Draw, runs: int, eased: bool) -> Walked:
        xs, truth = (v - room * eased for v in draw(rng, stream(rng, (runs, LONGEST))))
        failing, wrongly = fails(xs, ALPHA, truth=truth)
        passing = sequence_bound(moments(xs), 1, ALPHA) <= 0
        above = truth.cumsum(1) / np.arange(1, LONGEST + 1) > 0
        return Walked(ended(failing, passing), ended(failing, passing, wrongly=(wrongly, above)))

    return walk


def _accuracy(rng: np.random.Generator, level: Floats) -> tuple[Floats, Floats]:
    """Both disagree on a tenth of the rows; who is right there moves from block to block."""
    worse = np.clip(0.05 + 0.015 * level, 0.0, 0.1)
    disagree = rng.binomial(PER_BLOCK, 0.1, level.shape)
    return (2 * rng.binomial(disagree, worse / 0.1) - disagree) / PER_BLOCK, 2 * worse - 0.1


def _log_loss(rng: np.random.Generator, level: Floats) -> tuple[Floats, Floats]:
    """Few rows decide: each row's difference is exponential to both sides, with half as much again on the better one."""
    ups, downs = rng.gamma(PER_BLOCK, 0.2, level.shape), rng.gamma(PER_BLOCK / 1.5, 0.3, level.shape)
    return (ups - downs) / PER_BLOCK + 0.04 * level, 0.04 * level


# ── what needs all rows: pseudo-values, anew at every look ───────────────────────────────────────────────────────────


def _over_pseudo(
    draw: Callable[[np.random.Generator, Floats], tuple[Floats, ...]],
    value: Callable[..., tuple[Floats, Floats]],
    *,
    room: float,
) -> Walk:
    """``value``: of the sums up to a look and of all blocks but one, as (whole, leaving each out)."""

    def walk(rng: np.random.Generator, stream: Draw, runs: int, eased: bool) -> Walked:
        parts = draw(rng, stream(rng, (runs, LONGEST)))
        failing, passing = (np.zeros((runs, LONGEST), dtype=bool) for _ in range(2))
        for n in range(START, LONGEST + 1):
            whole, without = value(*(p[:, :n] for p in parts))
            pseudo = n * whole[:, None] - (n - 1) * without - room * eased
            failing[:, n - 1] = fails_now(pseudo, ALPHA)
            passing[:, n - 1] = sequence_bound(all_moments(pseudo), 1, ALPHA)[:, -1] <= 0
        ends = ended(failing, passing)
        return Walked(ends, ends)

    return walk


def _auc_counts(rng: np.random.Generator, level: Floats) -> tuple[Floats, ...]:
    """Negatives and positives in bins of the score, of the candidate and of the champion; the candidate's separation moves."""
    edges = np.linspace(-2, 3, BINS - 1)
    found = []
    for apart in (1.0 - 0.1 * level, np.ones_like(level)):
        for shift, many in ((np.zeros_like(level), PER_BLOCK * 3 // 4), (apart, PER_BLOCK // 4)):
            below = _normal_cdf(edges - shift[..., None])
            chances = np.diff(below, axis=-1, prepend=0.0, append=1.0)
            found.append(rng.multinomial(many, chances / chances.sum(-1, keepdims=True)).astype(float))
    return tuple(found)


def _normal_cdf(x: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(x))


def _auc(n0: Floats, p0: Floats, n1: Floats, p1: Floats) -> tuple[Floats, Floats]:
    """The champion's AUC less the candidate's: of all, and without each block."""
    (ours, each), (theirs, others) = _one_auc(n0, p0), _one_auc(n1, p1)
    return theirs - ours, others - each


def _one_auc(negatives: Floats, positives: Floats) -> tuple[Floats, Floats]:
    below = negatives.cumsum(-1) - 0.5 * negatives
    all_below, all_positives = below.sum(1, keepdims=True), positives.sum(1, keepdims=True)
    won = (all_positives * all_below).sum(-1)
    left = won - (positives * all_below + all_positives * below - positives * below).sum(-1)
    n, p = negatives.sum(-1), positives.sum(-1)
    n_all, p_all = n.sum(1, keepdims=True), p.sum(1, keepdims=True)
    return (won / (n_all * p_all))[:, 0], left / ((n_all - n) * (p_all - p))


def _ratio_sums(rng: np.random.Generator, level: Floats) -> tuple[Floats, ...]:
    """Cost per answer: what the candidate's and the champion's requests cost, and how many were answered."""
    cost = rng.gamma(PER_BLOCK * 0.5, 2.0, level.shape) * np.exp(0.05 * level)
    cost = cost / np.exp(0.05**2 / 2)
    served = rng.binomial(PER_BLOCK, 0.8, level.shape).astype(float)
    return (
        cost,
        served,
        rng.gamma(PER_BLOCK * 0.5, 2.0, level.shape),
        rng.binomial(PER_BLOCK, 0.8, level.shape).astype(float),
    )


def _ratio(x0: Floats, y0: Floats, x1: Floats, y1: Floats) -> tuple[Floats, Floats]:
    sums = [p.sum(1, keepdims=True) for p in (x0, y0, x1, y1)]
    whole = sums[0] / sums[1] - sums[2] / sums[3]
    return whole[:, 0], (sums[0] - x0) / (sums[1] - y0) - (sums[2] - x1) / (sums[3] - y1)


# ── rates, looked at every hour ──────────────────────────────────────────────────────────────────────────────────────

HOURS, PER_HOUR, STAGE = 24, 40, 10
EVERY = 2
"""Hours between two looks: with all of them it takes twice as long, and a cell differs by less than half a point."""


def _rate(limit: float, swing: float) -> Walk:
    """Looks over twenty days, by the candidate's own counts alone: that the champion fails on the same hours too would excuse
    it (``Observer._shared``), and is left out here."""

    def walk(rng: np.random.Generator, stream: Draw, runs: int, eased: bool) -> Walked:
        level = np.exp(swing * stream(rng, (runs, 2 * STAGE)))
        chance = np.clip((0.6 if eased else 1.0) * limit * level / level.mean(), 0.0, 1.0)
        hits = rng.binomial(EVERY * PER_HOUR, chance[..., None], (*chance.shape, HOURS // EVERY)).cumsum(-1)
        days = hits[..., -1]
        check(days[:2], _events(2 * STAGE, HOURS), limit)
        failed, wrongly = (np.zeros(runs, dtype=bool) for _ in range(2))
        for day in range(2 * STAGE):
            looks = convicted_within(days[:, :day], hits[:, day], HOURS * PER_HOUR, limit, ALPHA, chance[:, : day + 1])
            for found, untrue in looks:
                wrongly |= ~failed & untrue
                failed |= found
        live = ~failed & shown_below(days, _events(2 * STAGE, HOURS), limit, ALPHA)
        over = chance.mean(1) > limit
        return Walked(
            *(
                Ends(rolled_back=int(a.sum()), live=int(b.sum()), median_live=math.nan)
                for a, b in ((failed, live), (wrongly, live & over))
            )
        )

    return walk


def _events(days: int, hours: int) -> Ints:
    """Of so many days, the last of which is ``hours`` old."""
    return PER_HOUR * np.array([HOURS] * (days - 1) + [hours])


def _splits(rng: np.random.Generator, rollouts: int) -> float:
    """Of canaries with a good split, how many are called broken within 5,000 units."""
    looks, units = 200, 25
    candidate = rng.binomial(units, 0.25, (rollouts, looks)).cumsum(1)
    broken = np.zeros(rollouts, dtype=bool)
    for look in range(looks):
        n = units * (look + 1)
        seen, where = np.unique(candidate[:, look], return_inverse=True)
        over = [split_evidence((int(x), int(n - x)), (0.25, 0.75)) >= math.log(1000) for x in seen]
        broken |= np.array(over)[where]
    return upper(int(broken.sum()), rollouts)
