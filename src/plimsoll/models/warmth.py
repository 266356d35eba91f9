"""What an engine costs on this machine, measured when it is loaded: never guessed.

It is run at 1, 2, 4, … rows. From that follow how many questions are worth answering together, and whether it is quick
enough to run in an event loop's own thread. Measured on rows mixed from the golden ones, new ones for each run: a
processor learns the branches of the same few rows by heart (100 trees × 64 rows repeated: 1.2 µs a row; fresh rows:
2.9 µs).

On a machine that is busy a run is interrupted for milliseconds, which says nothing about the engine: what works in the
thread that asks is told by that thread's processor time. What lets others work, and waits, is told by the clock.

Nothing here enters an answer. A rehearsal does not measure: its machine must not show.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from plimsoll.models.engine import Engine, Matrix

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
BUDGET_MS = 80.0
"""For all sizes together, about: a size whose first run takes longer than its share is run once, larger ones not."""
MOST_RUNS = 200
INLINE_US = 1_000.0
"""How long an event loop may be held up: a quarter of that is a busy connection's whole latency."""
_WORTH = 0.9
"""Answering together pays where a row costs less than so much of what it costs alone."""
_WAITS = 2.0
"""An engine that takes so many times as long as it works lets others work for it."""
_NEAR = 1.1
"""A size is as good as the best where its row costs at most so many times as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One batch size's cost: the median and the 99th percentile of ``runs`` runs, in µs a run."""

    rows: int
    median_us: float
    p99_us: float
    runs: int

    @property
    def row_us(self) -> float:
        return self.median_us / self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmth:
    """What follows from the measurement.

    ``most_together``: how many questions to answer in one call; 1 where more do not get cheaper. ``inline``: a turn of
    so many may run in the event loop's thread. ``sizes``: what was measured; empty where nothing was.
    """

    most_together: int
    inline: bool
    sizes: tuple[Size, ...] = ()


UNMEASURED = Warmth(most_together=512, inline=False)
"""Where nothing may be measured: all together, and in a thread of its own."""


def warmed(
    engine: Engine,
    rows: Matrix,
    *,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
    worked_ns: Callable[[], int] = time.thread_time_ns,
) -> Warmth:
    """Run ``engine`` on mixtures of ``rows`` at each size, and say what follows. Costs about BUDGET_MS.

    Raises what the engine raises.
    """
    if not len(rows):
        return UNMEASURED
    mixed = _mixed(rows, 2 * SIZES[-1])
    share_ns = BUDGET_MS * 1e6 / len(SIZES)
    sizes: list[Size] = []
    for size in SIZES:
        sizes.append(_measured(engine, mixed, size, share_ns, clock_ns, worked_ns))
        if sizes[-1].median_us * 1e3 > share_ns:
            break
    return _follows(tuple(sizes), native=engine.native)


def _measured(
    engine: Engine,
    mixed: Matrix,
    rows: int,
    share_ns: float,
    clock_ns: Callable[[], int],
    worked_ns: Callable[[], int],
) -> Size:
    took: list[int] = []
    worked: list[int] = []
    engine.predict(mixed[:rows])  # the first is slower, and nobody's latency
    begun, at = clock_ns(), 0
    while len(took) < MOST_RUNS and (not took or clock_ns() - begun < share_ns):
        given = mixed[at : at + rows]
        started, started_work = clock_ns(), worked_ns()
        engine.predict(given)
        worked.append(worked_ns() - started_work)
        took.append(clock_ns() - started)
        at = (at + rows) % (len(mixed) - rows + 1)
    waits = min(took) > _WAITS * min(worked)
    found = np.asarray(took if waits else worked) / 1e3
    return Size(rows=rows, median_us=float(np.median(found)), p99_us=float(np.quantile(found, 0.99)), runs=len(took))


def _follows(sizes: tuple[Size, ...], *, native: bool) -> Warmth:
    """The smallest size whose row is nearly as cheap as at the best size; among those that an event loop may wait for,
    if the engine may run there at all."""
    quick = [s for s in sizes if s.p99_us < INLINE_US] if native else []
    open_to = quick or list(sizes)
    best = min(s.row_us for s in open_to)
    together = 1
    if best < _WORTH * sizes[0].row_us:
        together = next(s.rows for s in open_to if s.row_us <= _NEAR * best)
    return Warmth(most_together=together, inline=bool(quick), sizes=sizes)


def _mixed(rows: Matrix, count: int) -> Matrix:
    """``count`` rows, each value from its own column of ``rows``: plausible, and never the same twice."""
    rng = np.random.default_rng(0)
    picked = rng.integers(0, len(rows), size=(count, rows.shape[1]))
    return np.ascontiguousarray(np.take_along_axis(rows, picked, axis=0))
