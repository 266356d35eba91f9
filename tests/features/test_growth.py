"""A timeline that grows row by row is the one that is compiled from all rows, whatever the order they came in."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from plimsoll.errors import InvalidDeclaration
from plimsoll.features import Reach, Timeline, View, changes, compile, differences, grown, keeps_reach, view, windows
from plimsoll.store import MemoryOnline

from .oracle import micros, world
from .test_timeline import of_rows

Write = Callable[..., Path]
DAYS = windows.day_and_week_values("delay")


@view(source="trips", entity="line", values=DAYS, reach=Reach("arrived_at", windows.DAY_AND_WEEK))
def delays_within_reach(t: Any) -> Any:
    return windows.day_and_week(t, entity="line", known_at="arrived_at", value="delay", timezone="America/New_York")


@view(source="trips", entity="ship", values=["delay"], reach=Reach("arrived_at"))
def trip_within_reach(t: Any) -> Any:
    return t.select("delay", entity=t.ship, known_at=t.arrived_at)


@view(source="trips", entity="ship", values=["delay"])
def trip_without_reach(t: Any) -> Any:
    return t.select("delay", entity=t.ship, known_at=t.arrived_at)


@view(source="trips", entity="line", values=DAYS, reach=Reach("arrived_at", timedelta(hours=1)))
def reaches_further_than_it_says(t: Any) -> Any:
    return windows.day_and_week(t, entity="line", known_at="arrived_at", value="delay", timezone="America/New_York")


@view(source="trips", entity="ship", values=["delay"], reach=Reach("arived_at"))
def reach_of_no_column(t: Any) -> Any:
    return t.select("delay", entity=t.ship, known_at=t.arrived_at)


VIEWS = (delays_within_reach, trip_within_reach, trip_without_reach)
SCHEMA = pa.schema(
    [("line", pa.string()), ("ship", pa.string()), ("arrived_at", pa.timestamp("us")), ("delay", pa.float64())]
)


def file(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    parquet.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path := folder / name)
    return path


@pytest.mark.parametrize("one", VIEWS, ids=lambda v: v.name)
@pytest.mark.parametrize("seed", range(3))
def test_growing_ends_where_compiling_all_rows_does(tmp_path: Path, one: View, seed: int) -> None:
    """In parts of any size, shuffled: late rows, rows out of order, around a clock change; after each part."""
    chance = random.Random(seed)
    rows, _ = world(seed)
    chance.shuffle(rows)
    files = [file(tmp_path, "first.parquet", rows[:60])]
    timeline, rest = compile(one, files), rows[60:]
    while rest:
        size = chance.choice([1, 2, 25])
        part, rest = rest[:size], rest[size:]
        files.append(file(tmp_path, f"{len(files)}.parquet", part))
        timeline = grown(one, timeline, files, files[-1:])
        if chance.random() < 0.3 or not rest:
            assert timeline.digest == compile(one, files).digest


def test_rows_that_nobody_will_know_change_nothing(tmp_path: Path) -> None:
    """A trip that has not arrived."""
    rows, _ = world(1)
    files = [file(tmp_path, "a.parquet", rows)]
    timeline = compile(trip_within_reach, files)
    files.append(file(tmp_path, "b.parquet", [{"line": "A", "ship": "s1", "arrived_at": None, "delay": 1.0}]))
    assert grown(trip_within_reach, timeline, files, files[1:]) is timeline


def test_a_reach_that_is_too_short_is_found(tmp_path: Path) -> None:
    """By compiling the newest part from what it says it rests on; honest ones and none pass."""
    files = [file(tmp_path, "a.parquet", world(2)[0])]
    for one in VIEWS:
        assert keeps_reach(one, compile(one, files), files)
    assert not keeps_reach(reaches_further_than_it_says, compile(reaches_further_than_it_says, files), files)
    empty = file(tmp_path, "none.parquet", [])
    assert keeps_reach(trip_within_reach, compile(trip_within_reach, [empty]), [empty])


def test_a_reach_of_no_column_is_named(tmp_path: Path) -> None:
    from plimsoll.errors import UsageError

    files = [file(tmp_path, "a.parquet", world(2)[0])]
    timeline = compile(reach_of_no_column, files)
    with pytest.raises((UsageError, InvalidDeclaration), match="arived_at"):
        grown(reach_of_no_column, timeline, files, files)


def test_times_with_a_zone_are_the_same_times(tmp_path: Path) -> None:
    """Whatever the column's type in the file."""
    rows, _ = world(4)
    plain = [file(tmp_path, "a.parquet", rows[:100]), file(tmp_path, "b.parquet", rows[100:])]
    zoned = []
    for path in plain:
        table = parquet.read_table(path)
        at = table.column("arrived_at").cast(pa.timestamp("us", "UTC"))
        parquet.write_table(table.set_column(2, "arrived_at", at), path.with_suffix(".zoned.parquet"))
        zoned.append(path.with_suffix(".zoned.parquet"))
    timeline = grown(delays_within_reach, compile(delays_within_reach, zoned[:1]), zoned, zoned[1:])
    assert timeline.digest == compile(delays_within_reach, plain).digest


rows = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(-5, 5), st.floats(width=32)), max_size=20)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(before=rows, after=rows, before_at=st.integers(-7, 7), after_at=st.integers(-7, 7))
def test_changes_lead_from_one_timeline_to_the_other(
    before: list[tuple[str, int, float]], after: list[tuple[str, int, float]], before_at: int, after_at: int
) -> None:
    """Whatever they have in common; nothing that is the same is written, and what is found by looking is as good."""
    old, new = of_rows(before), of_rows(after)
    online = MemoryOnline()
    online.correct("v", old.rows_as_of(before_at))
    held, wanted = {r[0]: r for r in online.rows("v")}, sorted(new.rows_as_of(after_at))
    change = changes(old, before_at, new, after_at)
    seen = differences(online.rows("v"), new, after_at)
    assert not [row for row in change.rows if held.get(row[0]) == row]
    assert (sorted(change.rows), sorted(change.gone)) == (sorted(seen.rows), sorted(seen.gone))
    online.correct("v", change.rows, gone=change.gone)
    assert sorted(online.rows("v")) == wanted
    assert sorted(changes(None, 0, new, after_at).rows) == wanted


def test_growing_at_the_end_compiles_little(tmp_path: Path) -> None:
    """A row of now does not read the year again: the part is much shorter than the whole."""
    start = datetime(2013, 1, 1)
    many = [
        {"line": "A", "ship": f"s{i % 9}", "arrived_at": start + timedelta(hours=i), "delay": float(i % 50)}
        for i in range(24 * 200)
    ]
    files = [file(tmp_path, "a.parquet", many)]
    whole: Timeline = compile(delays_within_reach, files)
    last = {"line": "A", "ship": "s1", "arrived_at": start + timedelta(days=200, minutes=7), "delay": 9.0}
    files.append(file(tmp_path, "b.parquet", [last]))
    after = grown(delays_within_reach, whole, files, files[1:])
    cut = micros(start + timedelta(days=200))
    assert after.until(cut).digest == whole.until(cut).digest
    assert after.digest == compile(delays_within_reach, files).digest
    assert np.diff(after.starts).tolist() == [len(after)]
