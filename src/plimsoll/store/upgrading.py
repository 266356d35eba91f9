"""The schema of a catalog, brought up to today's on purpose: looked at, backed up, migrated under the write lock."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from plimsoll.errors import UsageError
from plimsoll.store.backup import copy_catalog
from plimsoll.store.catalog import schema
from plimsoll.store.catalog.engine import Database
from plimsoll.store.catalog.revision import REVISION
from plimsoll.store.durable import make_folder


class Upgraded(NamedTuple):
    """From which schema to which, by which steps, and where the catalog is as it was before."""

    before: str
    after: str
    steps: tuple[str, ...]
    backup: str


def upgraded(url: str, backups: Path, *, dry_run: bool = False, dumped: bool = False) -> Upgraded:
    """Bring the catalog at ``url`` up to REVISION; the one that is there is copied into ``backups`` first.

    Raises UsageError if there is none, if a newer Plimsoll made it, or if it is not in SQLite and nobody says that it
    was ``dumped``. Several at once: one of them does it, and the others find it done.
    """
    database = Database(url, create=False)
    try:
        before = schema.revision_of(database)
        steps = schema.steps_from(before, database.place)
        if not steps or dry_run:
            return Upgraded(before, REVISION, steps, "")
        kept = _backed_up(database, before, backups, dumped)
        schema.bring_up(database)
        return Upgraded(before, REVISION, steps, kept)
    finally:
        database.close()


def _backed_up(database: Database, before: str, backups: Path, dumped: bool) -> str:
    if database.file is None:
        if not dumped:
            raise UsageError(
                "the catalog is in PostgreSQL, which is not ours to back up",
                hint="pg_dump DATABASE > catalog.sql, then: plimsoll upgrade --dumped",
            )
        return ""
    make_folder(backups)
    target = backups / f"catalog-{before}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.db"
    copy_catalog(database.file, target)
    return str(target)
