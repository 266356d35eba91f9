"""Online features of what is deployed: the same as offline for every question that was served, from snapshot to snapshot."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from plimsoll.capability import Capability, Table, load
from plimsoll.errors import Unavailable
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.operations import Duty, ship
from plimsoll.operations.duty import recompute_from
from plimsoll.operations.intake import take_in
from plimsoll.operations.materialise import Materialiser
from plimsoll.serving import Fleet, Pipeline, QuestionMaker, SeededIds, VirtualTiming
from plimsoll.serving.answering import Timeouts
from plimsoll.store import MemoryOnline, SqliteOnline

from .feeds import demand, demand_on_channel
from .given import DAY, HOUR, T0, deploy, loop_of
from .training_code import imputing

BEGIN = datetime(2025, 1, 1)


@dataclass
class Served:
    """A live release with a view, the parts that serve it, and the loop on duty beside it."""

    place: Any
    capability: Capability
    row: ReleaseRow
    online: MemoryOnline
    materialiser: Materialiser
    pipeline: Pipeline
    duty: Duty

    def ask(self, count: int, at: datetime) -> list[Any]:
        """Questions of every channel, and of one that nobody counted."""
        make = QuestionMaker(self.capability, ids=SeededIds(round(at.timestamp())))
        channels = ("app", "shop", "web", "fax")
        questions = [
            make({"order_id": f"o{i}", "channel": channels[i % 4], "price_eur": 10.0 + i, "items": 1 + i % 5}, at)
            for i in range(count)
        ]
        return self.pipeline.answer(questions, self.place.catalog.deployment("orders"))

    def offline(self, events: list[Any]) -> Any:
        again = recompute_from(self.materialiser, lambda digest: self.row)
        return again(self.row.digest, [e.inputs for e in events], [e.at for e in events])


@pytest.fixture
def served(place: Any, orders_folder: Path, tmp_path: Path) -> Served:
    folder = Path(shutil.copytree(orders_folder, tmp_path / "orders"))
    demand(folder, since=BEGIN, until=T0.replace(tzinfo=None) + 4 * DAY)
    declared = load(folder)
    table = Table(name="demand", contract="contracts/demand.odcs.yaml", rows="data/demand.parquet")
    capability = declared.variant(tables=[table], features=[*declared.features, demand_on_channel], train=imputing)
    release = ship(capability, place.yard, with_report=False).release
    d = place.catalog.deployment("orders")
    lease = Lease(release=release, granted_at=T0, keep=(), since=T0, renewed_at=T0)
    deploy(place.catalog, msgspec.structs.replace(d, lease=lease, queue=(), states={release: State.LIVE}))
    row, online = place.catalog.release("orders", release), MemoryOnline()
    materialiser = Materialiser(capability, place.catalog, place.objects, online, place.folder / "scratch")
    fleet = Fleet(capability, place.objects, online)
    assert fleet.ensure([row]) == {}
    loop = loop_of(
        capability, place.catalog, place.log, place.clock, place.notes,
        recompute=recompute_from(materialiser, lambda digest: row),
    )  # fmt: skip
    loop.skew.names = lambda digest: materialiser.schema(row).names
    duty = Duty(
        loop=loop, catalog=place.catalog, clock=place.clock, materialiser=materialiser, every_s=3600,
        decided=lambda decision: None,
    )  # fmt: skip
    pipeline = Pipeline(
        capability=capability, fleet=fleet, log=place.log, timing=VirtualTiming(7), timeouts=Timeouts(1e9, 1e9)
    )
    return Served(place, capability, row, online, materialiser, pipeline, duty)


def features(events: list[Any]) -> Any:
    return np.array([np.frombuffer(e.served.features, "<f4") for e in events])


def test_what_was_served_online_is_what_is_computed_offline(served: Served) -> None:
    """Over three days with counts coming in between: bit for bit, also for a channel without any row."""
    seen = []
    for hour in range(0, 72, 3):
        served.place.clock.move_to(T0 + hour * HOUR)
        served.duty.once()
        events = served.ask(40, T0 + hour * HOUR)
        assert not any(e.served.error for e in events)
        np.testing.assert_array_equal(features(events), served.offline(events))
        seen.append(features(events)[0, 4:].tolist())
    assert len({visitors for visitors, _ in seen}) > 5, "the features did change"
    assert np.isnan(features(events)[3, 4:]).all()
    served.duty.once()
    assert served.duty.loop.skew.problem(served.row.digest) == ""


def test_the_age_of_each_row_is_in_its_event(served: Served) -> None:
    """In seconds, as the model saw it in hours; a channel without a row has none."""
    served.duty.once()
    events = served.ask(4, T0)
    ages = [e.feature_ages_s.get("demand_on_channel") for e in events]
    assert ages[3] is None and all(age is not None and 0 <= age < 5 * 3600 for age in ages[:3])
    np.testing.assert_allclose([age / 3600 for age in ages[:3] if age], features(events)[:3, 5])


def test_status_says_how_old_the_rows_are(served: Served, tmp_path: Path) -> None:
    """From the store that the server fills, while it runs or not."""
    from plimsoll.cli.freshness import features_of, said
    from plimsoll.settings import Settings

    settings, deployment = Settings(home=tmp_path), served.place.catalog.deployment("orders")
    before = features_of(settings, served.place.catalog, deployment)
    assert before["views"][0]["rows"] is None and "not there yet" in said(before)
    online = SqliteOnline(settings.online)
    parts = (served.capability, served.place.catalog, served.place.objects, online, served.place.folder / "scratch")
    Materialiser(*parts).bring([served.row], T0)
    after = features_of(settings, served.place.catalog, deployment)
    assert after["views"][0]["rows"] == 3 and "demand_on_channel: 3 entities, newest" in said(after)
    online.close()


def test_nothing_is_served_that_was_not_known(served: Served) -> None:
    """The snapshot holds the counts of four days to come; online there is what is known now."""
    served.duty.once()
    ages = features(served.ask(3, T0))[:, 5]
    assert (ages >= 0).all() and (ages < 5).all()


def test_a_new_snapshot_is_served_from_the_next_round_on(served: Served) -> None:
    """What was there goes on serving until then; afterwards the new rows are there, known times and all."""
    late = T0 + 6 * DAY
    served.place.clock.move_to(late)
    served.duty.once()
    old = features(served.ask(3, late))
    assert (old[:, 5] > 24).all()
    demand(served.capability.folder, since=BEGIN, until=late.replace(tzinfo=None))
    take_in(served.capability, served.place.yard)
    np.testing.assert_array_equal(features(served.ask(3, late))[:, 4], old[:, 4])
    served.duty.once()
    events = served.ask(3, late)
    assert (features(events)[:, 5] <= 5).all()
    np.testing.assert_array_equal(features(events), served.offline(events))


def test_without_a_snapshot_it_is_unavailable(served: Served) -> None:
    """Which table, and what takes rows in."""
    schema = served.row.manifest.settings["schema"]
    other = msgspec.convert(msgspec.to_builtins(schema) | {}, dict)
    text = msgspec.json.encode(other).replace(b'"feed":"demand"', b'"feed":"nowhere"')
    manifest = msgspec.structs.replace(served.row.manifest, settings={"schema": msgspec.json.decode(text)})
    row = msgspec.structs.replace(served.row, manifest=manifest, digest=manifest.digest)
    with pytest.raises(Unavailable, match="nowhere"):
        served.materialiser.bring([row], T0)


def test_a_duty_runs_until_it_is_stopped_and_gives_its_lease_back(served: Served) -> None:
    """On its own thread; somebody else may decide at once afterwards."""
    d = served.place.catalog.deployment("orders")
    deploy(served.place.catalog, msgspec.structs.replace(d, queue=("r2",), states={**d.states, "r2": State.GATED}))
    served.duty.every_s = 0.001
    decided: list[str] = []
    served.duty.decided = lambda decision: decided.append(decision.kind)
    served.duty.loop.catalog = served.place.catalog
    served.duty.start()
    served.duty.stop()
    assert served.duty.passes + served.duty.failures >= 1
    assert served.place.catalog.acquire("loop:orders", "somebody else", HOUR, T0) is not None


def test_a_duty_outlives_what_fails(served: Served) -> None:
    """A pass that fails is counted, and the next one works."""
    failing = served.duty.loop.read
    rounds: list[int] = []

    def read() -> int:
        rounds.append(1)
        if len(rounds) < 3:
            raise Unavailable("the log is away")
        served.duty._stop.set()
        return failing()

    served.duty.loop.read = read  # type: ignore[method-assign]
    served.duty.every_s = 0.001
    served.duty.start()
    served.duty._thread.join(timeout=20)
    assert (served.duty.failures, served.duty.passes) == (2, 1)
