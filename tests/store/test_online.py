"""One suite over every adapter of ``OnlineFeatures``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.kernel.ports import OnlineFeatures
from plimsoll.store import MemoryOnline, SqliteOnline

ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.binary(max_size=8)), max_size=30)


@pytest.fixture(params=["memory", "sqlite"])
def online(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnlineFeatures]:
    if request.param == "memory":
        yield MemoryOnline()
        return
    opened = SqliteOnline(tmp_path / "online.db")
    yield opened
    opened.close()


def test_an_unknown_entity_has_no_row(online: OnlineFeatures) -> None:
    """Nor has an unknown view."""
    assert online.get("weather", "EWR") is None
    assert online.get_many("weather", ["EWR", "JFK"]) == [None, None]


def test_the_newest_row_is_held(online: OnlineFeatures) -> None:
    """An older one that comes late is ignored; one as old corrects."""
    assert online.apply("weather", [("EWR", 10, b"a"), ("EWR", 5, b"late"), ("JFK", 7, b"j")]) == 2
    assert online.get("weather", "EWR") == (10, b"a")
    assert online.apply("weather", [("EWR", 10, b"corrected")]) == 1
    assert online.get_many("weather", ["JFK", "LGA", "EWR"]) == [(7, b"j"), None, (10, b"corrected")]


def test_views_do_not_mix(online: OnlineFeatures) -> None:
    """The same entity has a row in each."""
    online.apply("weather", [("EWR", 1, b"w")])
    online.apply("delays", [("EWR", 2, b"d")])
    assert online.get("weather", "EWR") == (1, b"w")
    assert online.get("delays", "EWR") == (2, b"d")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_applying_equals_the_last_of_the_newest(online: OnlineFeatures, rows: list[tuple[str, int, bytes]]) -> None:
    """Whatever the order, what is held is what a dictionary would hold."""
    view, held = f"{id(rows)}-{rows!r}", dict[str, tuple[int, bytes]]()
    for entity, known_at, packed in rows:
        if entity not in held or held[entity][0] <= known_at:
            held[entity] = (known_at, packed)
    online.apply(view, rows)
    online.apply(view, [])
    assert online.get_many(view, list("abc")) == [held.get(entity) for entity in "abc"]


def test_a_batch_that_fails_leaves_sqlite_as_it_was(tmp_path: Path) -> None:
    """The last good rows go on serving."""

    def broken() -> Iterator[tuple[str, int, bytes]]:
        yield "EWR", 2, b"new"
        raise ValueError("the feed broke off")

    online = SqliteOnline(tmp_path / "online.db")
    online.apply("weather", [("EWR", 1, b"old")])
    with pytest.raises(ValueError, match="broke off"):
        online.apply("weather", broken())
    assert online.get("weather", "EWR") == (1, b"old")
    online.close()


def test_sqlite_rows_are_there_after_a_restart_and_for_others(tmp_path: Path) -> None:
    """Two processes share the file."""
    one, other = SqliteOnline(tmp_path / "online.db"), SqliteOnline(tmp_path / "online.db")
    one.apply("weather", [("EWR", 1, b"x")])
    assert other.get("weather", "EWR") == (1, b"x")
    one.close()
    other.close()
