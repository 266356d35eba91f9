"""Two arms of a canary whose answers change what happens: false rollbacks, false passes, and how long the truth takes.

A canary shows its answers to a fixed share of the units. Three publics: units that come once; units that come back on three days
in ten, so that an arm's luck in who is in it lasts; and few regulars that come every day. Units differ (a unit's rate is Beta
with a standard deviation of 0.15 around 0.2, what it spends is log-normal), days have shocks that both arms share, with an
autocorrelation of 0.15. A candidate that lies at exactly the margin is worse than an A/A, and harder.

Peers: the same sequence over blocks that does not know that units come back, and a z-test over rows after every block. The last
rows put the delay beside that of pairs: what it would take if both answers to a question could be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.bounds import ALPHA, Bools, Floats, Moments, first, moments, sequence_bound, upper
from benchmarks.streams import days, storms, turned
from benchmarks.table import Row, at_most
from plimsoll.errors import Broken
from plimsoll.stats.sequence import mean_sequence
from plimsoll.stats.special import normal_quantile
from plimsoll.stats.two_arms import cells, difference

RUNS, BATCH = 2_000, 500
BLOCKS, CANARY = 30, 10
SHARE = 0.25
RATE, SPREAD = 0.2, 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """``units`` that there are, and the share of them that comes in a block. ``fresh``: nobody comes twice."""

    name: str
    units: int
    comes: float
    fresh: bool = False


PUBLICS = (
    Public(name="units that come once", units=400, comes=1.0, fresh=True),
    Public(name="units that come back", units=1_200, comes=0.3),
    Public(name="few regulars", units=300, comes=1.0),
)
KINDS = ("rate", "mean", "ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Of many canaries, after each block: the linearised values' moments, what is hidden, and the z-test's error."""

    moments: Moments
    hidden: Floats
    rows_error: Floats


def run() -> list[Row]:
    """Two minutes of a core."""
    return list(rows(np.random.default_rng(20260411)))


def rows(rng: np.random.Generator, runs: int = RUNS) -> Iterator[Row]:
    """A row for each kind, public and mistake; then the delays."""
    yield _same(rng)
    for kind in KINDS:
        for public in PUBLICS:
            yield from _mistakes(rng, kind, public, runs)
    yield from _delays(rng, runs)


def _mistakes(rng: np.random.Generator, kind: str, public: Public, runs: int) -> Iterator[Row]:
    """Of a candidate at exactly its margin."""
    ends = np.zeros((2, 3), dtype=np.int64)
    for _ in range(runs // BATCH):
        seen = simulated(rng, kind, public, BATCH)
        bounds = [(_bound(seen, s), _blind(seen, s), _z(seen, s)) for s in (-1, 1)]
        ends[0] += [int(_fails(b > 0).sum()) for b in bounds[0]]
        ends[1] += [int(_passes(b <= 0).sum()) for b in bounds[1]]
    for what, (ours, blind, z) in zip(("rolled back", "goes live"), ends, strict=True):
        yield at_most(
            f"{kind} at its margin, {public.name}: {what}",
            upper(int(ours), runs),
            100 * ALPHA,
            "%",
            peer="z-test over rows after every block",
            peer_value=upper(int(z), runs),
            note=f"blocks alone, blind to who comes back: {upper(int(blind), runs):.1f} %",
        )


def _fails(hit: Bools) -> Bools:
    return np.asarray(hit.any(-1))


def _passes(hit: Bools) -> Bools:
    return np.asarray(hit[:, CANARY - 1 :].any(-1))


def _bound(seen: Looks, sign: int) -> Floats:
    """The shipped one, with what is hidden."""
    m = seen.moments
    total = np.sqrt((m.error * m.widening) ** 2 + seen.hidden)
    return sequence_bound(replace(m, error=total, widening=np.ones_like(total)), sign, ALPHA)


def _blind(seen: Looks, sign: int) -> Floats:
    return sequence_bound(seen.moments, sign, ALPHA)


def _z(seen: Looks, sign: int) -> Floats:
    return np.asarray(seen.moments.mean + sign * normal_quantile(1 - ALPHA) * seen.rows_error)


# ── canaries ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def simulated(
    rng: np.random.Generator, kind: str, public: Public, runs: int, *, worse: float = 0.0, blocks: int = BLOCKS
) -> Looks:
    """``worse``: by how much more than the margin, as a share of the level. Losses: more is worse, so the signs are turned."""
    split = int(public.units * SHARE)
    shock = days(rng, turned(storms), (runs, blocks), 0.15)
    interaction = days(rng, turned(storms), (runs, blocks), 0.15)
    ours, theirs = (_Arm(runs, blocks) for _ in range(2))
    unit = _units(rng, runs, public.units)
    values, hidden, rows_error = [], [], []
    for block in range(blocks):
        if public.fresh:
            unit = _units(rng, runs, public.units)
        day = 1.0 + 0.05 * shock[:, block, None]
        mine = (1.0 - worse) * (1.0 + 0.01 * interaction[:, block, None])
        x, y = _asked(rng, kind, unit, public.comes, np.where(np.arange(public.units) < split, day * mine, day))
        ours.add(x[:, :split], y[:, :split], fresh=public.fresh)
        theirs.add(x[:, split:], y[:, split:], fresh=public.fresh)
        values.append(theirs.linear() - ours.linear())
        hidden.append(np.maximum(0.0, ours.hidden() + theirs.hidden()))
        rows_error.append(np.sqrt(ours.by_row() + theirs.by_row()))
    return Looks(moments=_anew(values), hidden=np.stack(hidden, 1), rows_error=np.stack(rows_error, 1))


def _units(rng: np.random.Generator, runs: int, units: int) -> tuple[Floats, Floats]:
    """Each one's rate, and what it spends."""
    strength = RATE * (1 - RATE) / SPREAD**2 - 1
    return rng.beta(RATE * strength, (1 - RATE) * strength, (runs, units)), rng.lognormal(0.0, 0.7, (runs, units))


def _asked(
    rng: np.random.Generator, kind: str, unit: tuple[Floats, Floats], comes: float, level: Floats
) -> tuple[Floats, Floats]:
    """Numerator and denominator of each unit's rows in one block: conversions of visits, spending of visits, spending of
    conversions."""
    chance, spends = unit
    visits = (rng.random(chance.shape) < comes) * (1.0 + rng.poisson(1.0, chance.shape))
    of_rate = np.clip(chance * (level if kind != "ratio" else 1.0), 0.0, 1.0)
    converted = rng.binomial(visits.astype(np.int64), of_rate).astype(np.float64)
    if kind == "rate":
        return converted, visits
    spent = converted * spends * (level if kind == "ratio" else 1.0) * rng.lognormal(-0.125, 0.5, chance.shape)
    return (spent, visits) if kind == "mean" else (spent, converted)


class _Arm:
    """Sums of one arm in many canaries, block after block."""

    def __init__(self, runs: int, blocks: int) -> None:
        self.x, self.y = np.zeros((runs, 0)), np.zeros((runs, 0))
        self._unit: tuple[Floats, Floats] | None = None
        self._cells = np.zeros((3, runs))

    def add(self, x: Floats, y: Floats, *, fresh: bool) -> None:
        self.x, self.y = (
            np.concatenate([old, new.sum(1, keepdims=True)], 1) for old, new in ((self.x, x), (self.y, y))
        )
        self._cells = self._cells + _squares(x, y)
        if not fresh:
            self._unit = (x, y) if self._unit is None else (self._unit[0] + x, self._unit[1] + y)

    @property
    def ratio(self) -> Floats:
        return np.asarray(self.x.sum(1) / self.y.sum(1))

    def linear(self) -> Floats:
        r = self.ratio[:, None]
        return np.asarray(r + (self.x - r * self.y) / self.y.mean(1, keepdims=True))

    def hidden(self) -> Floats:
        if self._unit is None:
            return np.zeros(len(self.x))
        return np.asarray(self._pulled(_squares(*self._unit)) - self._pulled(self._cells))

    def by_row(self) -> Floats:
        """As if each unit and block were independent of all others."""
        return self._pulled(self._cells)

    def _pulled(self, squares: Floats) -> Floats:
        """Σ (x − Ry)² / (Σy)²."""
        xx, xy, yy = squares
        r = self.ratio
        return np.asarray((xx - 2 * r * xy + r * r * yy) / self.y.sum(1) ** 2)


def _squares(x: Floats, y: Floats) -> Floats:
    return np.stack([(x * x).sum(1), (x * y).sum(1), (y * y).sum(1)])


def _anew(values: list[Floats]) -> Moments:
    """The moments at each look, of values that are linearised anew at each."""
    looks = [moments(v) for v in values]

    def last(name: str) -> Floats:
        return np.stack([getattr(m, name)[:, -1] for m in looks], 1)

    return Moments(
        n=looks[-1].n,
        mean=last("mean"),
        error=last("error"),
        skewness=last("skewness"),
        widening=last("widening"),
    )


def _same(rng: np.random.Generator) -> Row:
    """The sums above against the shipped functions, on rows."""
    worst, runs, units, blocks = 0.0, 3, 40, 12
    split = units // 4
    arms = [_Arm(runs, blocks) for _ in range(2)]
    unit = _units(rng, runs, units)
    each: list[tuple[Floats, Floats]] = []
    for _ in range(blocks):
        x, y = _asked(rng, "ratio", unit, 0.9, np.ones((runs, units)))
        each.append((x, y))
        arms[0].add(x[:, :split], y[:, :split], fresh=False)
        arms[1].add(x[:, split:], y[:, split:], fresh=False)
    m = moments(arms[1].linear() - arms[0].linear())
    hidden = np.maximum(0.0, arms[0].hidden() + arms[1].hidden())
    seen = Looks(moments=m, hidden=hidden[:, None], rows_error=np.zeros_like(m.mean))
    bound = _bound(seen, 1)[:, -1]
    for run in range(runs):
        ours, theirs = (
            cells(
                np.repeat(np.arange(blocks), units)[np.tile(keep, blocks)],
                np.tile(np.arange(units), blocks)[np.tile(keep, blocks)],
                np.concatenate([x[run] for x, _ in each])[np.tile(keep, blocks)],
                np.concatenate([y[run] for _, y in each])[np.tile(keep, blocks)],
            )
            for keep in (np.arange(units) < split, np.arange(units) >= split)
        )
        found = difference(theirs, ours, blocks)
        shipped = mean_sequence(found.values, alpha_low=ALPHA, alpha_high=ALPHA, hidden=found.hidden)
        worst = max(worst, abs(shipped.high - float(bound[run])))
    if not worst < 1e-9:
        raise Broken(f"the benchmark's bounds differ from the shipped ones by {worst:.3g}")
    return at_most("vectorised bounds against the shipped functions", worst, 1e-9, "")


# ── how long it takes ────────────────────────────────────────────────────────────────────────────────────────────────

LONG = 120


def _delays(rng: np.random.Generator, runs: int) -> Iterator[Row]:
    """A candidate that converts 15 % less than the margin allows: blocks until it is out, beside pairs."""
    for public in PUBLICS:
        found, pairs = [], []
        for _ in range(max(1, runs // 4 // BATCH)):
            seen = simulated(rng, "rate", public, BATCH, worse=0.15, blocks=LONG)
            found.append(first(_bound(seen, -1) > 0))
            pairs.append(first(sequence_bound(_paired(rng, public, BATCH, worse=0.15), -1, ALPHA) > 0))
        ours, theirs = (float(np.median(np.minimum(np.concatenate(f), LONG + 1))) for f in (found, pairs))
        yield Row(
            what=f"rate 15 % below what is allowed, {public.name}: out after (median)",
            ours=ours,
            peer="pairs: both answers to every question seen",
            peer_value=theirs,
            ratio=theirs / ours,
            unit="blocks",
            met=True,
            note="what it costs that no question has two outcomes" if ours <= LONG else f"not within {LONG} blocks",
        )


def _paired(rng: np.random.Generator, public: Public, runs: int, *, worse: float) -> Moments:
    """Each block's mean difference of two outcomes of the same rows, drawn from the same chance."""
    found = np.zeros((runs, LONG))
    shock = days(rng, turned(storms), (runs, LONG), 0.15)
    interaction = days(rng, turned(storms), (runs, LONG), 0.15)
    unit = _units(rng, runs, public.units)
    for block in range(LONG):
        if public.fresh:
            unit = _units(rng, runs, public.units)
        comes = rng.random((runs, public.units)) < public.comes
        chance, drawn = unit[0] * (1.0 + 0.05 * shock[:, block, None]), rng.random((runs, public.units))
        mine = chance * (1.0 - worse) * (1.0 + 0.01 * interaction[:, block, None])
        lost = comes * ((drawn < chance) * 1.0 - (drawn < mine) * 1.0)
        found[:, block] = lost.sum(1) / np.maximum(1, comes.sum(1))
    return moments(found)
