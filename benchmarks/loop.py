"""One pass of the loop over new events: 20 requirements, one of them for each of 50 slices, in a shadow of days.

Every event is answered by the live release, said beside by the candidate, and labelled: three records an event. What is
timed is the processor's time of this process, part by part: decoding the log's frames, taking the records in, and looking
(closing blocks, measuring all requirements, the verdict). The last row is a pass with a thousandth as many new events
on the same history: cost follows what is new.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import numpy as np

from benchmarks.table import Row, at_most
from plimsoll.kernel.case import Terms
from plimsoll.kernel.columns import Columns, Written, in_columns
from plimsoll.kernel.decide import decide
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.records import Answer, Beside, Event, Outcome, Record
from plimsoll.kernel.requirement import Requirement, at_least, no_worse
from plimsoll.kernel.requirement import at_most as requires_at_most
from plimsoll.kernel.rollout import Deployment, Live, Rollout, Shadow
from plimsoll.operations.exposure import ExposureWatch
from plimsoll.operations.observe import Observer
from plimsoll.operations.skew import SkewWatch
from plimsoll.operations.tally import Tally
from plimsoll.store.events.frames import Frame, decode, encode

EVENTS, DAYS, SLICES, GROUP, SMALL, READ = 1_000_000, 20, 50, 100, 16, 100_000
T0 = datetime(2026, 4, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LIVE, NEW = "a" * 64, "b" * 64


def run(events: int = EVENTS) -> list[Row]:
    """About three minutes, most of them to make the events."""
    house, parts = passed(events, GROUP, in_columns)
    few = [in_columns(group) for group in recorded(random.Random(4), events // 1_000, GROUP, days=1, since=DAYS)]
    _, again_s = timed(lambda: (house.take([c for group in few for c in group]), house.look(T0 + (DAYS - 1) * DAY)))
    what = f"{events:,} events ({events * 3:,} records), 20 requirements, {SLICES} slices"
    return [
        _row(what, parts, 1.0),
        _row(f"the same in turns of {SMALL}", passed(events, SMALL, in_columns)[1], 1.5),
        _row("the same, written one by one", passed(events, GROUP, list)[1], 6.0),
        at_most(
            f"{events // 1_000:,} more on that history", again_s, 0.1, "s", note="the same requirements and slices"
        ),
    ]


def _row(what: str, parts: Sequence[float], limit_s: float) -> Row:
    note = "decoding {:.2f} s, taking in {:.2f} s, looking {:.2f} s; processor time of one core".format(*parts)
    return at_most(what, sum(parts), limit_s, "s", note=note)


def passed(
    events: int, group: int, written: Callable[[Sequence[Record]], Sequence[Written]]
) -> tuple[House, tuple[float, float, float]]:
    """A house that took ``events`` in and looked, and the seconds of decoding, taking in and looking."""
    house = House()
    decode_s = take_s = 0.0
    made = recorded(random.Random(20260405), events, group, days=DAYS)
    while frames := [encode(written(records)) for records in islice(made, READ // group)]:  # as the loop reads its log
        columns, s = timed(lambda frames=frames: in_columns([c for f in frames for c in decode(Frame(0, 0, f[12:]))]))
        decode_s += s
        take_s += timed(lambda columns=columns: house.take(columns))[1]
    _, look_s = timed(lambda: house.look(T0 + (DAYS - 1) * DAY))
    return house, (decode_s, take_s, look_s)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What ``work`` gives, and the processor time it took."""
    begin = time.process_time()
    found = work()
    return found, time.process_time() - begin


def requirements() -> tuple[Requirement, ...]:
    """Twenty: five of the machinery, fourteen of quality, one for each slice."""
    quality = ("log_loss", "brier", "accuracy")
    margins = (0.01, 0.02, 0.03)
    return (
        *(requires_at_most(m, x) for m, x in (("error_rate", 0.01), ("abstention_rate", 0.2), ("fallback_rate", 0.2))),
        *(requires_at_most(m, x) for m, x in (("latency_p95_ms", 50), ("latency_p99_ms", 90))),
        *(no_worse(m, margin=margin, than="champion") for m in quality for margin in margins),
        *(requires_at_most(m, x) for m, x in (("log_loss", 0.9), ("log_loss", 0.8), ("brier", 0.4), ("brier", 0.3))),
        at_least("accuracy", 0.4),
        no_worse("log_loss", margin=0.05, than="champion", by="segment"),
    )


class House:
    """The loop's parts without a catalog: what reads, what observes, what decides."""

    def __init__(self) -> None:
        plan = (Shadow(blocks=14, deadline_blocks=60, requires=requirements()), Live())
        self.terms = Terms(plan=plan)
        self.tally = Tally(task="binary", maturity=1.5 * DAY, limits_ms=[50, 90], columns=["segment"])
        self.skew = SkewWatch(lambda *_: np.empty((0, 1), np.float32), lambda _: [])
        self.exposure = ExposureWatch()
        rollout = Rollout(
            release=NEW,
            champion=LIVE,
            plan=plan,
            stage=0,
            state=State.SHADOW,
            started_at=T0,
            since=T0,
            evidence_since=T0,
        )
        self.deployment = Deployment(capability="late", rollout=rollout, states={NEW: State.SHADOW})
        self.observer = Observer(self.tally, self.skew, self.exposure, self.terms)
        self.skew.watch([LIVE, NEW])
        self.exposure.follow(rollout)

    def take(self, columns: Sequence[Columns]) -> None:
        self.skew.see(columns)
        self.exposure.see(columns)
        self.tally.read(columns)

    def look(self, now: datetime) -> Any:
        self.tally.close(now)
        self.skew.compare(now)
        return decide(self.deployment, self.observer.observe(self.deployment, now), self.terms)


def recorded(rng: random.Random, events: int, group: int, *, days: int, since: int = 0) -> Iterator[Sequence[Record]]:
    """What a server appends: the events of a turn, what was said beside them, then outcomes."""
    step = days * DAY / events
    for first in range(0, events, group):
        turn = range(first, min(first + group, events))
        yield from zip(*(_event(rng, i, T0 + since * DAY + i * step, since) for i in turn), strict=True)


def _event(rng: random.Random, i: int, at: datetime, since: int) -> tuple[Event, Beside, Outcome]:
    id, truth = f"{since:04x}{i:028x}", rng.random()
    inputs = {"carrier": "UA", "segment": f"s{i % SLICES}", "distance": 1400, "origin": "EWR", "tail": "N14228"}
    served = Answer(release=LIVE, role="live", score=0.5 * truth + 0.2, latency_ms=1 + 60 * rng.random() ** 9)
    beside = Answer(release=NEW, role="shadow", score=0.6 * truth + 0.2, latency_ms=1 + 60 * rng.random() ** 9)
    event = Event(
        id=id,
        capability="late",
        at=at,
        block=at.date().isoformat(),
        unit=f"u{i}",
        inputs=inputs,
        served=served,
        rollout=NEW,
    )
    label = float(rng.random() < truth)
    return event, Beside(event=id, answers=(beside,)), Outcome(event=id, label=label, at=at + timedelta(hours=1))
