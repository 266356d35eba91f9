"""A capability small enough to read, with a real model, a real log and real objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plimsoll.capability import BinaryClassification, Capability, Source
from plimsoll.features import FeatureSchema, Inputs, category, number
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.kernel.requirement import at_least, at_most
from plimsoll.kernel.rollout import Canary, Deployment, Live, Rollout, Shadow
from plimsoll.models import Package, package
from plimsoll.serving import Fleet, Pipeline, QuestionMaker, SeededIds, VirtualTiming
from plimsoll.store import LocalObjects, MemoryOnline, SegmentLog

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)


def risk_by_weight(columns: Mapping[str, Any]) -> Any:
    return 0.1 + 0.2 * (np.asarray(columns["weight"], dtype=np.float64) > 1.0)


def toy(**changes: Any) -> Capability:
    """Will a parcel be late? Asked with its weight and its depot."""
    declared = Capability(
        name="parcel-late",
        owner="depot",
        task=BinaryClassification(label="late"),
        source=Source(
            name="parcels",
            contract="parcels.odcs.yaml",
            rows="parcels.csv",
            asked_at="asked",
            unit="parcel",
            timezone="America/New_York",
        ),
        features=[Inputs(number("weight"), category("depot", levels=["north", "south"]))],
        gate=[at_least("auc", 0.6)],
        keep=[at_most("error_rate", 0.01)],
        train=lambda training_set, params: None,
        fallback=risk_by_weight,
    )
    return declared.variant(**changes) if changes else declared


@cache
def packed(slope: float = 1.0) -> Package:
    """A logistic regression on (weight, depot); another ``slope`` is another model."""
    from sklearn.linear_model import LogisticRegression  # here: the child that is killed imports this file, too

    rng = np.random.default_rng(7)
    rows = np.column_stack([rng.normal(size=200), rng.integers(0, 2, 200)]).astype(np.float32)
    model = LogisticRegression().fit(rows, rows[:, 0] * slope + rng.normal(size=200) > 0)
    return package(model, names=["weight", "depot"], task="binary", sample=rows)


@dataclass(frozen=True)
class Yard:
    """Everything a pipeline stands on."""

    capability: Capability
    objects: LocalObjects
    online: MemoryOnline
    log: SegmentLog
    fleet: Fleet
    folder: Path

    def release(self, slope: float = 1.0, *, golden: bytes | None = None, **settings: Any) -> ReleaseRow:
        parts = packed(slope)
        schema = FeatureSchema.of(self.capability.features)
        manifest = Manifest(
            capability=self.capability.name,
            artifacts={"model": self.objects.put(parts.model), "golden": self.objects.put(golden or parts.golden)},
            settings={"schema": schema.to_plain(), **settings},
        )
        return ReleaseRow(
            digest=manifest.digest,
            capability=self.capability.name,
            manifest=manifest,
            label=f"slope {slope}",
            created_at=T0,
        )

    def pipeline(self, **options: Any) -> Pipeline:
        timing = options.pop("timing", VirtualTiming(7))
        return Pipeline(capability=self.capability, fleet=self.fleet, log=self.log, timing=timing, **options)

    def questions(self, count: int) -> list[Any]:
        make = QuestionMaker(self.capability, ids=SeededIds(7))
        return [make(parcel(i), T0) for i in range(count)]


def parcel(i: int) -> dict[str, Any]:
    return {"parcel": f"p{i}", "weight": i % 5 - 2.0, "depot": ("north", "south")[i % 2]}


@pytest.fixture
def yard(tmp_path: Path) -> Any:
    made = make_yard(tmp_path, toy())
    yield made
    made.log.close()


@pytest.fixture
def yard_of(tmp_path: Path) -> Any:
    """A factory, for a capability with some fields changed, or with drills allowed."""
    made: list[Yard] = []

    def make(*, drills: bool = False, **changes: Any) -> Yard:
        made.append(make_yard(tmp_path / str(len(made)), toy(**changes), drills=drills))
        return made[-1]

    yield make
    for each in made:
        each.log.close()


def make_yard(folder: Path, capability: Capability, *, drills: bool = False) -> Yard:
    objects, online = LocalObjects(folder / "objects"), MemoryOnline()
    log = SegmentLog(folder / "events", durability="process")
    return Yard(capability, objects, online, log, Fleet(capability, objects, online, drills=drills), folder)


def live(release: str, **changes: Any) -> Deployment:
    """``release`` holds the lease."""
    lease = Lease(release=release, granted_at=T0, keep=())
    return Deployment(capability="parcel-late", version=1, lease=lease, **changes)


def rolling(release: str, champion: str, *, share: float) -> Deployment:
    """``release`` on its way beside a live ``champion``: in shadow, or as a canary with ``share``."""
    plan = (Shadow(), Canary(share or 0.25), Live())
    rollout = Rollout(
        release=release,
        champion=champion,
        plan=plan,
        stage=1 if share else 0,
        state=State.CANARY if share else State.SHADOW,
        started_at=T0,
        since=T0,
        evidence_since=T0,
    )
    return live(champion, rollout=rollout)
