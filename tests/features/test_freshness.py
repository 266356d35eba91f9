"""How old a row may be: what happens beyond it, online and offline alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import InvalidDeclaration, Unavailable
from plimsoll.features import (
    Ages,
    FeatureSchema,
    Inputs,
    OnlineJoin,
    Timeline,
    View,
    compile,
    number,
    view,
)
from plimsoll.store import MemoryOnline

from .oracle import micros
from .test_timeline import of_rows

Write = Callable[..., Path]
MINUTE_US = 60_000_000
START = datetime(2024, 5, 1)


def prices(**declared: Any) -> View:
    @view(source="prices", entity="shop", values=["price"], name="prices", age=True, **declared)
    def made(t: Any) -> Any:
        return t.select("price", entity=t.shop, known_at=t.known)

    return made


def joined(one: View, timeline: Timeline, until_us: int) -> OnlineJoin:
    schema, online = FeatureSchema.of([one]), MemoryOnline()
    online.apply(schema.views[0].online, timeline.rows_as_of(until_us))
    return OnlineJoin(schema, online)


@pytest.fixture
def timeline(write: Write) -> Timeline:
    rows = [
        {"shop": "a", "known": START, "price": 2.5},
        {"shop": "b", "known": START + timedelta(hours=3), "price": 7.0},
    ]
    return compile(prices(), [write(rows)])


def test_a_bound_needs_sense() -> None:
    with pytest.raises(InvalidDeclaration, match="no age"):
        prices(fresh_within=timedelta(0))
    with pytest.raises(InvalidDeclaration, match="without a bound"):
        prices(stale="missing")
    with pytest.raises(InvalidDeclaration, match="'mising'") as caught:
        prices(fresh_within=timedelta(hours=1), stale="mising")
    assert "'missing'" in caught.value.hint


def test_the_bound_belongs_to_the_release_and_not_to_the_rows() -> None:
    """Two bounds share their rows online and differ in their schemas; without one a schema is named as ever."""
    none, hour = FeatureSchema.of([prices()]), FeatureSchema.of([prices(fresh_within=timedelta(hours=1))])
    assert none.views[0].online == hour.views[0].online and none.digest != hour.digest
    assert "fresh_within_us" not in none.to_plain()["views"][0]
    assert FeatureSchema.from_plain(hour.to_plain()) == hour
    assert FeatureSchema.from_json(none.to_json()) == none


def test_every_row_has_its_age(timeline: Timeline) -> None:
    """In seconds, by view; an entity without row has none. The last one can be asked for."""
    asked_us = micros(START + timedelta(hours=4))
    join, ages = joined(prices(), timeline, asked_us), list[Ages]()
    join.row({"shop": "a"}, asked_us, ages)
    join.rows([{"shop": "b"}, {"shop": "nobody"}], [asked_us] * 2, ages)
    assert ages == [{"prices": 4 * 3600}, {"prices": 3600}, {}]
    seen = join.freshness["prices"]
    assert (seen.last_age_s, seen.stale, seen.missing, seen.bound_s) == (3600, 0, 1, math.inf)


def test_a_stale_row_is_used_and_counted(timeline: Timeline) -> None:
    """That is what a bound alone does."""
    asked_us = micros(START + timedelta(hours=4))
    join = joined(prices(fresh_within=timedelta(hours=2)), timeline, asked_us)
    assert join.row({"shop": "a"}, asked_us).tolist() == [2.5, 4.0]
    assert join.rows([{"shop": "a"}, {"shop": "b"}], [asked_us] * 2).tolist() == [[2.5, 4.0], [7.0, 1.0]]
    assert join.freshness["prices"].stale == 2


def test_a_stale_row_lets_the_fallback_answer(timeline: Timeline) -> None:
    """It says which view, whose row, how old and how old it may be. At its bound a row is fresh."""
    asked_us = micros(START + timedelta(hours=4))
    join = joined(prices(fresh_within=timedelta(hours=1), stale="fallback"), timeline, asked_us)
    assert join.row({"shop": "b"}, asked_us).tolist() == [7.0, 1.0]
    with pytest.raises(Unavailable, match="prices for a is 14,400 s old; it may be 3,600 s"):
        join.row({"shop": "a"}, asked_us)
    with pytest.raises(Unavailable, match="prices is 14,400 s old"):
        join.rows([{"shop": "b"}, {"shop": "a"}], [asked_us] * 2)


shops = st.sampled_from(["a", "b", "c"])


@given(
    rows=st.lists(st.tuples(shops, st.integers(-20, 20), st.floats(width=32)), max_size=20),
    asked=st.lists(shops, min_size=1, max_size=5),
    at=st.integers(-25, 40),
    bound=st.integers(1, 30),
)
def test_missing_is_missing_offline_too(
    rows: list[tuple[str, int, float]], asked: list[str], at: int, bound: int
) -> None:
    """One question alone, several at once, and their offline recomputation: the same bits."""
    timeline = of_rows(rows)

    @view(source="s", entity="e", values=["x"], name="v", fresh_within=timedelta(microseconds=bound), stale="missing")
    def v(t: Any) -> Any:
        return t

    schema, online = FeatureSchema.of([v]), MemoryOnline()
    online.apply(schema.views[0].online, timeline.rows_as_of(at))
    join = OnlineJoin(schema, online)
    offline = schema.compute({"e": asked}, np.full(len(asked), at, dtype=np.int64), {"v": timeline})
    assert join.rows([{"e": e} for e in asked], [at] * len(asked)).tobytes() == offline.tobytes()
    assert b"".join(join.row({"e": e}, at).tobytes() for e in asked) == offline.tobytes()
    for i, entity in enumerate(asked):
        known = [k for e, k, _ in rows if e == entity and k <= at]
        if not known or at - max(known) > bound:
            assert math.isnan(offline[i, 0])


@given(st.lists(st.tuples(shops, st.floats(width=32, allow_nan=False)), min_size=1, max_size=5))
def test_numbers_that_came_packed_give_the_same_row(asked: list[tuple[str, float]]) -> None:
    """Alone and together, they stand before what is looked up."""
    timeline = of_rows([("a", 0, 1.5), ("b", 3, 2.5)])

    @view(source="s", entity="e", values=["x"], name="v")
    def v(t: Any) -> Any:
        return t

    schema, online = FeatureSchema.of([Inputs(number("n"), number("m")), v]), MemoryOnline()
    online.apply(schema.views[0].online, timeline.rows_as_of(5))
    join = OnlineJoin(schema, online)
    questions = [{"e": e, "n": n, "m": 1.0} for e, n in asked]
    own = np.array([[n, 1.0] for _, n in asked], np.float32)
    plain = join.rows(questions, [5] * len(asked))
    assert join.rows(questions, [5] * len(asked), own=own).tobytes() == plain.tobytes()
    alone = [join.row(question, 5, own=own[i : i + 1]) for i, question in enumerate(questions)]
    assert b"".join(row.tobytes() for row in alone) == plain.tobytes()
