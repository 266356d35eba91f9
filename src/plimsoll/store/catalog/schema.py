"""From no tables, or old ones, to today's: once, under the write lock, however many processes open at the same time.

A fresh catalog is made from ``tables`` in one go; an older one is migrated; a current one costs one query, and never
imports Alembic.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select

from plimsoll.errors import UsageError
from plimsoll.store.catalog.engine import Database
from plimsoll.store.catalog.revision import REVISION
from plimsoll.store.catalog.tables import metadata, version

MIGRATIONS = Path(__file__).parent / "migrations"


def ready(database: Database) -> None:
    """Bring the schema to ``REVISION``. Raises UsageError if a newer Plimsoll made it."""
    with database.reading() as connection:
        if _revision(connection) == REVISION:
            return
    database.prepare()
    with database.writing() as connection:
        _bring_up(connection, database.place)


def _bring_up(connection: Connection, place: str) -> None:
    found = _revision(connection)
    if found is None:
        metadata.create_all(connection, checkfirst=False)
        connection.execute(insert(version).values(version_num=REVISION))
    elif found != REVISION:
        migrate(connection, found, place)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(version.name):
        return None
    return connection.execute(select(version.c.version_num)).scalar_one_or_none() or ""


def migrate(connection: Connection, found: str, place: str) -> None:
    """Run the migrations from ``found`` on, inside the caller's transaction."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found and found not in known:
        raise UsageError(
            f"the catalog has the schema {found!r}, which this Plimsoll does not know ({place})",
            hint="a newer Plimsoll wrote it: upgrade with pip install --upgrade plimsoll",
        )
    command.upgrade(config, "head")
