"""The reader of an embedded catalog says what the catalog says, in a fraction of the time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from sqlalchemy import text

from plimsoll.errors import Damaged, UsageError
from plimsoll.kernel.chain import GENESIS, Entry
from plimsoll.kernel.ports import CatalogReader, Commit, IncidentRow, ReleaseRow
from plimsoll.kernel.rollout import Deployment
from plimsoll.store import SqlCatalog, SqliteReader
from plimsoll.store.catalog.engine import Database

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Both(NamedTuple):
    """One file, opened by each."""

    path: Path
    catalog: SqlCatalog
    reader: SqliteReader


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    path = tmp_path / "catalog.db"
    catalog = SqlCatalog(f"sqlite:///{path}")
    reader = SqliteReader.at(path)
    assert reader is not None
    yield Both(path, catalog, reader)
    reader.close()
    catalog.close()


def filled(both: Both, release: Callable[..., ReleaseRow], entry: Callable[..., Entry]) -> None:
    for seed in (1, 2, 3):
        both.catalog.add_release(release("weekly", seed))
    both.catalog.add_release(release("weekly", 4, "other"))
    opened = IncidentRow(id="i1", capability="late", kind="skew", summary="feed", opened_at=NOON)
    closed = msgspec.structs.replace(opened, id="i2", closed_at=NOON + HOUR, details={"release": "r"})
    entries = tuple(msgspec.structs.replace(entry(str(n), NOON + n * HOUR), subject=f"r{n % 3}") for n in range(9))
    commit = Commit(deployment=Deployment(capability="late"), entries=entries, incidents=(opened, closed))
    both.catalog.commit(commit, None)
    both.catalog.append([entry("else", NOON, "other")])


QUESTIONS: dict[str, Callable[[CatalogReader], object]] = {
    "capabilities": lambda c: list(c.capabilities()),
    "releases": lambda c: c.releases("late"),
    "a label": lambda c: c.release("late", "weekly"),
    "a prefix": lambda c: c.release("late", c.releases("late")[0].digest[:12]),
    "the deployment": lambda c: c.deployment("late"),
    "no deployment": lambda c: c.deployment("none"),
    "incidents": lambda c: c.incidents("late"),
    "open incidents": lambda c: c.incidents("late", open_only=True),
    "the head": lambda c: c.ledger_head(),
    "the ledger": lambda c: list(c.ledger()),
    "a part": lambda c: list(c.ledger(after=2, until=NOON + 5 * HOUR, capability="late")),
    "a subject": lambda c: list(c.ledger(subject="r1")),
    "backwards": lambda c: list(c.ledger(newest_first=True, bodies=False)),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_reader_says_what_the_catalog_says(
    both: Both, release: Callable[..., ReleaseRow], entry: Callable[..., Entry], question: str
) -> None:
    """Of an empty catalog and of a full one, to the last byte."""
    ask = QUESTIONS[question]
    if question not in ("a label", "a prefix"):
        assert ask(both.reader) == ask(both.catalog)
    filled(both, release, entry)
    assert ask(both.reader) == ask(both.catalog)


def test_both_name_the_nearest_release(both: Both, release: Callable[..., ReleaseRow]) -> None:
    """In the same words."""
    both.catalog.add_release(release("weekly"))
    said = []
    for catalog in (both.reader, both.catalog):
        with pytest.raises(UsageError, match="did you mean 'weekly'") as caught:
            catalog.release("late", "weekyl")
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_a_reader_waits_for_no_writer(both: Both) -> None:
    """It sees what was committed."""
    database = Database(f"sqlite:///{both.path}")
    with database.writing() as connection:
        connection.execute(text("DELETE FROM releases"))
        assert both.reader.ledger_head() == (0, GENESIS)
    database.close()


def test_a_line_that_cannot_be_read_is_damaged(both: Both, entry: Callable[..., Entry]) -> None:
    """And named; the lines before it are read."""
    both.catalog.append([entry("a"), entry("b")])
    database = Database(f"sqlite:///{both.path}")
    with database.writing() as connection:
        connection.execute(text("UPDATE ledger SET body = '{' WHERE seq = 2"))
    database.close()
    lines = both.reader.ledger()
    assert next(lines).entry.summary == "a"
    with pytest.raises(Damaged, match="line 2"):
        next(lines)


@pytest.mark.parametrize("made", ["absent", "empty", "no database", "older"])
def test_what_is_no_catalog_of_today_is_left_to_the_catalog(both: Both, tmp_path: Path, made: str) -> None:
    """Which makes it, brings it up to date, or says what is wrong."""
    path = tmp_path / "other.db"
    if made == "older":
        path = both.path
        database = Database(f"sqlite:///{path}")
        with database.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        database.close()
    elif made != "absent":
        path.write_bytes(b"" if made == "empty" else b"no database at all" * 500)
    assert SqliteReader.at(path) is None
    assert path.exists() is (made != "absent")


def test_a_look_does_not_import_sqlalchemy(both: Both) -> None:
    """Its import takes longer than everything else that ``plimsoll status`` does."""
    script = f"""
import sys
from plimsoll.cli import main
for words in (["status"], ["log"], ["log", "--at", "2013-02-01"]):
    assert main([*words, "--json", "--home", {str(both.path.parent)!r}]) == 0
assert not {{"sqlalchemy", "numpy", "rich.console"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
