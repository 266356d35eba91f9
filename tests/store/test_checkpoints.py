"""Signed marks: who rewrites the ledger without the key is found out."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from plimsoll.errors import Damaged
from plimsoll.kernel.chain import Entry
from plimsoll.store import Checkpoints, SqlCatalog, ledger_faults

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
Sql = Callable[[str], None]


@pytest.fixture
def marks(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "marks")


@pytest.fixture
def kept(catalog_url: str, marks: Checkpoints, entry: Callable[..., Entry]) -> Iterator[SqlCatalog]:
    """A catalog of three marked lines."""
    catalog = SqlCatalog(catalog_url, checkpoints=marks)
    for word in ("one", "two", "three"):
        catalog.append([entry(word)])
    yield catalog
    catalog.close()


@pytest.fixture
def sql(catalog_url: str) -> Iterator[Sql]:
    """A hand that changes the tables behind the catalog's back."""
    engine = create_engine(catalog_url.replace("postgresql:", "postgresql+psycopg:"))

    def run(statement: str) -> None:
        with engine.begin() as connection:
            connection.execute(text(statement))

    yield run
    engine.dispose()


def test_a_mark_is_read_again(marks: Checkpoints) -> None:
    """Its signature holds."""
    first, second = marks.mark(1, "a" * 64, NOON), marks.mark(2, "b" * 64, NOON)
    assert marks.read() == ([first, second], [])


def test_nothing_marked_is_nothing_wrong(tmp_path: Path) -> None:
    """And reading makes no key."""
    assert Checkpoints(tmp_path / "none").read() == ([], [])
    assert not (tmp_path / "none").exists()


def test_the_key_is_for_its_owner_only(marks: Checkpoints, tmp_path: Path) -> None:
    """0600 in a folder of 0700."""
    marks.mark(1, "a" * 64, NOON)
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "marks", tmp_path / "marks/checkpoints.key")]
    assert modes == [0o700, 0o600]


def test_a_forged_mark_is_named(marks: Checkpoints, tmp_path: Path) -> None:
    """The good ones still count."""
    good = marks.mark(1, "a" * 64, NOON)
    marks.mark(2, "b" * 64, NOON)
    file = tmp_path / "marks/checkpoints.jsonl"
    file.write_bytes(file.read_bytes().replace(b"b" * 64, b"c" * 64) + b"no json\n")
    read, bad = marks.read()
    assert read == [good] and len(bad) == 2 and "checkpoint 2 is not what was signed" in bad[0]


def test_marks_without_their_key_prove_nothing(marks: Checkpoints, tmp_path: Path) -> None:
    """They are named, not believed, and no new key is made for them."""
    marks.mark(1, "a" * 64, NOON)
    (tmp_path / "marks/checkpoints.key").unlink()
    assert Checkpoints(tmp_path / "marks").read()[0] == []
    assert not (tmp_path / "marks/checkpoints.key").exists()


def test_a_damaged_key_is_named(marks: Checkpoints, tmp_path: Path) -> None:
    """Instead of being replaced in silence."""
    marks.mark(1, "a" * 64, NOON)
    (tmp_path / "marks/checkpoints.key").write_bytes(b"nonsense")
    with pytest.raises(Damaged, match="key that signs"):
        Checkpoints(tmp_path / "marks").read()


def test_a_torn_last_line_is_passed_over(marks: Checkpoints, tmp_path: Path) -> None:
    """Nobody was told of it; the next mark takes its place."""
    marks.mark(1, "a" * 64, NOON)
    with (tmp_path / "marks/checkpoints.jsonl").open("ab") as file:
        file.write(b'{"seq":2,"dig')
    assert [m.seq for m in marks.read()[0]] == [1] and marks.read()[1] == []
    marks.mark(2, "b" * 64, NOON)
    assert [m.seq for m in marks.read()[0]] == [1, 2] and marks.read()[1] == []


def test_every_change_of_the_ledger_is_marked(kept: SqlCatalog, marks: Checkpoints) -> None:
    """The last mark is the ledger's head, and all is well."""
    assert [mark.seq for mark in marks.read()[0]] == [1, 2, 3]
    assert (marks.read()[0][-1].seq, marks.read()[0][-1].digest) == kept.ledger_head()
    assert list(ledger_faults(kept, marks)) == []


def test_marks_may_lag(kept: SqlCatalog, marks: Checkpoints, tmp_path: Path) -> None:
    """A crash between the commit and its mark is legal."""
    file = tmp_path / "marks/checkpoints.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:2]))
    assert list(ledger_faults(kept, marks)) == []


def test_a_mark_that_fails_does_not_look_like_a_failed_commit(
    catalog_url: str, tmp_path: Path, entry: Callable[..., Entry]
) -> None:
    """The ledger stands, and the catalog says what is missing until the next mark covers it."""
    (tmp_path / "marks").write_bytes(b"a file where the folder should be")
    catalog = SqlCatalog(catalog_url, checkpoints=Checkpoints(tmp_path / "marks"))
    assert len(catalog.append([entry()])) == 1
    assert "marking line 1" in catalog.lagging
    (tmp_path / "marks").unlink()
    catalog.append([entry()])
    assert catalog.lagging == "" and catalog.ledger_head()[0] == 2
    catalog.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE ledger SET summary = 'another' WHERE seq = 2", "line 2 was changed"),
        ("UPDATE ledger SET body = replace(body, '14', '15') WHERE seq = 2", "line 2 was changed"),
        ("UPDATE ledger SET body = '{not json' WHERE seq = 2", "line 2 was changed"),
        ("UPDATE ledger SET at = at + 1 WHERE seq = 2", "line 2 was changed"),
        ("DELETE FROM ledger WHERE seq = 2", "line 2 is missing"),
        ("DELETE FROM ledger WHERE seq = 3", "the tail was cut"),
        ("DELETE FROM ledger", "the tail was cut"),
    ],
)
def test_tampering_is_named(kept: SqlCatalog, marks: Checkpoints, sql: Sql, change: str, said: str) -> None:
    """A changed line, a missing one, a cut tail: each by its number."""
    sql(change)
    assert any(said in fault for fault in ledger_faults(kept, marks))


def test_a_full_rewrite_is_named(
    kept: SqlCatalog, marks: Checkpoints, sql: Sql, catalog_url: str, entry: Callable[..., Entry]
) -> None:
    """A perfect new chain does not agree with the marks."""
    sql("DELETE FROM ledger")
    forger = SqlCatalog(catalog_url)
    forger.append([entry(word) for word in ("one", "TWO", "three", "four")])
    forger.close()
    assert sum("the ledger was rewritten" in fault for fault in ledger_faults(kept, marks)) == 2


def test_an_unreadable_line_is_damage(kept: SqlCatalog, sql: Sql) -> None:
    """Reading stops there and names it; nothing is made up."""
    sql("UPDATE ledger SET body = '{not json' WHERE seq = 2")
    with pytest.raises(Damaged, match="line 2 of the ledger was changed"):
        list(kept.ledger())


def test_a_changed_manifest_is_damage(catalog: SqlCatalog, sql: Sql, release: Callable[..., object]) -> None:
    """A release is what its digest says, or it is not returned."""
    row = release()
    catalog.add_release(row)  # type: ignore[arg-type]
    sql("UPDATE releases SET manifest = replace(manifest, '0001', '0002')")
    with pytest.raises(Damaged, match="was changed"):
        catalog.releases("late")
