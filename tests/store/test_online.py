"""One suite over every adapter of ``OnlineFeatures``."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.errors import Conflict, Damaged, Unavailable, UsageError
from plimsoll.kernel.ports import OnlineFeatures, Step
from plimsoll.store import MemoryOnline, RedisOnline, SqliteOnline

ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.binary(max_size=8)), max_size=30)
REDIS = "redis://127.0.0.1:6379/0"


@pytest.fixture
def redis_prefix() -> Iterator[str]:
    """Keys of our own in the Redis that runs here, gone afterwards."""
    import redis

    client, prefix = redis.Redis.from_url(REDIS, socket_timeout=2, socket_connect_timeout=2), f"test-{uuid4().hex}"
    try:
        client.ping()
    except redis.ConnectionError:
        client.close()
        if os.environ.get("CI"):
            raise
        pytest.skip("there is no Redis at 127.0.0.1:6379")
    yield prefix
    if keys := list(client.scan_iter(f"{{{prefix}}}*")):
        client.delete(*keys)
    client.close()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def online(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnlineFeatures]:
    opened: OnlineFeatures = MemoryOnline()
    if request.param == "sqlite":
        opened = SqliteOnline(tmp_path / "online.db")
    if request.param == "redis":
        opened = RedisOnline(REDIS, prefix=request.getfixturevalue("redis_prefix"), timeout_s=2)
    yield opened
    opened.close()


def test_an_unknown_entity_has_no_row(online: OnlineFeatures) -> None:
    """Nor has an unknown view, nor a mark."""
    assert online.get("weather", "EWR") is None
    assert online.get_many("weather", ["EWR", "JFK"]) == [None, None]
    assert online.get_many("weather", []) == []
    assert online.mark("weather") is None and list(online.rows("weather")) == []


def test_the_newest_row_is_held(online: OnlineFeatures) -> None:
    """An older one that comes late is ignored; one as old corrects."""
    assert online.apply("weather", [("EWR", 10, b"a"), ("EWR", 5, b"late"), ("JFK", 7, b"j")]) == 2
    assert online.get("weather", "EWR") == (10, b"a")
    assert online.apply("weather", [("EWR", 10, b"corrected")]) == 1
    assert online.get_many("weather", ["JFK", "LGA", "EWR"]) == [(7, b"j"), None, (10, b"corrected")]


def test_views_do_not_mix(online: OnlineFeatures) -> None:
    """The same entity has a row in each."""
    online.apply("weather", [("EWR", 1, b"w")])
    online.apply("delays", [("EWR", 2, b"d"), ("JFK", 3, b"d")])
    assert online.get("weather", "EWR") == (1, b"w")
    assert online.get("delays", "EWR") == (2, b"d")
    assert online.views() == [("delays", "", 2, 3), ("weather", "", 1, 1)]
    online.forget("delays")
    assert online.get("delays", "EWR") is None and [v.name for v in online.views()] == ["weather"]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_applying_equals_the_last_of_the_newest(online: OnlineFeatures, rows: list[tuple[str, int, bytes]]) -> None:
    """Whatever the order, what is held is what a dictionary would hold."""
    view, held = uuid4().hex, dict[str, tuple[int, bytes]]()
    for entity, known_at, packed in rows:
        if entity not in held or held[entity][0] <= known_at:
            held[entity] = (known_at, packed)
    online.apply(view, rows)
    online.apply(view, [])
    assert online.get_many(view, list("abc")) == [held.get(entity) for entity in "abc"]
    assert sorted(online.rows(view)) == sorted((e, *row) for e, row in held.items())


@pytest.mark.parametrize("count", [1, 3, 100, 256, 257, 1000])
def test_many_rows_come_in_the_order_they_were_asked_for(online: OnlineFeatures, count: int) -> None:
    """Whatever their number; unknown ones and repetitions too."""
    online.apply("v", [(f"é{i}", i, b"%d" % i) for i in range(1500)])
    asked = [f"é{(i * 7919) % 2000}" for i in range(count)]
    assert online.get_many("v", asked) == [online.get("v", entity) for entity in asked]


def test_a_correction_is_held_whatever_was(online: OnlineFeatures) -> None:
    """An older row, and none at all."""
    online.apply("v", [("a", 10, b"a"), ("b", 10, b"b"), ("c", 10, b"c")])
    assert online.correct("v", [("a", 5, b"older"), ("d", 1, b"new")], gone=["b", "nobody"]) == 2
    assert online.get_many("v", list("abcd")) == [(5, b"older"), None, (10, b"c"), (1, b"new")]


def test_a_step_is_made_only_from_where_it_begins(online: OnlineFeatures) -> None:
    """Who is behind is told so, and changes nothing."""
    online.apply("v", [("a", 1, b"one")], step=Step(None, "m1"))
    online.correct("v", [("a", 1, b"two")], step=Step("m1", "m2"))
    for write in (online.apply, online.correct):
        for before in (None, "", "m1"):
            with pytest.raises(Conflict, match="m2"):
                write("v", [("a", 9, b"behind")], step=Step(before, "m9"))
    with pytest.raises(Conflict):
        online.apply("other", [("a", 9, b"behind")], step=Step("m1", "m9"))
    assert (online.get("v", "a"), online.mark("v")) == ((1, b"two"), "m2")
    online.apply("v", [])
    assert online.mark("v") == "", "somebody wrote who did not say from where"


def test_a_long_step_is_one_step(online: OnlineFeatures) -> None:
    """However many rows it has."""
    rows = [(f"e{i}", i, b"%d" % i) for i in range(2_500)]
    assert online.apply("v", rows, step=Step(None, "m1")) == 2_500
    assert online.correct("v", rows, gone=["x"], step=Step("m1", "m2")) == 2_500
    assert online.mark("v") == "m2" and len(list(online.rows("v"))) == 2_500


def test_replacing_holds_exactly_the_new_rows(online: OnlineFeatures) -> None:
    """What is not among them is gone; the same state again is not even read."""

    def unread() -> Iterator[tuple[str, int, bytes]]:
        raise AssertionError("read")
        yield

    online.apply("v", [("a", 10, b"old"), ("b", 10, b"old")])
    assert online.replace("v", [("a", 5, b"new"), ("c", 1, b"c"), ("c", 2, b"later")], mark="v2") == 2
    assert online.get_many("v", list("abc")) == [(5, b"new"), None, (2, b"later")]
    assert online.mark("v") == "v2" and online.repairs() == []
    assert online.replace("v", unread(), mark="v2") == 0
    assert online.replace("v", [], mark="v3") == 0
    assert list(online.rows("v")) == [] and online.mark("v") == "v3"
    online.replace("w", [], mark="v1")
    assert online.mark("w") == "v1"


def test_a_load_that_fails_leaves_the_old_rows(online: OnlineFeatures) -> None:
    """They go on serving, and nothing of it stays."""

    def broken() -> Iterator[tuple[str, int, bytes]]:
        yield from ((f"e{i}", 2, b"new") for i in range(6_000))
        raise ValueError("the feed broke off")

    online.replace("v", [("EWR", 1, b"old")], mark="v1")
    with pytest.raises(ValueError, match="broke off"):
        online.replace("v", broken(), mark="v2")
    assert list(online.rows("v")) == [("EWR", 1, b"old")] and online.mark("v") == "v1"
    assert online.replace("v", [("EWR", 3, b"new")], mark="v2") == 1


def test_what_is_written_during_a_load_is_there_before_and_after(online: OnlineFeatures) -> None:
    """In both generations; and the mark says that nobody knows whose rows they are."""

    def rows() -> Iterator[tuple[str, int, bytes]]:
        yield from ((f"e{i}", 2, b"new") for i in range(5_000))
        online.apply("v", [("pushed", 9, b"p"), ("e1", 1, b"older")], step=Step("v1", "v1+1"))
        online.correct("v", [("e2", 1, b"c")], gone=["e3"], step=Step("v1+1", "v1+2"))
        assert online.get_many("v", ["pushed", "e1", "e2"]) == [(9, b"p"), (1, b"older"), (1, b"c")]
        yield "last", 2, b"new"

    online.replace("v", [("e3", 1, b"old")], mark="v1")
    online.replace("v", rows(), mark="v2")
    asked = ["pushed", "e1", "e2", "e3", "last"]
    assert online.get_many("v", asked) == [(9, b"p"), (2, b"new"), (1, b"c"), None, (2, b"new")]
    assert online.mark("v") == ""


def test_readers_see_no_missing_and_no_mixed_row(online: OnlineFeatures) -> None:
    """While rows are replaced again and again: each lookup has all rows, of one load."""
    names = [f"e{i}" for i in range(300)]

    def loaded(n: int) -> Iterator[tuple[str, int, bytes]]:
        return ((name, n, b"%d" % n) for name in names)

    online.replace("v", loaded(0), mark="0")
    stop, wrong, looked = threading.Event(), list[object](), list[int]()

    def look() -> None:
        while not stop.is_set() or not looked:
            rows = online.get_many("v", names)
            one = online.get("v", "e7")
            if len(set(rows)) != 1 or None in rows or one is None or one[1] != b"%d" % one[0]:
                wrong.append((set(rows), one))
            looked.append(1)

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(1, 25):
        online.replace("v", loaded(n), mark=str(n))
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == [] and len(looked) >= 3
    assert online.get("v", "e0") == (24, b"24")


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_batch_that_fails_leaves_sqlite_as_it_was(tmp_path: Path) -> None:
    """The last good rows go on serving."""
    online = SqliteOnline(tmp_path / "online.db")
    online.apply("weather", [("EWR", 1, b"old")], step=Step(None, "m1"))
    with pytest.raises(Unavailable, match="applying rows of weather"):
        online.apply("weather", [("EWR", 2, b"new"), ("EWR", 3, None)], step=Step("m1", "m2"))  # type: ignore[list-item]
    assert online.get("weather", "EWR") == (1, b"old") and online.mark("weather") == "m1"
    online.close()


def test_sqlite_rows_are_there_after_a_restart_and_for_others(tmp_path: Path) -> None:
    """Two processes share the file."""
    one, other = SqliteOnline(tmp_path / "online.db"), SqliteOnline(tmp_path / "online.db")
    one.apply("weather", [("EWR", 1, b"x")], step=Step(None, "m"))
    assert other.get("weather", "EWR") == (1, b"x") and other.mark("weather") == "m"
    one.close()
    other.close()


def test_a_file_that_is_no_store_is_damaged(tmp_path: Path) -> None:
    """And the way out is said."""
    (path := tmp_path / "online.db").write_bytes(b"something else entirely" * 1000)
    with pytest.raises(Damaged, match="not a database") as caught:
        SqliteOnline(path)
    assert "delete the file" in caught.value.hint


def test_a_closed_store_is_unavailable(tmp_path: Path) -> None:
    online = SqliteOnline(tmp_path / "online.db")
    online.apply("v", [("a", 1, b"x")])
    assert online.get("v", "a")
    online.close()
    with pytest.raises(Unavailable, match="reading a row of v"):
        online.get("v", "a")


def test_the_old_generation_is_dropped(tmp_path: Path) -> None:
    """The file does not grow from load to load."""
    online = SqliteOnline(tmp_path / "online.db")
    for n in range(4):
        online.replace("v", ((f"e{i}", n, b"x") for i in range(100)), mark=str(n))
    with sqlite3.connect(tmp_path / "online.db") as db:
        assert db.execute("SELECT count(*), count(DISTINCT gen) FROM rows").fetchone() == (100, 1)
        assert db.execute("SELECT count(*) FROM generations").fetchone() == (1,)
    db.close()
    online.close()


# ── Redis ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_address_that_is_none_is_a_wrong_setting() -> None:
    with pytest.raises(UsageError, match="no Redis URL"):
        RedisOnline("mysql://somewhere")


def test_a_redis_that_is_away_is_unavailable_soon() -> None:
    """Nothing waits longer than its deadline, and construction waits for nothing."""
    online = RedisOnline("redis://127.0.0.1:1/0", timeout_s=0.05)
    calls: list[Callable[[], object]] = [
        lambda: online.get("v", "a"),
        lambda: online.get_many("v", ["a"]),
        lambda: online.mark("v"),
        lambda: online.apply("v", []),
        lambda: online.replace("v", []),
    ]
    for call in calls:
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
            call()
    assert online.repairs() == []
    online.close()


def test_a_password_is_in_no_message(redis_prefix: str) -> None:
    online = RedisOnline("redis://user:secret@127.0.0.1:1/0", prefix=redis_prefix)
    with pytest.raises(Unavailable) as caught:
        online.get("v", "a")
    assert "secret" not in str(caught.value)
    online.close()


def test_what_a_killed_load_left_in_redis_is_removed_and_said(redis_prefix: str) -> None:
    """Once its lock has run out; the rows before it serve."""
    import redis

    online = RedisOnline(REDIS, prefix=redis_prefix, timeout_s=2)
    online.replace("v", [("a", 1, b"old")], mark="v1")
    client = redis.Redis.from_url(REDIS)
    about, aside = f"{{{redis_prefix}}}:online:about:v", f"{{{redis_prefix}}}:online:rows:v:token"
    client.hset(about, mapping={"loading": aside, "touched": 0})
    client.hset(aside, "a", b"12345678new")
    client.set(f"{{{redis_prefix}}}:online:lock:v", "token", px=60_000)
    assert online.repairs() == [], "it may be alive"
    client.delete(f"{{{redis_prefix}}}:online:lock:v")
    assert "killed load" in online.repairs()[0]
    assert not client.exists(aside) and online.get("v", "a") == (1, b"old") and online.mark("v") == "v1"
    client.close()
    online.close()
