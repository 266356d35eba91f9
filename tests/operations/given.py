"""Records, and a capability, small enough to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from plimsoll.capability import BinaryClassification, Capability, Source
from plimsoll.features import Inputs, number
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.ports import Catalog, Commit
from plimsoll.kernel.records import FALLBACK, Answer, Beside, Event, Outcome, Record
from plimsoll.kernel.requirement import at_least, at_most, no_worse
from plimsoll.kernel.rollout import Canary, Deployment, Live, Shadow
from plimsoll.operations import Loop

T0 = datetime(2025, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BLAND = 0.5
"""The score of who does not know."""


def parcels(**changes: Any) -> Capability:
    """Will a parcel be late? A rollout of days, judged by log loss and errors."""
    declared = Capability(
        name="late",
        owner="depot",
        task=BinaryClassification(label="late"),
        source=Source(
            name="parcels", contract="parcels.odcs.yaml", rows="parcels.csv", asked_at="asked", unit="parcel"
        ),
        features=[Inputs(number("weight"))],
        gate=[at_least("auc", 0.6)],
        rollout=[
            Shadow(blocks=3, deadline_blocks=20, requires=REQUIRES),
            Canary(0.25, blocks=2, deadline_blocks=20, requires=REQUIRES),
            Live(),
        ],
        keep=KEEP,
        train=lambda training_set, params: None,
        fallback=lambda columns: [BLAND] * len(columns["asked"]),
    )
    return declared.variant(**changes) if changes else declared


REQUIRES = (no_worse("log_loss", margin=0.1, than="champion"), at_most("error_rate", 0.05))
KEEP = (at_most("error_rate", 0.05), no_worse("log_loss", margin=0.1, than="fallback"))


def asked(
    name: str,
    at: datetime,
    said: Mapping[str, float | None],
    *,
    served: str = FALLBACK,
    block: str = "",
    features: bytes = b"",
    **inputs: Any,
) -> list[Record]:
    """An event that ``served`` answered, and what the others of ``said`` said beside it. None is an error."""
    answers = {
        release: Answer(
            release=release,
            role="live" if release == served else "beside",
            score=score,
            error="" if score is not None else "it raised",
            features=features if release != FALLBACK else b"",
        )
        for release, score in said.items()
    }
    event = Event(
        id=name,
        capability="late",
        at=at,
        block=block or at.date().isoformat(),
        unit=name,
        inputs=inputs,
        served=answers.pop(served),
        action="fallback" if served == FALLBACK else "answer",
    )
    return [event, Beside(event=name, answers=tuple(answers.values()))]


def told(name: str, label: float, at: datetime) -> Outcome:
    return Outcome(event=name, label=label, at=at)


Say = Callable[[int, float], Mapping[str, float | None]]
"""(number of the question, its label) → who says what."""


def knows(release: str, sure: float = 0.9) -> Say:
    """``release`` is right with confidence ``sure``; the fallback never knows."""
    return lambda i, label: {FALLBACK: BLAND, release: sure if label else 1 - sure}


def a_day(day: int, say: Say, *, questions: int = 24, labelled: float = 1.0, served: str = FALLBACK) -> list[Record]:
    """A day of questions, each with its outcome two hours later; a share of them never gets one."""
    records: list[Record] = []
    rng = np.random.default_rng(day)
    for i in range(questions):
        at, label = T0 + day * DAY + i * (DAY / questions), float(rng.random() < 0.5)
        records += asked(f"d{day}-{i}", at, say(i, label), served=served)
        if i < labelled * questions:
            records.append(told(f"d{day}-{i}", label, at + 2 * HOUR))
    return records


def days(count: int, say: Say, **options: Any) -> list[Record]:
    return [record for day in range(count) for record in a_day(day, say, **options)]


def loop_of(
    capability: Capability, catalog: Catalog, log: Any, clock: Any, notifier: Any, *, holder: str = "a", **options: Any
) -> Loop:
    """A loop whose offline features are always what was served."""
    return Loop(
        capability=capability,
        catalog=catalog,
        log=log,
        clock=clock,
        notifier=notifier,
        recompute=options.pop("recompute", lambda release, inputs, at: np.empty((0, 1), np.float32)),
        names=lambda release: ["weight"],
        holder=holder,
        **options,
    )


def deploy(catalog: Catalog, deployment: Deployment) -> Deployment:
    """Put it there, with a line that says so."""
    entry = Entry(at=T0, capability=deployment.capability, kind="given", subject="", summary="given")
    return catalog.commit(Commit(deployment=deployment, entries=(entry,)), None)


def queued(*releases: str) -> Deployment:
    """Gated releases that wait for their rollout."""
    return Deployment(capability="late", queue=releases, states=dict.fromkeys(releases, State.GATED))


def live(release: str, keep: Iterable[Any] = (), **changes: Any) -> Deployment:
    """``release`` holds a lease since the beginning."""
    lease = Lease(release=release, granted_at=T0, keep=tuple(keep), since=T0, renewed_at=T0)
    return Deployment(capability="late", lease=lease, states={release: State.LIVE}, **changes)
