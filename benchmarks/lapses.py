"""False lapses of a live lease: how many blocks, or hours, it runs on average at exactly its limit, beside what is promised.

Blocks are daily mean differences against a predecessor, with the largest loss that two predictions allow as a floor; rates
are counted by the hour. Streams are those of ``streams``. The peer is common practice, a t-test over the last 14 blocks
(for rates: a binomial test over the last day). A stream that is still running when the simulation ends counts with its
length and no alarm, so that the mean run length is the total time over the alarms, at their lower 95 % bound (Poisson).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from benchmarks.bounds import ALPHA, Bools, Floats, alarms, check_alarms, first
from benchmarks.streams import STREAMS, Draw
from benchmarks.table import Row, at_least, at_most
from plimsoll.errors import Broken
from plimsoll.stats.change import ALTERNATIVES, rate_detector

RUN_LENGTH = 365.0
HOURS = 24
FLOOR, SD = -0.2, 0.048
STREAMS_OF_BLOCKS, BLOCKS = 2_000, 1_500
STREAMS_OF_HOURS, DAYS = 500, 400
WINDOW = 14


def run() -> list[Row]:
    """About half a minute."""
    rng = np.random.default_rng(20260404)
    at_limit = [_of_means(rng, *s) for s in STREAMS.items()]
    return [*at_limit, *_rates(rng), _caught(rng)]


def _rates(rng: np.random.Generator) -> list[Row]:
    """A level that moves is above its limit on some days unless there is room below; what that costs is published."""
    at_limit = [_of_rates(rng, *s, share=1.0) for s in STREAMS.items()]
    return [*at_limit, *(_of_rates(rng, *s, share=0.5) for s in STREAMS.items() if s[0] != "independent")]


def rate_alarms(hits: NDArray[np.int64], n: int, limit: float, run_length: float) -> NDArray[np.int64]:
    """The step of ``rate_detector``'s first alarm, each step ``n`` events; one past the end if there is none."""
    odds = np.array(ALTERNATIVES)[:, None]
    evidence = np.zeros((len(ALTERNATIVES), len(hits)))
    found = np.full(len(hits), hits.shape[1] + 1)
    for i in range(hits.shape[1]):
        bet = hits[:, i] * np.log(odds) - n * np.log1p((odds - 1) * limit)
        evidence = np.exp(np.minimum(bet + np.log1p(evidence), 600.0))
        ringing = evidence.mean(0) >= run_length
        found = np.where(ringing & (found > i + 1), i + 1, found)
    return found


def check_rates(hits: NDArray[np.int64], n: int, limit: float, run_length: float, at: NDArray[np.int64]) -> None:
    """As ``check_alarms``, of the rate's."""
    for stream, ours in zip(hits, at, strict=True):
        steps = [(int(h), n) for h in stream]
        found = [rate_detector((), steps[:k], limit=limit, run_length=run_length) for k in (ours - 1, ours)]
        if ours <= len(stream) and [f.alarm for f in found] != [False, True]:
            raise Broken(f"the benchmark's detector rings at hour {ours}, the shipped one does not")


def _of_means(rng: np.random.Generator, name: str, stream: Draw) -> Row:
    shape = (STREAMS_OF_BLOCKS, BLOCKS)
    level = stream(rng, shape) if name != "independent" else rng.standard_normal(shape)
    xs = np.maximum(SD * level, FLOOR)
    xs = np.maximum(xs - xs.mean(), FLOOR)  # what the floor cuts off is put back
    at = alarms(xs, FLOOR, RUN_LENGTH)
    check_alarms(xs[:10, :300], FLOOR, RUN_LENGTH)
    return _row(
        f"mean difference at its limit, {name}: blocks to a false lapse",
        _waited(at, BLOCKS),
        RUN_LENGTH,
        "blocks",
        peer=("t-test over the last 14 blocks", _waited(_rolling(xs[:400, :400]), 400)),
        note=_said(at, BLOCKS),
        promised="two kinds" not in name,
    )


def _row(
    what: str, ours: float, promise: float, unit: str, *, peer: tuple[str, float], note: str, promised: bool
) -> Row:
    if promised:
        return at_least(what, ours, promise, unit, peer=peer[0], peer_value=peer[1], note=note)
    return Row(
        what=what,
        ours=ours,
        unit=unit,
        met=True,
        peer=peer[0],
        peer_value=peer[1],
        note=f"published, not promised; {note}",
    )


def _of_rates(rng: np.random.Generator, name: str, stream: Draw, *, share: float) -> Row:
    limit, per_hour = 0.005, 200
    level = np.exp(0.3 * stream(rng, (STREAMS_OF_HOURS, DAYS)))
    chance = np.repeat(np.clip(share * limit * level / level.mean(), 0.0, 1.0), HOURS, axis=1)
    hits = rng.binomial(per_hour, chance)
    steps, run_length = hits.shape[1], RUN_LENGTH * HOURS
    at = rate_alarms(hits, per_hour, limit, run_length)
    check_rates(hits[:3, :400], per_hour, limit, run_length, rate_alarms(hits[:3, :400], per_hour, limit, run_length))
    where = "at its limit" if share == 1.0 else f"at {share:.0%} of its limit"
    return _row(
        f"error rate {where}, {name}: hours to a false lapse",
        _waited(at, steps),
        run_length,
        "hours",
        peer=("binomial test over the last day", _waited(_daily(hits, per_hour, limit), steps)),
        note=_said(at, steps),
        promised=share < 1.0 or name == "independent",
    )


LOOK, GOOD_HOURS, BAD_RATE = 20, 240, 0.02


def _caught(rng: np.random.Generator, runs: int = 2_000) -> Row:
    """Events until the lease of a live release ends whose error rate has become four times its limit, after ten good days.

    Looked at every 20 events, within the hour too. The peer is a CUSUM that knows both rates (Page 1954), with the threshold
    that gives it the same run length (Siegmund 1985: (e^h − h − 1) / E₀[−log ratio])."""
    limit, per_hour, run_length = 0.005, 200, RUN_LENGTH * HOURS
    odds = np.array(ALTERNATIVES)[:, None]
    hit, miss = math.log(BAD_RATE / limit), math.log((1 - BAD_RATE) / (1 - limit))
    needed = math.log1p(run_length * per_hour * -(limit * hit + (1 - limit) * miss))
    evidence, cusum = np.zeros((len(ALTERNATIVES), runs)), np.zeros(runs)
    for _ in range(GOOD_HOURS):
        hits = rng.binomial(per_hour, limit, runs)
        bet = hits * np.log(odds) - per_hour * np.log1p((odds - 1) * limit)
        evidence, cusum = (
            np.exp(bet + np.log1p(evidence)),
            np.maximum(0.0, cusum + hits * hit + (per_hour - hits) * miss),
        )
    ours, knows, within = np.zeros(runs), np.zeros(runs), np.zeros(runs, dtype=np.int64)
    for look in range(1, 400):
        new = rng.binomial(LOOK, BAD_RATE, runs)
        within += new
        n = LOOK * ((look - 1) % (per_hour // LOOK) + 1)
        now = np.exp(np.minimum(within * np.log(odds) - n * np.log1p((odds - 1) * limit) + np.log1p(evidence), 600.0))
        cusum = np.maximum(0.0, cusum + new * hit + (LOOK - new) * miss)
        ours = np.where((ours == 0) & (now.mean(0) >= run_length), look * LOOK, ours)
        knows = np.where((knows == 0) & (cusum >= needed), look * LOOK, knows)
        if n == per_hour:
            evidence, within = now, np.zeros(runs, dtype=np.int64)
    median, known = float(np.median(ours)), float(np.median(knows))
    note = (
        f"90 % point {np.quantile(ours, 0.9):,.0f} ({np.quantile(knows, 0.9):,.0f}); one false lapse a year is promised"
    )
    what = "live: error rate 0.5 % → 2 %, events until the lease ends, median"
    return at_most(what, median, 1.5 * known, "events", peer="CUSUM that knows both rates", peer_value=known, note=note)


def _waited(at: NDArray[np.int64], end: int) -> float:
    """The mean run length at its lower 95 % bound: total time over the upper bound of the number of alarms."""
    many = int((at <= end).sum())
    return float(np.minimum(at, end).sum() / (0.5 * scipy_stats.chi2.ppf(0.95, 2 * many + 2)))


def _said(at: NDArray[np.int64], end: int) -> str:
    return f"{int((at <= end).sum()):,} of {len(at):,} streams of {end:,} had one; lower 95 % bound"


def _rolling(xs: Floats) -> NDArray[np.int64]:
    windows = np.lib.stride_tricks.sliding_window_view(xs, WINDOW, axis=1)
    t = windows.mean(-1) / (windows.std(-1, ddof=1) / math.sqrt(WINDOW))
    return _until(np.asarray(t > scipy_stats.t.ppf(1 - ALPHA, WINDOW - 1))) + WINDOW - 1


def _daily(hits: NDArray[np.int64], n: int, limit: float) -> NDArray[np.int64]:
    total = hits.cumsum(1)
    last_day = total[:, HOURS:] - total[:, :-HOURS]
    return _until(np.asarray(last_day > scipy_stats.binom.isf(ALPHA, n * HOURS, limit))) + HOURS


def _until(hit: Bools) -> NDArray[np.int64]:
    return np.where(hit.any(-1), first(hit), hit.shape[1] + 1)
