"""The schema: made once, equal to its migrations, quick to open, and mapped errors where it cannot be."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from plimsoll.errors import Damaged, Unavailable, UsageError
from plimsoll.kernel.chain import Entry
from plimsoll.store import SqlCatalog
from plimsoll.store.catalog.engine import Database
from plimsoll.store.catalog.revision import REVISION
from plimsoll.store.catalog.schema import MIGRATIONS, bring_up, migrate
from plimsoll.store.catalog.tables import metadata


def open_and_read(url: str) -> int:
    catalog = SqlCatalog(url)
    try:
        return catalog.ledger_head()[0]
    finally:
        catalog.close()


def test_many_processes_may_open_an_empty_database_at_once(catalog_url: str) -> None:
    """One of them makes the schema; nobody sees "database is locked"."""
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(open_and_read, [catalog_url] * 6)) == [0] * 6


def test_migrations_lead_to_the_tables_that_are_declared(catalog_url: str) -> None:
    """A fresh catalog and a migrated one are the same."""
    database = Database(catalog_url)
    with database.writing() as connection:
        migrate(connection, "", database.place)
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == REVISION
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        found = inspect(connection)
        for table in metadata.sorted_tables:
            declared = sorted(str(c.name) for c in table.primary_key.columns)
            assert sorted(found.get_pk_constraint(table.name)["constrained_columns"]) == declared
    database.close()


def test_the_declared_revision_is_the_newest_migration() -> None:
    """Or opening would migrate for ever."""
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == REVISION


def test_a_catalog_before_its_first_migration_is_brought_up(catalog_url: str) -> None:
    """An empty version table means: nothing yet."""
    database = Database(catalog_url)
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
    database.close()
    assert open_and_read(catalog_url) == 0


def test_a_catalog_of_an_earlier_plimsoll_keeps_its_ledger(catalog_url: str, entry: Callable[..., Entry]) -> None:
    """The index by subject came with 0002, the keys with 0003, the feeds with 0004; the lines that were there are found by it."""
    earlier = SqlCatalog(catalog_url)
    written = earlier.append([entry("a"), entry("b")])
    earlier.close()
    database = Database(catalog_url)
    with database.writing() as connection:
        connection.execute(text("DROP INDEX ledger_of_subject"))
        for table in ("access_keys", "access_version", "feeds", "pushed", "pushed_ids"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    bring_up(database)
    database.close()
    later = SqlCatalog(catalog_url)
    assert list(later.ledger(subject="r1")) == written and later.access_keys() == []
    later.close()


def test_a_newer_schema_is_refused(catalog_url: str) -> None:
    """Rather than guessed at."""
    open_and_read(catalog_url)
    database = Database(catalog_url)
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(UsageError, match=r"'9999'[\s\S]*upgrade"):
        SqlCatalog(catalog_url)


def test_a_fresh_catalog_opens_fast(tmp_path: Path) -> None:
    """Imports aside, in at most 150 ms of processor time: the least of five, whoever else is busy."""

    def opened_s(name: str) -> float:
        began = time.process_time()
        SqlCatalog(f"sqlite:///{tmp_path}/{name}.db").close()
        return time.process_time() - began

    assert min(opened_s(f"catalog{n}") for n in range(5)) < 0.15


def test_opening_a_current_catalog_does_not_import_alembic(tmp_path: Path) -> None:
    """Nor does importing the room import SQLAlchemy."""
    script = f"""
import sys, plimsoll.store
assert "sqlalchemy" not in sys.modules
for _ in range(2):
    plimsoll.store.SqlCatalog("sqlite:///{tmp_path}/catalog.db").close()
assert "alembic" not in sys.modules and "duckdb" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    """And said to be."""
    (tmp_path / "catalog.db").write_bytes(b"not a database at all" * 500)
    with pytest.raises(Damaged, match="catalog is damaged"):
        SqlCatalog(f"sqlite:///{tmp_path}/catalog.db")


def test_a_server_that_is_away_is_unavailable() -> None:
    """Retrying may help; the password is not in the message."""
    with pytest.raises(Unavailable) as caught:
        SqlCatalog("postgresql://someone:secret@127.0.0.1:9/test")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://x/y", "no url at all"])
def test_another_kind_of_database_is_a_usage_error(url: str) -> None:
    """Two are supported, and both are tested."""
    with pytest.raises(UsageError):
        SqlCatalog(url)
