"""The timeline: compiled once, cut at a time, applied in order, kept in a file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.errors import Damaged, InvalidDeclaration, UsageError
from plimsoll.features import View, compile, view
from plimsoll.features.timeline import Timeline, timeline_of_rows
from plimsoll.store.online import MemoryOnline

from .oracle import VIEWS, last_trip, line_delays, micros, weather_at_port, world

Write = Callable[..., Path]
EVER = 2**62


def known_until(rows: list[dict[str, Any]], moment: datetime) -> list[dict[str, Any]]:
    """The rows as they stood at ``moment``: what came later is not there, or not filled in."""
    after = {"arrived_at": ("arrived_at", "delay", "late"), "published_at": ()}
    kept = []
    for row in rows:
        for column, hidden in after.items():
            if column in row and row[column] is not None and row[column] > moment:
                row = {**row, **dict.fromkeys(hidden)} if hidden else {}
        if row:
            kept.append(row)
    return kept


@pytest.mark.parametrize("one", VIEWS, ids=lambda v: v.name)
@pytest.mark.parametrize("day", [1, 4, 6, 7, 12])
def test_nothing_leaks_from_later(write: Write, one: View, day: int) -> None:
    """Compiled from the rows known until T, the timeline up to T is the one compiled from all rows."""
    moment = datetime(2013, 3, 5) + timedelta(days=day, hours=7, minutes=30)
    rows = world(day)[one.source == "weather"]
    whole = compile(one, [write(rows)])
    then = compile(one, [write(known_until(rows, moment), "then.parquet")])
    assert 0 < len(whole.until(micros(moment))) < len(whole)
    assert whole.until(micros(moment)).digest == then.until(micros(moment)).digest


@pytest.mark.parametrize("one", VIEWS, ids=lambda v: v.name)
def test_the_order_and_the_number_of_files_do_not_matter(write: Write, one: View) -> None:
    """The same rows give the same digest: a snapshot's files may be split as they like."""
    rows = world(3)[one.source == "weather"]
    whole = compile(one, [write(rows)])
    backwards = rows[::-1]
    parts = [write(backwards[i::3], f"part{i}.parquet") for i in range(3)]
    assert compile(one, parts).digest == whole.digest


@pytest.mark.parametrize("seed", range(3))
def test_applying_in_steps_ends_where_the_join_looks(write: Write, seed: int) -> None:
    """Rows applied from step to step: at each step the store holds what the as-of join finds."""
    timeline = compile(line_delays, [write(world(seed)[0])])
    online, last = MemoryOnline(), -EVER
    for day in range(0, 24, 3):
        now = micros(datetime(2013, 3, 5) + timedelta(days=day, hours=day))
        online.apply("v", timeline.rows_between(last, now))
        last = now
        held = online.get_many("v", timeline.entities)
        nothing = np.full(4, np.nan, np.float32).tobytes()
        joined = timeline.as_of(timeline.entities, np.full(len(timeline.entities), now))
        assert [nothing if row is None else row[1] for row in held] == [row.tobytes() for row in joined]


def test_rows_come_once_and_in_order(write: Write) -> None:
    """Intervals are open at their beginning and closed at their end, so consecutive ones miss and double nothing."""
    timeline = compile(weather_at_port, [write(world(1)[1])])
    middle = int(timeline.known_at_us[40])
    first, second = list(timeline.rows_between(-EVER, middle)), list(timeline.rows_between(middle, EVER))
    assert first + second == list(timeline.rows_between(-EVER, EVER))
    assert first[-1][1] == middle < second[0][1]
    assert len(first) + len(second) == len(timeline)
    assert [row[1] for row in first] == sorted(row[1] for row in first)


entities = st.sampled_from(["a", "b", "é", "𝔷"])
rows = st.lists(st.tuples(entities, st.integers(-5, 5), st.floats(width=32)), max_size=30)


@given(rows, st.lists(st.tuples(entities, st.integers(-7, 7)), max_size=10))
@settings(max_examples=200)
def test_as_of_is_the_last_row_not_after(rows: list[tuple[str, int, float]], asked: list[tuple[str, int]]) -> None:
    """Against a scan over all rows."""
    timeline = of_rows(rows)
    got = timeline.as_of([e for e, _ in asked], np.array([t for _, t in asked], dtype=np.int64))
    for (entity, at), value in zip(asked, got[:, 0].tolist(), strict=True):
        mine = [r for r in sorted(rows, key=lambda r: (r[0], r[1])) if r[0] == entity and r[1] <= at]
        np.testing.assert_array_equal(value, mine[-1][2] if mine else np.nan)


def of_rows(rows: list[tuple[str, int, float]]) -> Timeline:
    ordered = sorted(rows, key=lambda r: (r[0], r[1]))
    names = sorted({r[0] for r in rows})
    return timeline_of_rows(
        view="v",
        names=("x",),
        age=False,
        codes=np.array([names.index(r[0]) for r in ordered], dtype=np.int64),
        entities=names,
        known_at_us=np.array([r[1] for r in ordered], dtype=np.int64),
        values=np.array([[r[2]] for r in ordered], dtype=np.float32).reshape(-1, 1),
    )


@given(rows, st.integers(-7, 7))
def test_cutting_keeps_answers_until_the_cut(rows: list[tuple[str, int, float]], cut: int) -> None:
    timeline = of_rows(rows)
    asked = np.full(4, cut, dtype=np.int64)
    names = ["a", "b", "é", "𝔷"]
    assert timeline.until(cut).as_of(names, asked).tobytes() == timeline.as_of(names, asked).tobytes()


def test_a_timeline_survives_its_file(write: Write, tmp_path: Path) -> None:
    """And a file whose content changed is not a timeline any more."""
    from pyarrow import parquet

    timeline = compile(last_trip, [write(world(2)[0])])
    timeline.to_parquet(path := tmp_path / "timeline.parquet")
    assert Timeline.from_parquet(path).digest == timeline.digest
    table = parquet.read_table(path)
    parquet.write_table(table.slice(1), path)
    with pytest.raises(Damaged, match="digest"):
        Timeline.from_parquet(path)


def test_an_empty_source_is_an_empty_timeline(write: Write) -> None:
    """Everything is NaN then; an outage of a feed is no exception."""
    never = [{**row, "arrived_at": None} for row in world(0)[0]]
    path = write([{**row, "arrived_at": datetime(2013, 1, 1)} for row in never[:1]] + never)
    timeline = compile(last_trip, [path]).until(0)
    assert len(timeline) == 0 and list(timeline.rows_between(-EVER, EVER)) == []
    assert np.isnan(timeline.as_of(["s1", "s2"], [0, 1])).all()


def test_csv_rows_are_rows(tmp_path: Path) -> None:
    """A source may be a CSV file; numbers that name an entity are text."""
    (path := tmp_path / "x.csv").write_text("shop,known,price\n7,2024-01-01 10:00:00,2.5\n7,2024-01-02 10:00:00,3.5\n")
    timeline = compile(prices, [path])
    assert timeline.as_of([7, "7", 8], ["2024-01-01T12:00", "2024-01-03", "2024-01-03"])[:, 0].tolist()[:2] == [
        2.5,
        3.5,
    ]


@view(source="prices", entity="shop", values=["price"])
def prices(t: Any) -> Any:
    return t.select("price", entity=t.shop, known_at=t.known)


@view(source="trips", entity="ship", values=["delay", "fuel"])
def lacks_a_value(t: Any) -> Any:
    return t.select("delay", entity=t.ship, known_at=t.arrived_at)


@view(source="trips", entity="ship", values=["delay"])
def known_at_is_no_time(t: Any) -> Any:
    return t.select("delay", entity=t.ship, known_at=t.delay)


@view(source="trips", entity="ship", values=["words"])
def gives_words(t: Any) -> Any:
    return t.select(words=t.line, entity=t.ship, known_at=t.arrived_at)


@view(source="trips", entity="ship", values=["delay"])
def reads_what_is_not_there(t: Any) -> Any:
    return t.select(delay=t.delays, entity=t.ship, known_at=t.arrived_at)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (lacks_a_value, "fuel"),
        (known_at_is_no_time, "timestamp"),
        (gives_words, "gives_words"),
        (reads_what_is_not_there, "delays"),
    ],
)
def test_a_view_that_does_not_keep_its_word_is_named(write: Write, wrong: View, word: str) -> None:
    with pytest.raises(InvalidDeclaration, match=word):
        compile(wrong, [write(world(0)[0])])


def test_no_rows_at_all_is_a_wrong_call() -> None:
    with pytest.raises(UsageError, match="no rows of 'trips'"):
        compile(last_trip, [])


def test_beginning_in_the_middle_is_as_good_as_from_the_start(write: Write) -> None:
    """The last row of each entity and what comes after it leave the store as all rows in their order do."""
    timeline = compile(line_delays, [write(world(2)[0])])
    middle, end = micros(datetime(2013, 3, 12)), micros(datetime(2013, 3, 20))
    whole, late = MemoryOnline(), MemoryOnline()
    whole.apply("v", timeline.rows_between(-EVER, end))
    late.apply("v", timeline.rows_as_of(middle))
    late.apply("v", timeline.rows_between(middle, end))
    assert late.get_many("v", timeline.entities) == whole.get_many("v", timeline.entities)
    assert len(list(timeline.rows_as_of(middle))) < len(list(timeline.rows_between(-EVER, middle)))
