"""Two million requests, with releases swapped and rolled back all along: nothing lost, nothing twice, no leak.

A unit asks once, and its number says when: so the event log shows what is missing and what is there twice. Who answers
changes every ``EVERY_S``, and whoever was live before answers beside, so that each event has a second record. Memory is
the server's own after each second of load and what that left to do: PSS without files, whose parts depend on who else
has them open. A swap holds two models for a moment, and the allocator's arenas and pools fill for the first quarter of a
million requests: what a leak raises is the floor, the least of each ``WINDOW`` samples behind that warm-up. Its slope is
the least-squares line through the floor, with Student's t around it, widened for the dependence of neighbouring windows.

``SOAK_REQUESTS=600000`` in the environment makes it shorter; the bound of the slope is then wider.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.driving import Load, burst, cpu_s, pss_mb
from benchmarks.servers import CORE, build, ours
from benchmarks.table import Row, at_least, at_most
from plimsoll.errors import Broken
from plimsoll.kernel.ports import Position
from plimsoll.kernel.records import Beside, Event
from plimsoll.stats.dependence import inflation
from plimsoll.stats.special import t_quantile
from plimsoll.store import SegmentLog

REQUESTS = 2_000_000
CONNECTIONS = 16
EVERY_S = 1.0
WARM_REQUESTS = 250_000
MOST_WARM_SHARE = 0.5
"""Of a shorter run."""
WINDOW = 5
LOOK_S, MOST_LOOKS = 0.1, 50
IDLE_SHARE = 0.2
"""Of a core: less than answering takes, and more than following does."""
CUT_OFF = 4 * CONNECTIONS
"""The last requests of a burst, some of which wrk sends and does not wait for."""


class Sample(NamedTuple):
    """Memory after so many requests."""

    requests: int
    bytes: float


class Burst(NamedTuple):
    """Requests numbered from ``after + 1`` on, of which ``asked`` were answered."""

    after: int
    load: Load


class Logged(NamedTuple):
    """What the event log holds. ``missing`` of the answered requests, ``doubled`` events or records beside them."""

    events: int
    missing: int
    doubled: int
    changes: int


def run() -> list[Row]:
    """About three minutes where nothing else runs."""
    wanted = int(os.environ.get("SOAK_REQUESTS", REQUESTS))
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as name:
        folder = Path(name)
        build(folder)
        began_s = time.perf_counter()
        with ours(folder, CORE) as target, swapping(folder / "plain") as changes:
            bursts, samples = [], []
            asked = 0
            while asked < wanted:
                after = len(bursts) * 1_000_000 + 1
                bursts.append(Burst(after, burst(target, CONNECTIONS, 1, after=after)))
                asked += bursts[-1].load.asked
                settle(target.pid)
                samples.append(Sample(asked, pss_mb(target.pid, "Pss_Anon") * 2**20))
        took_s = time.perf_counter() - began_s
        log = SegmentLog(next((folder / "plain").glob("events-*")), durability="process")
        found = logged(log, bursts)
        log.close()
    return rows(samples, bursts, found, changes[0], took_s)


def rows(samples: Sequence[Sample], bursts: Sequence[Burst], found: Logged, changes: int, took_s: float) -> list[Row]:
    asked = samples[-1].requests
    warm = min(WARM_REQUESTS, MOST_WARM_SHARE * asked)
    slope, upper = slope_of(floor([each for each in samples if each.requests >= warm]))
    memory = f"{samples[0].bytes / 2**20:.1f} MB after the first second, {samples[-1].bytes / 2**20:.1f} MB at the end"
    return [
        at_most("memory slope, upper 95 % bound", upper, 1.0, "B a request", note=f"{slope:+.3f} B; {memory}"),
        at_most("requests whose event is missing", found.missing, 0, "", note=f"{asked:,} answered"),
        at_most("events and records that are there twice", found.doubled, 0, "", note=f"{found.events:,} events"),
        at_most("requests that failed", sum(each.load.failed for each in bursts), 0, ""),
        at_least("changes of who answers that the events show", found.changes, max(1, changes - 1), ""),
        at_most("it took", took_s, 300.0 * max(1.0, asked / REQUESTS), "s", note=f"{asked / took_s:,.0f} req/s"),
    ]


@contextmanager
def swapping(home: Path) -> Iterator[list[int]]:
    """Who answers changes; how often it did stands in the list afterwards."""
    command = [sys.executable, "-m", "benchmarks.scripts.swapping", str(home), f"{EVERY_S}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    changes: list[int] = []
    try:
        yield changes
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=30)
    if process.returncode:
        raise Broken(f"swapping ended with {process.returncode}")
    changes.append(int(said))


def logged(log: SegmentLog, bursts: Sequence[Burst]) -> Logged:
    units, ids, besides, served = [], [], [], []
    place: Position | None = None
    while True:
        records, place = log.read(place)
        if not records:
            break
        events = [record for record in records if isinstance(record, Event)]
        units.append(np.array([int(event.unit[1:]) for event in events], np.int64))
        ids.append(np.array([event.id for event in events], "S"))
        served.append(np.array([event.served.release for event in events], "S"))
        besides.append(np.array([record.event for record in records if isinstance(record, Beside)], "S"))
    all_units, releases = np.concatenate(units), np.concatenate(served)
    return Logged(
        events=len(all_units),
        missing=missing(all_units, bursts),
        doubled=sum(doubled(each) for each in (all_units, np.concatenate(ids), np.concatenate(besides))),
        changes=int(np.count_nonzero(releases[1:] != releases[:-1])),
    )


def missing(units: np.ndarray, bursts: Sequence[Burst]) -> int:
    """How many of the answered are not there. The last ones of a burst are not looked for by number, but counted."""
    lost = 0
    for each in bursts:
        first, answered = each.after + 1, each.load.asked
        here = np.unique(units[(units >= first) & (units < first + answered + CUT_OFF)])
        surely = max(0, answered - CUT_OFF)
        lost += surely - int(np.count_nonzero(here < first + surely))
        lost += max(0, answered - len(here))
    return lost


def doubled(values: np.ndarray) -> int:
    return len(values) - len(np.unique(values))


def settle(pid: int) -> None:
    """Wait until what is answered beside has been answered: a queue that is worked off is no leak, nor is one that stays."""
    for _ in range(MOST_LOOKS):
        before_s = cpu_s(pid)
        time.sleep(LOOK_S)
        if cpu_s(pid) - before_s <= IDLE_SHARE * LOOK_S:
            return


def floor(samples: Sequence[Sample]) -> list[Sample]:
    """The least of each ``WINDOW`` samples; an incomplete window at the end is left out."""
    whole = len(samples) // WINDOW * WINDOW
    return [min(samples[i : i + WINDOW], key=lambda each: each.bytes) for i in range(0, whole, WINDOW)]


def slope_of(samples: Sequence[Sample]) -> tuple[float, float]:
    """Bytes a request: the least-squares slope and its upper 95 % bound; none below five samples."""
    if len(samples) < 5:
        return math.nan, math.inf
    x = np.array([each.requests for each in samples], float)
    y = np.array([each.bytes for each in samples])
    x -= x.mean()
    spread = float(x @ x)
    slope = float(x @ y) / spread
    left = y - y.mean() - slope * x
    widened, _ = inflation(left.tolist())
    error = math.sqrt(float(left @ left) / (len(x) - 2) * widened / spread)
    return slope, slope + t_quantile(0.95, len(x) - 2) * error
