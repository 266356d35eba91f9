"""Snapshots: equal rows are equal bytes, versions never change, and two appends never lose one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.data.conftest import rows

from plimsoll.data import Snapshots
from plimsoll.data.snapshot import canonical
from plimsoll.errors import Damaged, UsageError
from plimsoll.store import LocalObjects, SqlCatalog

Table = Callable[..., Path]
AT = datetime(2013, 1, 1, tzinfo=UTC)
SOME = "SELECT range AS a, range % 7 = 0 AS b, 'n' || range % 100 AS c, range / 3 AS d FROM range(200000)"


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjects:
    """An empty object store."""
    return LocalObjects(tmp_path / "objects")


@pytest.fixture
def snapshots(tmp_path: Path, objects: LocalObjects) -> Iterator[Snapshots]:
    """Snapshots on an empty catalog."""
    catalog = SqlCatalog(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield Snapshots(objects, catalog)
    catalog.close()


def test_equal_rows_are_equal_bytes(table: Table) -> None:
    """However the source was written: its row groups, its compression, in one file or in three."""
    source = table(SOME)
    data = canonical(source).data
    assert canonical(table(f"FROM '{source}'", "small", ", ROW_GROUP_SIZE 4096, COMPRESSION gzip")).data == data
    parts = [table(f"FROM '{source}' LIMIT 66_667 OFFSET {n * 66_667}", f"part{n}") for n in range(3)]
    assert canonical(parts).data == data
    assert canonical(table(f"FROM '{source}' ORDER BY a DESC", "turned")).data != data


def test_a_version_is_the_files_so_far_and_one_more(snapshots: Snapshots, table: Table, tmp_path: Path) -> None:
    """Rows come back in the order they were appended."""
    first = snapshots.append("t", table("SELECT 1 AS a", "one"), at=AT, note={"why": "first"})
    second = snapshots.append("t", table("SELECT 2 AS a", "two"), at=AT + timedelta(days=1))
    assert (first.version, second.version, second.rows) == (1, 2, 2)
    assert second.files[:1] == first.files
    assert first.note["why"] == "first"
    assert rows(snapshots.materialise(second, tmp_path / "here")) == [(1,), (2,)]


def test_appending_the_same_rows_again_changes_nothing(snapshots: Snapshots, table: Table) -> None:
    """A step that is repeated after a crash does not double its rows."""
    first = snapshots.append("t", table("SELECT 1 AS a", "one"), at=AT)
    assert snapshots.append("t", table("SELECT 1 AS a", "same"), at=AT + timedelta(days=1)) == first


def test_a_version_is_read_by_number_digest_or_time(snapshots: Snapshots, table: Table) -> None:
    """And the newest, when nothing is said."""
    made = [snapshots.append("t", table(f"SELECT {n} AS a", f"r{n}"), at=AT + timedelta(days=n)) for n in range(3)]
    assert snapshots.read("t") == made[2]
    assert snapshots.read("t", version=1) == made[0]
    assert snapshots.read("t", digest=made[1].digest) == made[1]
    assert snapshots.read("t", at=AT + timedelta(days=1, hours=5)) == made[1]


def test_what_is_not_there_is_named(snapshots: Snapshots, table: Table) -> None:
    """An unknown dataset with the nearest name; a version, a time before the first."""
    snapshots.append("flights", table("SELECT 1 AS a"), at=AT)
    with pytest.raises(UsageError, match="'flihgts' has no snapshot") as caught:
        snapshots.read("flihgts")
    assert "'flights'" in caught.value.hint
    with pytest.raises(UsageError, match="no snapshot with version 9"):
        snapshots.read("flights", version=9)
    with pytest.raises(UsageError, match="no snapshot with at 2012"):
        snapshots.read("flights", at=AT - timedelta(days=1))


def test_other_columns_or_types_do_not_fit(snapshots: Snapshots, table: Table) -> None:
    """A changed source is said, not stacked on what it does not match."""
    snapshots.append("t", table("SELECT 1 AS a, 2 AS b", "one"), at=AT)
    with pytest.raises(UsageError, match="a: INTEGER → VARCHAR; b: INTEGER → absent; c: absent → INTEGER"):
        snapshots.append("t", table("SELECT 'x' AS a, 2 AS c", "two"), at=AT)
    assert snapshots.read("t").version == 1


def test_text_without_types_is_not_taken(snapshots: Snapshots, tmp_path: Path) -> None:
    """A CSV is checked against its contract first."""
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(UsageError, match="its columns have no types yet"):
        snapshots.append("t", tmp_path / "t.csv", at=AT)


def test_materialised_files_are_used_again_and_mended(snapshots: Snapshots, table: Table, tmp_path: Path) -> None:
    """A whole file stays as it is; a damaged one is replaced from the store."""
    row = snapshots.append("t", table("SELECT 1 AS a"), at=AT)
    (path,) = snapshots.materialise(row, tmp_path / "here")
    written = path.stat().st_mtime_ns
    assert snapshots.materialise(row, tmp_path / "here") == [path]
    assert path.stat().st_mtime_ns == written
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    snapshots.materialise(row, tmp_path / "here")
    assert rows(path) == [(1,)]


def test_a_damaged_object_is_never_materialised(
    snapshots: Snapshots, objects: LocalObjects, table: Table, tmp_path: Path
) -> None:
    """A flipped byte in the store is found on reading."""
    row = snapshots.append("t", table("SELECT 1 AS a"), at=AT)
    (stored,) = [p for p in (tmp_path / "objects").rglob("*") if p.name == row.files[0]]
    data = bytearray(stored.read_bytes())
    data[10] ^= 1
    stored.write_bytes(bytes(data))
    with pytest.raises(Damaged):
        snapshots.materialise(row, tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def test_appends_at_the_same_time_all_arrive(
    snapshots: Snapshots, objects: LocalObjects, table: Table, tmp_path: Path
) -> None:
    """Four writers on catalogs of their own: each row is there once, each version builds on the one before."""
    sources = [table(f"SELECT {n} AS a", f"r{n}") for n in range(12)]

    def append(three: list[Path]) -> None:
        catalog = SqlCatalog(f"sqlite:///{tmp_path / 'catalog.db'}")
        for source in three:
            Snapshots(objects, catalog).append("t", source, at=AT)
        catalog.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, [sources[n::4] for n in range(4)]))
    last = snapshots.read("t")
    assert (last.version, last.rows) == (12, 12)
    assert sorted(rows(snapshots.materialise(last, tmp_path / "here"))) == [(n,) for n in range(12)]
    for n in range(2, 13):
        assert snapshots.read("t", version=n).files[:-1] == snapshots.read("t", version=n - 1).files
