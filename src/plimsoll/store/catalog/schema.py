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
    """Make the schema where there is none. Raises UsageError if another Plimsoll made it: an older one's is upgraded on
    purpose, after a backup, and not by whoever looks first."""
    found = revision_of(database)
    if found == REVISION:
        return
    if found:
        raise _other(found, database.place)
    bring_up(database)


def revision_of(database: Database) -> str:
    """The schema that is there; ``""`` for none."""
    with database.reading() as connection:
        return _revision(connection) or ""


def steps_from(found: str, place: str) -> tuple[str, ...]:
    """What each migration from ``found`` on does, in order. Raises UsageError for a schema that is newer than ours."""
    from alembic.script import ScriptDirectory

    scripts = [s for s in ScriptDirectory(str(MIGRATIONS)).walk_revisions() if s.revision <= REVISION]
    if found not in {script.revision for script in scripts}:
        raise _other(found, place)
    later = [s for s in reversed(scripts) if s.revision > found]
    return tuple(f"{s.revision}: {(s.doc or '').splitlines()[0]}" for s in later)


def _other(found: str, place: str) -> UsageError:
    if found < REVISION:
        return UsageError(
            f"the catalog has the schema {found!r}, and this Plimsoll works with {REVISION!r} ({place})",
            hint="stop what uses it, then: plimsoll upgrade (it backs the catalog up first)",
        )
    return UsageError(
        f"the catalog has the schema {found!r}, which this Plimsoll does not know ({place})",
        hint="a newer Plimsoll wrote it: upgrade with pip install --upgrade plimsoll",
    )


def bring_up(database: Database) -> None:
    """Bring the schema to ``REVISION``, under the write lock; whoever comes second finds it done."""
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
