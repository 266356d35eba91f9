"""Pushed rows: whatever their order and however often they come, online is offline, and nothing is lost or doubled."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from plimsoll.capability import Capability, Table, load
from plimsoll.data import Snapshots
from plimsoll.errors import Unavailable, UsageError
from plimsoll.features import FeatureSchema, Reach, compile, view, windows
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import OnlineFeatures, ReleaseRow
from plimsoll.operations import collect_garbage
from plimsoll.operations.feeding import Feed, files_of
from plimsoll.operations.folding import fold
from plimsoll.operations.intake import take_in
from plimsoll.operations.materialise import Materialiser, microseconds_of
from plimsoll.store import MemoryOnline, SqliteOnline

from .feeds import CONTRACT, demand, demand_on_channel
from .given import HOUR, T0

WEEK = windows.day_and_week_values("visitors")


@view(source="demand", entity="channel", values=WEEK, reach=Reach("seen_at", windows.DAY_AND_WEEK))
def demand_of_the_week(t: Any) -> Any:
    return windows.day_and_week(t, entity="channel", known_at="seen_at", value="visitors", timezone="America/New_York")


@view(source="demand", entity="channel", values=["visitors"], reach=Reach("seen_at"), age=True)
def demand_last_seen(t: Any) -> Any:
    return t.select("visitors", entity=t.channel, known_at=t.seen_at)


VIEWS = (demand_on_channel, demand_of_the_week, demand_last_seen)
Rows = list[dict[str, Any]]


@dataclass
class Fed:
    """A home with a table of demand, its feed, and the online features of three views over it."""

    place: Any
    capability: Capability
    open_online: Callable[[], OnlineFeatures]

    def __post_init__(self) -> None:
        schema = FeatureSchema.of(VIEWS)
        manifest = Manifest(capability="orders", artifacts={}, settings={"schema": schema.to_plain()})
        self.schema = schema
        self.row = ReleaseRow(digest=manifest.digest, capability="orders", manifest=manifest, label="r", created_at=T0)
        self.online: OnlineFeatures = MemoryOnline()
        self.restart()

    def restart(self) -> None:
        """Another process, on what is kept."""
        self.online.close()
        self.online = self.open_online()
        parts = (self.place.catalog, self.place.objects)
        scratch = self.place.folder / "scratch"
        self.materialiser = Materialiser(self.capability, *parts, self.online, scratch)
        self.feed = Feed(self.capability, *parts, self.place.clock, scratch, apply=self.bring)

    def bring(self) -> None:
        self.materialiser.bring([self.row], self.place.clock.now())

    def files(self) -> list[Path]:
        snapshots = Snapshots(self.place.objects, self.place.catalog)
        return files_of(self.place.catalog.feeds.state("demand"), snapshots, self.place.folder / "looked")

    def check(self, rows: Rows, tmp_path: Path) -> None:
        """Online is what all ``rows``, compiled at once, say as of now; and so is what training would read."""
        path = tmp_path / "all.parquet"
        parquet.write_table(pa.Table.from_pylist(rows), path)
        now_us = microseconds_of(self.place.clock.now())
        for binding, one in zip(self.schema.views, VIEWS, strict=True):
            whole = compile(one, [path])
            assert compile(one, self.files()).digest == whole.digest
            assert sorted(self.online.rows(binding.online)) == sorted(whole.rows_as_of(now_us)), one.name
            assert self.materialiser.timelines_of(self.schema)[one.name].digest == whole.digest


def observed(seed: int, count: int) -> Rows:
    """Counts of five channels around T0, some known only later on, each key once."""
    chance, rows = random.Random(seed), dict[tuple[str, datetime], dict[str, Any]]()
    for _ in range(count):
        channel, at = (
            chance.choice("abcde"),
            T0.replace(tzinfo=None) + timedelta(minutes=15 * chance.randrange(-900, 200)),
        )
        rows[channel, at] = {"channel": channel, "seen_at": at, "visitors": round(chance.uniform(0, 90), 1)}
    return list(rows.values())


@pytest.fixture(params=["memory", "sqlite"])
def fed(request: pytest.FixtureRequest, place: Any, orders_folder: Path, tmp_path: Path) -> Any:
    folder = Path(shutil.copytree(orders_folder, tmp_path / "orders"))
    (folder / "contracts/demand.odcs.yaml").write_text(CONTRACT)
    table = Table(name="demand", contract="contracts/demand.odcs.yaml", rows="data/demand.parquet")
    declared = load(folder)
    capability = declared.variant(tables=[table], features=[*declared.features, *VIEWS])
    stores: dict[str, Callable[[], OnlineFeatures]] = {
        "memory": MemoryOnline,
        "sqlite": lambda: SqliteOnline(tmp_path / "online.db"),
    }
    made = Fed(place, capability, stores[request.param])
    yield made
    made.online.close()


def test_a_pushed_row_is_served_and_trained_on(fed: Fed, tmp_path: Path) -> None:
    """From nothing; a second one changes what it touches."""
    rows = observed(1, 2)
    assert fed.feed.push("demand", rows[:1]).accepted == 1
    fed.check(rows[:1], tmp_path)
    pushed = fed.feed.push("demand", rows[1:])
    assert (pushed.accepted, pushed.applied, pushed.reasons) == (1, True, {})
    fed.check(rows, tmp_path)


steps = st.lists(
    st.sampled_from(["push", "push", "push", "again", "wait", "restart", "fold", "quietly"]), min_size=4, max_size=6
)


@settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 10_000), steps=steps)
def test_online_is_offline_in_every_order(fed: Fed, tmp_path: Path, seed: int, steps: list[str]) -> None:
    """Late rows, rows out of order and rows that come again, between midnights, folds and restarts."""
    chance, coming = random.Random(seed), observed(seed, 60)
    known = [dict(row) for row in parquet.read_table(fed.files()).to_pylist()] if fed.files() else []
    keys = {(row["channel"], row["seen_at"]) for row in known}
    coming = [row for row in coming if (row["channel"], row["seen_at"]) not in keys]
    chance.shuffle(coming)
    for step in [*steps, "push"]:
        if step in ("push", "quietly"):
            some, coming = coming[: (size := chance.randint(1, 12))], coming[size:]
            sent = some + chance.choices(known, k=min(3, len(known)))
            chance.shuffle(sent)
            feed = fed.feed if step == "push" else Feed(fed.capability, *quiet(fed))
            pushed = feed.push("demand", sent)
            assert (pushed.accepted, pushed.quarantined) == (len(some), 0)
            known += some
        elif step == "again" and known:
            assert fed.feed.push("demand", chance.sample(known, 1)).accepted == 0
        elif step == "wait":
            fed.place.clock.move_to(fed.place.clock.now() + chance.choice([1, 5, 30]) * HOUR)
        elif step == "restart":
            fed.restart()
        elif step == "fold":
            fold_all(fed)
        if known:
            fed.bring()
            fed.check(known, tmp_path)


def quiet(fed: Fed) -> tuple[Any, ...]:
    """The parts of another process, which applies nothing."""
    return (fed.place.catalog, fed.place.objects, fed.place.clock, fed.place.folder / "scratch")


def fold_all(fed: Fed) -> None:
    fold(fed.place.objects, fed.place.catalog, "demand", at=fed.place.clock.now(), folder=fed.place.folder / "scratch")


def test_many_pushes_become_few_files(fed: Fed, tmp_path: Path) -> None:
    """Folds merge what folds made; the rows are the same, and what nothing needs is collected later."""
    rows = observed(5, 30)
    for n in range(0, len(rows), 3):
        fed.feed.push("demand", rows[n : n + 3])
        if n % 15 == 0:
            fold_all(fed)
    fold_all(fed)
    fed.check(rows, tmp_path)
    snapshot = fed.place.catalog.snapshot("demand")
    assert snapshot.rows == len(rows) and len(snapshot.files) <= 5
    assert fed.place.catalog.feeds.state("demand").batches == ()
    collect_garbage(fed.place.yard, delete=True)
    fed.check(rows, tmp_path)


def test_a_bad_row_is_put_aside_with_its_reason(fed: Fed, tmp_path: Path) -> None:
    """The others are taken; mended and sent again under the same id it is taken, too."""
    good = {"channel": "web", "seen_at": "2025-02-28T10:00:00", "visitors": 5}
    bad = {"channel": "web", "seen_at": "yesterday", "visitors": "many", "colour": "red"}
    pushed = fed.feed.push("demand", [good, bad, {}], ["1", "2", "3"])
    assert (pushed.accepted, pushed.quarantined, pushed.undeclared) == (1, 2, ("colour",))
    assert any("seen_at" in reason for reason in pushed.reasons)
    kept = parquet.read_table(pushed.quarantine).to_pylist()
    assert [row["visitors"] for row in kept] == ["many", None] and all(row["_reasons"] for row in kept)
    mended = {**bad, "seen_at": "2025-02-28T12:00:00+01:00", "visitors": 7.5}
    again = fed.feed.push("demand", [good, mended], ["1", "2"])
    assert (again.accepted, again.duplicate, again.quarantined) == (1, 1, 0)
    seen = [datetime(2025, 2, 28, h) for h in (10, 11)]
    fed.check(
        [{"channel": "web", "seen_at": at, "visitors": v} for at, v in zip(seen, (5.0, 7.5), strict=True)], tmp_path
    )


def test_the_first_row_of_a_key_stays(fed: Fed, tmp_path: Path) -> None:
    """Under whatever id it comes again, changed or not."""
    row = {"channel": "web", "seen_at": datetime(2025, 2, 28), "visitors": 5.0}
    assert fed.feed.push("demand", [row], ["a"]).accepted == 1
    pushed = fed.feed.push("demand", [{**row, "visitors": 6.0}, {**row, "channel": "app"}], ["b", "c"])
    assert (pushed.accepted, pushed.duplicate) == (1, 1)
    twice = [{**row, "channel": "shop"}] * 2
    pushed = fed.feed.push("demand", twice, ["d", "e"])
    assert (pushed.accepted, pushed.quarantined) == (1, 1), "within one push the contract says it"
    fed.check([row, {**row, "channel": "app"}, {**row, "channel": "shop"}], tmp_path)


def test_pushed_and_delivered_rows_are_one_table(fed: Fed, tmp_path: Path) -> None:
    """A release takes in what was pushed; what a file delivers after that is not there twice."""
    folder, until = fed.capability.folder, T0.replace(tzinfo=None)
    demand(folder, since=until - timedelta(days=3), until=until)
    delivered = parquet.read_table(folder / "data/demand.parquet").to_pylist()
    fed.feed.push("demand", delivered[:4])
    taken = take_in(fed.capability, fed.place.yard)["demand"]
    assert taken.snapshot.rows == len(delivered)
    late = {"channel": "fax", "seen_at": until - timedelta(days=2), "visitors": 1.0}
    fed.feed.push("demand", [late, *delivered[-3:]])
    fed.check([*delivered, late], tmp_path)
    demand(folder, since=until - timedelta(days=3), until=until + timedelta(days=1))
    taken = take_in(fed.capability, fed.place.yard)["demand"]
    delivered = parquet.read_table(folder / "data/demand.parquet").to_pylist()
    assert taken.snapshot.rows == len(delivered) + 1
    fed.bring()
    fed.check([*delivered, late], tmp_path)


def test_a_table_that_is_none_is_named(fed: Fed) -> None:
    with pytest.raises(UsageError, match="'demnd'") as caught:
        fed.feed.push("demnd", [])
    assert "'demand'" in caught.value.hint
    with pytest.raises(UsageError, match="2 rows and 1 ids"):
        fed.feed.push("demand", [{}, {}], ["a"])
    with pytest.raises(UsageError, match="in parts"):
        fed.feed.push("demand", [{}] * 50_001)


def test_what_could_not_be_applied_is_kept_and_applied_later(fed: Fed, tmp_path: Path) -> None:
    """The online store is away; the rows are not lost, and a repetition finds them."""
    rows = observed(3, 5)

    def away() -> None:
        raise Unavailable("the store is away")

    feed = Feed(fed.capability, *quiet(fed), apply=away)
    pushed = feed.push("demand", rows)
    assert (pushed.accepted, pushed.applied) == (len(rows), False)
    again = fed.feed.push("demand", rows)
    assert (again.accepted, again.duplicate, again.applied) == (0, len(rows), True)
    fed.check(rows, tmp_path)
