"""One pass of the loop over new events: 20 requirements, one of them for each of 50 slices, in a shadow of days.

Every event is answered by the live release, said beside by the candidate, and labelled: three records an event. What is
timed is the processor's time of this process, part by part: decoding the log's frames, taking the records in, and looking
(closing blocks, measuring all requirements, the verdict). The last row is a pass with a thousandth as many new events
on the same history: cost follows what is new.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from benchmarks.table import Row, at_most
from plimsoll.kernel.case import Terms
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

EVENTS, DAYS, SLICES, GROUP, READ = 1_000_000, 20, 50, 100, 1_000
T0 = datetime(2026, 4, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LIVE, NEW = "a" * 64, "b" * 64


def run(events: int = EVENTS) -> list[Row]:
    """About two minutes, most of it to make the events."""
    rng = random.Random(20260405)
    house = House()
    frames = [encode(records) for records in recorded(rng, events, days=DAYS)]
    decode_s = take_s = 0.0
    for first in range(0, len(frames), READ):  # as the loop reads its log: so many records at a time
        part = frames[first : first + READ]
        decoded, s = timed(lambda part=part: [r for f in part for r in decode(Frame(0, 0, f[12:]))])
        decode_s += s
        take_s += timed(lambda decoded=decoded: house.take(decoded))[1]
    _, look_s = timed(lambda: house.look(T0 + (DAYS - 1) * DAY))
    few = [r for records in recorded(rng, events // 1_000, days=1, since=DAYS) for r in records]
    _, again_s = timed(lambda: (house.take(few), house.look(T0 + (DAYS - 1) * DAY)))
    what = f"{events:,} events ({events * 3:,} records), 20 requirements, {SLICES} slices"
    parts = f"decoding {decode_s:.2f} s, taking in {take_s:.2f} s, looking {look_s:.2f} s"
    return [
        at_most(what, decode_s + take_s + look_s, 1.0, "s", note=f"{parts}; processor time of one core"),
        at_most(
            f"{events // 1_000:,} more on that history", again_s, 0.1, "s", note="the same requirements and slices"
        ),
    ]


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

    def take(self, records: Sequence[Record]) -> None:
        self.skew.see(records)
        self.exposure.see(records)
        self.tally.read(records)

    def look(self, now: datetime) -> Any:
        self.tally.close(now)
        self.skew.compare(now)
        return decide(self.deployment, self.observer.observe(self.deployment, now), self.terms)


def recorded(rng: random.Random, events: int, *, days: int, since: int = 0) -> list[list[Record]]:
    """Groups as a server appends them: of many events, then what was said beside them, then outcomes of an hour ago."""
    found: list[list[Record]] = []
    step = days * DAY / events
    for first in range(0, events, GROUP):
        group = range(first, min(first + GROUP, events))
        made = [_event(rng, i, T0 + since * DAY + i * step, since) for i in group]
        found.append([e for e, _, _ in made])
        found.append([b for _, b, _ in made])
        found.append([o for _, _, o in made])
    return found


def _event(rng: random.Random, i: int, at: datetime, since: int) -> tuple[Event, Beside, Outcome]:
    id, truth = f"{since:04x}{i:028x}", rng.random()
    inputs = {"carrier": "UA", "segment": f"s{i % SLICES}", "distance": 1400, "origin": "EWR", "tail": "N14228"}
    served = Answer(release=LIVE, role="live", score=0.5 * truth + 0.2, latency_ms=1 + 60 * rng.random() ** 9)
    beside = Answer(release=NEW, role="shadow", score=0.6 * truth + 0.2, latency_ms=1 + 60 * rng.random() ** 9)
    event = Event(
        id=id, capability="late", at=at, block=at.date().isoformat(), unit=f"u{i}", inputs=inputs, served=served
    )  # fmt: skip
    label = float(rng.random() < truth)
    return event, Beside(event=id, answers=(beside,)), Outcome(event=id, label=label, at=at + timedelta(hours=1))
