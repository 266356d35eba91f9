"""How many events until a fault is caught, at the same false-alarm rate of 5 %.

Ours is the kernel's verdict on a canary, looked at every second. Its peers: an SPRT that knows everything (Wald 1945: both
distributions to the letter, looked at as often), a test at a fixed size planned for that very effect (5 %, power 95 %), and
a count and a threshold (five one-minute measurements, two failed ones end it; the threshold is put where that is wrong in
5 %). Events are independent here, and labels come at once: this is about the statistics, not about waiting for outcomes.

Error rates and latencies are judged from the first event on. Log loss is judged over blocks of ten events: 500 ms at
20 requests a second, 50 ms at 200, with a policy that plans for 80 blocks.

Looks of all runs at once are computed in NumPy; of some runs the shipped ``judge`` gives the verdict at the look that
convicts, and at the one before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from benchmarks.bounds import Bools, Floats, fails, first, moments, sequence_bound, upper
from benchmarks.levels import above, convicted
from benchmarks.table import Row, at_most
from plimsoll.errors import Broken
from plimsoll.kernel.requirement import Requirement, no_worse
from plimsoll.kernel.requirement import at_most as requires_at_most
from plimsoll.kernel.verdict import Block, Count, Evidence, Policy, Ruling, judge
from plimsoll.stats.onset import SHARE

ALPHA, POWER = 0.05, 0.95
RATES = (20, 200)
RUNS, BATCH, CHECKED = 2_000, 250, 20
PER_BLOCK = 10
POLICY = Policy(alpha=ALPHA, planned_blocks=80)
_NOW = datetime(2026, 4, 1, tzinfo=UTC)
_NEVER = 10**9

Draw = Callable[[np.random.Generator, tuple[int, int], bool], tuple[Floats, Floats]]
"""(rng, shape, broken) → what we see of each event, and the log likelihood ratio of it for who knows everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """``size``: of the test at a fixed size. ``limit``: of the rate, where ours is one. ``times``: the SPRT's that we may
    take."""

    name: str
    draw: Draw
    size: int
    events: int
    requirement: Requirement
    limit: float | None = None
    times: float = 1.5


def run() -> list[Row]:
    """About two minutes."""
    rng = np.random.default_rng(20260402)
    return [*(row for fault in faults() for rate in RATES for row in _rows(rng, fault, rate)), *_onsets(rng)]


# ── faults ───────────────────────────────────────────────────────────────────────────────────────────────────────────

GOOD_RATE, BAD_RATE = 0.005, 0.02
SLOWER, SPREAD = math.log(1.3), 0.5
"""Latencies are log-normal: a median of 20 ms, and a spread (of the logarithm) of a half."""
WORSE = (0.0267, 0.4767)
BROKEN = (0.0322, 0.311)
"""Mean and standard deviation of the difference in log loss, event by event."""


def faults() -> tuple[Fault, ...]:
    """The four of the promise."""
    slow = math.exp(math.log(20) + SPREAD * float(scipy_stats.norm.isf(0.05)))
    worse = no_worse("log_loss", margin=1e-9, than="champion")
    return (
        Fault(
            name="error rate 0.5 % → 2 % (limit 0.5 %)",
            draw=_errors,
            size=_binomial_size(),
            events=4_000,
            requirement=requires_at_most("error_rate", GOOD_RATE),
            limit=GOOD_RATE,
        ),
        Fault(name="log loss +5 %", draw=_worse, size=_size(WORSE), events=12_000, requirement=worse),
        Fault(name="a broken slice of 10 %", draw=_broken, size=_size(BROKEN), events=4_000, requirement=worse),
        Fault(
            name="latency +30 % (p95 at its limit)",
            draw=_slower,
            size=_size((SLOWER, SPREAD)),
            events=2_000,
            requirement=requires_at_most("latency_p95_ms", slow),
            limit=0.05,
            times=3.0,
        ),
    )


def _errors(rng: np.random.Generator, shape: tuple[int, int], broken: bool) -> tuple[Floats, Floats]:
    hits = rng.random(shape) < (BAD_RATE if broken else GOOD_RATE)
    hit, miss = math.log(BAD_RATE / GOOD_RATE), math.log((1 - BAD_RATE) / (1 - GOOD_RATE))
    return hits.astype(float), np.where(hits, hit, miss)


def _slower(rng: np.random.Generator, shape: tuple[int, int], broken: bool) -> tuple[Floats, Floats]:
    log = SPREAD * rng.standard_normal(shape) + (SLOWER if broken else 0.0)
    over = log > SPREAD * scipy_stats.norm.isf(0.05)
    return over.astype(float), _normal_ratio(log, (SLOWER, SPREAD))


def _worse(rng: np.random.Generator, shape: tuple[int, int], broken: bool) -> tuple[Floats, Floats]:
    """Two trainings with errors of their own on the logit scale; the candidate's are larger."""
    truth, y = _truth(rng, shape)
    ours = truth + (0.9162 if broken else 0.7) * rng.standard_normal(shape)
    x = _log_loss(ours, y) - _log_loss(truth + 0.7 * rng.standard_normal(shape), y)
    return x, _normal_ratio(x, WORSE)


def _broken(rng: np.random.Generator, shape: tuple[int, int], broken: bool) -> tuple[Floats, Floats]:
    """The same model, whose answers to a tenth of the requests are noise; a model that is not broken is another seed's."""
    truth, y = _truth(rng, shape)
    theirs = truth + 0.7 * rng.standard_normal(shape)
    noise = 1.4 * rng.standard_normal(shape) - 0.8
    ours = np.where(rng.random(shape) < 0.1, noise, theirs) if broken else theirs + 0.3 * rng.standard_normal(shape)
    x = _log_loss(ours, y) - _log_loss(theirs, y)
    if not broken:
        x = x - 0.00703  # as good, not as alike: what the noise costs is taken off
    return x, _normal_ratio(x, BROKEN)


def _truth(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Floats, Bools]:
    logit = 1.6 * rng.standard_normal(shape) - 0.8
    return logit, rng.random(shape) < 1 / (1 + np.exp(-logit))


def _log_loss(logit: Floats, y: Bools) -> Floats:
    return np.logaddexp(0.0, np.where(y, -logit, logit))


def _normal_ratio(x: Floats, shifted: tuple[float, float]) -> Floats:
    mean, sd = shifted
    return mean / sd**2 * (x - mean / 2)


def _size(shifted: tuple[float, float]) -> int:
    mean, sd = shifted
    reach = scipy_stats.norm.isf(ALPHA) + scipy_stats.norm.isf(1 - POWER)
    return math.ceil((reach * sd / mean) ** 2)


def _binomial_size() -> int:
    """The fewest events with which the exact binomial test has its power."""
    n = np.arange(50, 2_000)
    critical = scipy_stats.binom.isf(ALPHA, n, GOOD_RATE)
    return int(n[np.argmax(scipy_stats.binom.sf(critical, n, BAD_RATE) >= POWER)])


# ── who catches it when ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """Events until each test convicts, of every run."""

    ours: NDArray[np.int64]
    knows: NDArray[np.int64]
    counted: NDArray[np.int64]

    @classmethod
    def together(cls, parts: list[Caught]) -> Caught:
        ours, knows, counted = (np.concatenate([getattr(p, n) for p in parts]) for n in ("ours", "knows", "counted"))
        return cls(ours=ours, knows=knows, counted=counted)


def simulate(rng: np.random.Generator, fault: Fault, rate: int, *, broken: bool, runs: int = RUNS) -> Caught:
    """``runs`` of them, looked at every second, until twice ten minutes' worth of events at most."""
    parts = []
    for _ in range(runs // min(runs, BATCH)):
        xs, ratios = fault.draw(rng, (min(runs, BATCH), fault.events), broken)
        hits = _convicted(fault, xs, rate)
        _check(fault, xs[:CHECKED], rate, hits[:CHECKED])
        knows = ratios.cumsum(1)[:, rate - 1 :: rate] >= math.log(1 / ALPHA)
        parts.append(
            Caught(ours=_events(hits, rate), knows=_events(knows, rate), counted=_counted(rng, fault, rate, broken))
        )
    return Caught.together(parts)


def _convicted(fault: Fault, xs: Floats, rate: int) -> Bools:
    """Whether the canary is convicted, at each second's look: of a rate, within its first block."""
    if fault.limit is not None:
        hits = xs.cumsum(1)[:, rate - 1 :: rate].astype(np.int64)
        each = (above(hits[:, i, None], np.array([rate * (i + 1)]), fault.limit) for i in range(hits.shape[1]))
        return np.stack(list(each), axis=1) >= -math.log((1.0 - SHARE) * ALPHA)
    means = xs.reshape(len(xs), -1, PER_BLOCK).mean(-1) - fault.requirement.limit
    looks = rate // PER_BLOCK
    return fails(means, ALPHA, planned=POLICY.planned_blocks)[0][:, looks - 1 :: looks]


def _check(fault: Fault, xs: Floats, rate: int, hits: Bools) -> None:
    """The shipped verdict at the look that convicts, and at the one before it."""
    for events, hit in zip(xs, hits, strict=True):
        look = int(hit.argmax()) if hit.any() else hit.size - 1
        for at in {max(0, look - 1), look}:
            ruling = judge([_evidence(fault, events[: rate * (at + 1)])], POLICY, _NOW).ruling
            if (ruling is Ruling.FAIL) != bool(hit[at]):
                raise Broken(f"{fault.name}: the benchmark convicts at look {look}, the kernel says {ruling} at {at}")


def _evidence(fault: Fault, xs: Floats) -> Evidence:
    given = {"requirement": fault.requirement, "release": "new", "source": "canary"}
    if fault.limit is not None:
        return Evidence(**given, counts=(Count("", int(xs.sum()), len(xs)),))
    means = xs.reshape(-1, PER_BLOCK).mean(-1).tolist()
    return Evidence(
        **given, comparator="old", blocks=tuple(Block(str(i), PER_BLOCK, x, x, x, -9.0) for i, x in enumerate(means))
    )


def _events(hits: Bools, rate: int) -> NDArray[np.int64]:
    """Events until the first hit; never, if there is none."""
    return np.where(hits.any(1), first(hits) * rate, _NEVER)


def _counted(rng: np.random.Generator, fault: Fault, rate: int, broken: bool, runs: int = 40) -> NDArray[np.int64]:
    """Events until the second of five one-minute measurements fails, of a few runs; what each measures is our own x."""
    share = 0.0764  # of failed measurements, so that two or more of five are in 5 %
    usual = fault.draw(rng, (4 * runs, 60 * rate), False)[0].mean(1)
    measured = fault.draw(rng, (5 * runs, 60 * rate), broken)[0].mean(1).reshape(runs, 5)
    return _events((measured > np.quantile(usual, 1 - share)).cumsum(1) >= 2, 60 * rate)


def _rows(rng: np.random.Generator, fault: Fault, rate: int) -> list[Row]:
    caught, calm = (simulate(rng, fault, rate, broken=broken) for broken in (True, False))
    ours, knows, counted = (float(np.median(x)) for x in (caught.ours, caught.knows, caught.counted))
    late = [np.quantile(x, 0.9) for x in (caught.ours, caught.knows)]
    size = math.ceil(fault.size / rate) * rate
    what = f"{fault.name}, {rate} req/s"
    note = f"90 % point {late[0]:,.0f} (SPRT {late[1]:,.0f}); fixed size {size:,}; count and threshold {_said(counted)}"
    false = upper(int((calm.ours < _NEVER).sum()), len(calm.ours))
    rows = [
        at_most(
            what, ours, fault.times * knows, "events", peer="SPRT that knows everything", peer_value=knows, note=note
        )
    ]
    if fault.times < 2:
        rows.append(
            at_most(f"{what}: against a fixed size", ours, 0.8 * size, "events", peer="fixed size", peer_value=size)
        )
    rows.append(at_most(f"{what}: false alarms in {fault.events:,} events", false, 100 * ALPHA, "%"))
    return rows


def _said(events: float) -> str:
    return f"{events:,.0f}" if events < _NEVER else "mostly never"


# ── after a clean shadow ─────────────────────────────────────────────────────────────────────────────────────────────

SHADOW_DAYS, CANARY_DAYS, A_DAY = 10, 30, 960


def _onsets(rng: np.random.Generator) -> list[Row]:
    """A fault that begins with the canary. The peer is one sequence that runs through both stages, with all of the error."""
    rate = _days_until_caught(rng)
    short = _blocks_until_caught(rng, clean=300, after=200, planned=POLICY.planned_blocks)
    days = _blocks_until_caught(rng, clean=20, after=60, planned=Policy().planned_blocks)
    return [
        _onset("error rate 0.3 % → 2 % after 10 clean days of 960 events", rate, "days"),
        _onset("worse by 1.5 sd of a block after 300 clean short blocks", short, "blocks"),
        _onset("worse by 1.5 sd of a block after 20 clean days", days, "days"),
    ]


def _onset(what: str, caught: tuple[NDArray[np.int64], NDArray[np.int64]], unit: str) -> Row:
    ours, through = (float(np.median(days)) for days in caught)
    late = [float(np.quantile(days, 0.9)) for days in caught]
    return at_most(
        f"{what}: caught after",
        ours,
        through,
        unit,
        peer="one sequence through both",
        peer_value=through,
        note=f"90 % point {late[0]:.0f} ({late[1]:.0f})",
    )


def _days_until_caught(rng: np.random.Generator, runs: int = RUNS) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    chance = np.repeat([0.6 * GOOD_RATE, BAD_RATE], [SHADOW_DAYS, CANARY_DAYS])
    hits, n = rng.binomial(A_DAY, chance, (runs, chance.size)), np.full(chance.size, A_DAY)
    looks = range(SHADOW_DAYS + 1, chance.size + 1)
    found = np.stack([convicted(hits[:, :d], n[:d], GOOD_RATE, ALPHA, hits[:, :d] / A_DAY)[0] for d in looks], 1)
    through = np.stack([above(hits[:, :d], n[:d], GOOD_RATE) >= -math.log(ALPHA) for d in looks], 1)
    _check_days(hits[:CHECKED], found[:CHECKED])
    return first(found), first(through)


def _check_days(hits: NDArray[np.int64], found: Bools) -> None:
    """The shipped verdict on the day that convicts, and on the one before."""
    requirement = requires_at_most("error_rate", GOOD_RATE)
    for days, hit in zip(hits.tolist(), found, strict=True):
        for at in {max(0, int(hit.argmax()) - 1), int(hit.argmax())}:
            counts = tuple(Count(f"{i:02}", h, A_DAY) for i, h in enumerate(days[: SHADOW_DAYS + 1 + at]))
            e = Evidence(requirement=requirement, release="new", source="canary", counts=counts)
            if (judge([e], POLICY, _NOW).ruling is Ruling.FAIL) != bool(hit[at]):
                raise Broken(f"the benchmark convicts on day {hit.argmax()} of {days}, the kernel does not")


def _blocks_until_caught(
    rng: np.random.Generator, *, clean: int, after: int, planned: int, runs: int = RUNS // 4
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    xs = np.repeat([-0.5, 1.0], [clean, after]) + rng.standard_normal((runs, clean + after))
    found = fails(xs, ALPHA, planned=planned)[0][:, clean:]
    through = sequence_bound(moments(xs), -1, ALPHA, planned=planned)[:, clean:] > 0
    return first(found), first(through)
