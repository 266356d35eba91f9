"""The event log: appends, positions, many writers, damage, compaction."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.errors import Damaged, Unavailable, UsageError
from plimsoll.kernel.ports import Position
from plimsoll.kernel.records import Event, Record
from plimsoll.store import SegmentLog
from plimsoll.store.events.frames import MARK

MakeEvent = Callable[..., Event]
OpenLog = Callable[..., SegmentLog]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "events"


@pytest.fixture
def open_log(folder: Path) -> Iterator[OpenLog]:
    """Opens logs on one folder; what is open at the end is closed."""
    opened: list[SegmentLog] = []

    def make(**options: object) -> SegmentLog:
        opened.append(SegmentLog(folder, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for log in opened:
        log.close()


def everything(log: SegmentLog, limit: int = 100_000) -> list[Record]:
    """All records, read ``limit`` at a time."""
    records, position = log.read(None, limit)
    while True:
        more, position = log.read(position, limit)
        if not more:
            return list(records)
        records = [*records, *more]


def ids(records: list[Record]) -> list[str]:
    return [record.id for record in records if isinstance(record, Event)]


@pytest.mark.parametrize("durability", ["process", "disk"])
def test_records_come_back_in_order(open_log: OpenLog, durability: str, records: list[Record]) -> None:
    """Every kind, exactly as appended, from the open segment and after closing."""
    log = open_log(durability=durability)
    log.append(records[:2])
    log.append([])
    log.append(records[2:])
    assert everything(log) == records
    log.close()
    assert everything(log) == records
    assert list(log.verify()) == [] and open_log().repairs() == []


def test_an_empty_log_has_a_position_too(open_log: OpenLog, event: MakeEvent, folder: Path) -> None:
    """From which reading goes on once there is something; a log that only reads creates nothing."""
    log = open_log()
    records, position = log.read()
    assert records == [] and not folder.exists()
    log.append([event("e1")])
    assert ids(log.read(position)[0]) == ["e1"]


def test_reading_goes_on_where_it_stopped(open_log: OpenLog, event: MakeEvent) -> None:
    """Over segments, with any limit, nothing lost and nothing twice."""
    log = open_log(segment_bytes=600)
    names = [f"e{n}" for n in range(20)]
    for name in names:
        log.append([event(name)])
    for limit in (1, 3, 7, 100):
        assert ids(everything(log, limit)) == names
    assert len(log.read(limit=3)[0]) == 3


def test_what_was_appended_at_once_is_read_at_once(open_log: OpenLog, event: MakeEvent) -> None:
    """An append is whole, though it exceed the limit."""
    log = open_log()
    log.append([event("a"), event("b"), event("c")])
    log.append([event("d")])
    assert ids(log.read(limit=2)[0]) == ["a", "b", "c"]


def test_each_process_needs_a_writer_of_its_own(open_log: OpenLog, event: MakeEvent) -> None:
    """The second one is told so; after the first has closed, the name is free."""
    first, second = open_log(), open_log()
    first.append([event("a")])
    with pytest.raises(Unavailable, match="already records events as 'w0'"):
        second.append([event("b")])
    first.close()
    second.append([event("c")])
    assert ids(everything(second)) == ["a", "c"]


def test_several_writers_are_read_side_by_side(open_log: OpenLog, event: MakeEvent) -> None:
    """A position knows how far each of them was read."""
    one, two = open_log(writer="one"), open_log(writer="two")
    one.append([event("a")])
    two.append([event("b")])
    first, position = one.read()
    one.append([event("c")])
    two.append([event("d")])
    second, position = two.read(position)
    assert (ids(first), ids(second)) == (["a", "b"], ["c", "d"])
    assert one.read(position)[0] == []


def test_a_writer_must_be_able_to_name_a_file(open_log: OpenLog) -> None:
    """No path is taken from a caller."""
    with pytest.raises(UsageError, match="cannot name a writer"):
        open_log(writer="../w")


def test_a_strange_position_is_a_usage_error(open_log: OpenLog) -> None:
    """It came from somewhere else."""
    with pytest.raises(UsageError, match="no position"):
        open_log().read(Position("elsewhere", 3))


def test_many_threads_lose_nothing(open_log: OpenLog, event: MakeEvent) -> None:
    """Each thread's events are there, in that thread's order."""
    log = open_log(segment_bytes=20_000)

    def work(thread: int) -> None:
        for n in range(25):
            log.append([event(f"{thread}-{n}")])

    threads = [threading.Thread(target=work, args=(t,)) for t in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = ids(everything(log))
    assert len(found) == 200
    for t in range(8):
        assert [name for name in found if name.startswith(f"{t}-")] == [f"{t}-{n}" for n in range(25)]


@pytest.mark.parametrize("durability", ["process", "disk"])
def test_many_tasks_lose_nothing(open_log: OpenLog, event: MakeEvent, durability: str) -> None:
    """An acknowledged event can be read at once."""
    log = open_log(durability=durability)

    async def work(task: int) -> None:
        for n in range(20):
            await log.append_async([event(f"{task}-{n}")])
            if n == 10:
                assert f"{task}-{n}" in ids(log.read()[0])

    async def main() -> None:
        await asyncio.gather(*(work(task) for task in range(8)))

    asyncio.run(main())
    assert len(set(ids(everything(log)))) == 160


def test_a_cancelled_task_disturbs_nobody(open_log: OpenLog, event: MakeEvent) -> None:
    """Its event is in the log all the same, and so is its neighbour's."""
    log = open_log()

    async def main() -> None:
        gone = asyncio.ensure_future(log.append_async([event("gone")]))
        stays = asyncio.ensure_future(log.append_async([event("stays")]))
        await asyncio.sleep(0)
        gone.cancel()
        await stays

    asyncio.run(main())
    assert ids(everything(log)) == ["gone", "stays"]


def test_what_goes_wrong_after_one_append_is_nothing_to_the_others(open_log: OpenLog, event: MakeEvent) -> None:
    """Two appends of one turn share a flush, and each is told by itself."""
    log, faults = open_log(), []

    async def main() -> None:
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        loop.set_exception_handler(lambda _, context: faults.append(str(context["exception"])))

        def breaks(error: object) -> None:
            raise ValueError("a bug of somebody's")

        log.append_then([event("one")], breaks)
        log.append_then([event("other")], lambda error: told.set())
        async with asyncio.timeout(10):
            await told.wait()

    asyncio.run(main())
    assert ids(everything(log)) == ["one", "other"] and faults == ["a bug of somebody's"]


def test_a_closed_log_refuses(open_log: OpenLog, event: MakeEvent) -> None:
    """Sync and async alike, and closing twice is fine."""
    log = open_log()
    log.append([event()])
    log.close()
    log.close()
    with pytest.raises(Unavailable, match="closed"):
        log.append([event()])
    with pytest.raises(Unavailable, match="closed"):
        asyncio.run(log.append_async([event()]))


def only_segment(folder: Path, suffix: str) -> Path:
    [path] = folder.glob(f"*.{suffix}")
    return path


def abandon(folder: Path, data: bytes) -> None:
    """Leave a segment as a killed writer would: open, holding ``data``."""
    sealed = only_segment(folder, "seg")
    sealed.write_bytes(data)
    sealed.rename(sealed.with_suffix(".open"))


def test_a_torn_tail_is_cut_kept_and_said(open_log: OpenLog, event: MakeEvent, folder: Path) -> None:
    """What was whole before it stays, and new events follow."""
    log = open_log()
    log.append([event("a")])
    log.append([event("b")])
    log.close()
    whole = only_segment(folder, "seg").read_bytes()
    abandon(folder, whole[:-5])
    again = open_log()
    assert "cut a torn tail" in again.repairs()[0]
    again.append([event("c")])
    assert ids(everything(again)) == ["a", "c"] and list(again.verify()) == []
    assert only_segment(folder, "torn").read_bytes() == whole[whole.rfind(MARK) : -5]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 3_000))
def test_any_cut_leaves_whole_appends(tmp_path_factory: pytest.TempPathFactory, event: MakeEvent, cut: int) -> None:
    """Wherever a write was torn, what is read is a prefix of what was appended, pair by pair."""
    folder = tmp_path_factory.mktemp("cut")
    log = SegmentLog(folder, durability="process")
    names = [f"e{n}" for n in range(8)]
    for one, two in zip(names[::2], names[1::2], strict=True):
        log.append([event(one), event(two)])
    log.close()
    abandon(folder, only_segment(folder, "seg").read_bytes()[:cut])
    found = ids(everything(SegmentLog(folder)))
    assert found == names[: len(found)] and len(found) % 2 == 0


def test_damage_in_the_middle_is_named_and_not_cut(open_log: OpenLog, event: MakeEvent, folder: Path) -> None:
    """In a sealed segment: what lies before is returned, then segment and offset are named, then reading can go on."""
    log = open_log()
    for name in "abc":
        log.append([event(name)])
    log.close()
    path = only_segment(folder, "seg")
    data = bytearray(path.read_bytes())
    offset = len(data) // 3
    data[offset + 40] ^= 0x10
    path.write_bytes(data)
    records, position = log.read()
    assert ids(records) == ["a"]
    with pytest.raises(Damaged, match=f"segment 00000001-w0 is damaged at offset {offset}") as caught:
        log.read(position)
    resumed = Position(position.segment, caught.value.details["resume"])
    assert ids(log.read(resumed)[0]) == ["c"]
    assert [f"offset {offset}" in said for said in log.verify()] == [True]


@pytest.mark.parametrize("place", [4, 8, 40])
def test_damage_in_an_abandoned_segment_is_not_taken_for_a_torn_tail(
    open_log: OpenLog, event: MakeEvent, folder: Path, place: int
) -> None:
    """Length, checksum or payload: there are acknowledged events behind it."""
    log = open_log()
    for name in "ab":
        log.append([event(name)])
    log.close()
    data = bytearray(only_segment(folder, "seg").read_bytes())
    data[place] ^= 0x10
    abandon(folder, bytes(data))
    again = open_log()
    assert "damaged at offset 0" in again.repairs()[0]
    with pytest.raises(Damaged):
        again.read()


def test_a_segment_that_lost_its_tail_after_sealing_is_damaged(
    open_log: OpenLog, event: MakeEvent, folder: Path
) -> None:
    """A sealed segment has no torn tail: everything in it was acknowledged."""
    log = open_log()
    log.append([event("a")])
    log.append([event("b")])
    log.close()
    path = only_segment(folder, "seg")
    path.write_bytes(path.read_bytes()[:-5])
    assert ["is damaged" in said for said in log.verify()] == [True]


def test_compaction_changes_nothing_for_a_reader(open_log: OpenLog, records: list[Record], folder: Path) -> None:
    """Records, order and positions are the same from Parquet as from frames."""
    log = open_log(segment_bytes=500)
    for record in records:
        log.append([record, record])
    _, middle = log.read(limit=3)
    before, rest = everything(log), log.read(middle)
    log.close()
    made = log.compact()
    assert made and [str(path) for path in log.parquet()] == made and not list(folder.glob("*.seg"))
    assert everything(log) == before == everything(log, 1)
    assert log.read(middle) == rest
    assert list(log.verify()) == [] and log.compact() == []


def test_parquet_can_be_asked_in_sql(open_log: OpenLog, records: list[Record]) -> None:
    """A row for each answer and each outcome."""
    log = open_log()
    log.append(records)
    log.close()
    [path] = log.compact()
    columns = """kind, id, release, role, score, scores, error, label, inputs->>'carrier', "at"::VARCHAR"""
    assert duckdb.sql(f"SELECT {columns} FROM '{path}'").fetchall() == [
        ("event", "e1", "r1", "live", 0.25, None, "", None, "UA", "2013-02-01 12:00:00"),
        ("event", "e2", "r1", "live", None, [0.2, 0.3, 0.5], "", None, "UA", "2013-02-01 12:00:00"),
        ("beside", "e1", "r2", "shadow", 0.5, None, "", None, None, None),
        ("beside", "e1", "r3", "beside", None, None, "timeout", None, None, None),
        ("outcome", "e1", None, None, None, None, None, 1.0, None, "2013-02-01 12:00:00"),
    ]


def test_a_flipped_byte_in_parquet_is_named(open_log: OpenLog, event: MakeEvent) -> None:
    """Its digest is in its name."""
    log = open_log()
    log.append([event()])
    log.close()
    [made] = log.compact()
    data = bytearray(Path(made).read_bytes())
    data[len(data) // 2] ^= 0x01
    Path(made).write_bytes(data)
    with pytest.raises(Damaged, match="segment 00000001-w0 is damaged"):
        log.read()
    assert len(list(log.verify())) == 1


def test_a_damaged_segment_is_not_compacted(open_log: OpenLog, event: MakeEvent, folder: Path) -> None:
    """It stays as it is, and is named; the others are compacted."""
    log = open_log(segment_bytes=1)
    log.append([event("a")])
    log.append([event("b")])
    log.close()
    path = sorted(folder.glob("*.seg"))[0]
    path.write_bytes(path.read_bytes()[:-1])
    assert len(log.compact()) == 1 and path.exists()
    assert len(list(log.verify())) == 1


def test_an_open_segment_is_not_compacted(open_log: OpenLog, event: MakeEvent) -> None:
    """Its writer goes on."""
    log = open_log()
    log.append([event("a")])
    assert open_log(writer="w1").compact() == []
    log.append([event("b")])
    assert ids(everything(log)) == ["a", "b"]


def test_what_a_killed_compaction_left_is_put_right(open_log: OpenLog, event: MakeEvent, folder: Path) -> None:
    """Half a file aside is removed; frames beside their complete Parquet file count once, and go."""
    log = open_log()
    log.append([event("a")])
    log.close()
    frames = only_segment(folder, "seg").read_bytes()
    log.compact()
    (folder / "00000001-w0.seg").write_bytes(frames)
    (folder / "compacting").mkdir()
    (folder / "compacting/00000001-w0.parquet").write_bytes(b"half")
    assert ids(everything(log)) == ["a"]
    assert len(open_log().repairs()) == 2 and open_log().repairs() == []
    assert ids(everything(log)) == ["a"]


def test_readers_follow_while_segments_are_sealed_and_compacted(open_log: OpenLog, event: MakeEvent) -> None:
    """A live reader sees every event once, in order, whatever happens to the files beneath it."""
    log, reader = open_log(segment_bytes=2_000, durability="process"), open_log(writer="reader")
    names = [f"e{n}" for n in range(300)]
    done = threading.Event()

    def write() -> None:
        for n, name in enumerate(names):
            log.append([event(name)])
            if n % 100 == 99:
                log.compact()
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[str] = []
    position = None
    while not done.is_set() or len(seen) < len(names):
        records, position = reader.read(position, 50)
        seen += ids(records)
    writer.join()
    assert seen == names
