"""``SqlCatalog``: the port ``Catalog`` on SQLite and PostgreSQL, with the same statements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from plimsoll.errors import Unavailable
from plimsoll.kernel.access import KeyRow
from plimsoll.kernel.chain import Entry, Line
from plimsoll.kernel.ports import Commit, Fence, IncidentRow, ReleaseRow, RunRow, SnapshotRow
from plimsoll.kernel.rollout import Deployment
from plimsoll.store.catalog import fencing, history, rows, schema
from plimsoll.store.catalog.engine import Database
from plimsoll.store.catalog.feeds import SqlFeeds
from plimsoll.store.catalog.keys import SqlKeys
from plimsoll.store.catalog.lookup import meant
from plimsoll.store.catalog.rows import add_snapshot
from plimsoll.store.checkpoints import Checkpoints


class SqlCatalog:
    """Releases, snapshots, runs, deployments, incidents and the ledger. One transaction per call.

    ``url``: ``sqlite:///path/catalog.db`` or ``postgresql://…``. Safe for many threads and processes at once; the
    schema is made or migrated at opening. With ``checkpoints``, every change of the ledger is marked there after it
    is committed; where that fails the ledger stands, and ``lagging`` says why the mark is missing.
    """

    def __init__(self, url: str, *, checkpoints: Checkpoints | None = None) -> None:
        self._database = Database(url)
        self._checkpoints = checkpoints
        self.access = SqlKeys(self._database, self._mark)
        self.feeds = SqlFeeds(self._database)
        self.lagging = ""
        try:
            schema.ready(self._database)
        except BaseException:
            self._database.close()
            raise

    def add_release(self, row: ReleaseRow) -> bool:
        with self._database.writing() as connection:
            return rows.add_release(connection, row)

    def set_gate(self, digest: str, gate: Mapping[str, Any], report: str) -> None:
        with self._database.writing() as connection:
            rows.set_gate(connection, digest, gate, report)

    def release(self, capability: str, name: str) -> ReleaseRow:
        with self._database.reading() as connection:
            return rows.release(connection, meant(rows.names_of(connection, capability), capability, name))

    def releases(self, capability: str) -> list[ReleaseRow]:
        with self._database.reading() as connection:
            return rows.releases_of(connection, capability)

    def capabilities(self) -> list[str]:
        with self._database.reading() as connection:
            return rows.capabilities(connection)

    def add_snapshot(
        self,
        dataset: str,
        files: Sequence[str],
        rows: int,
        *,
        at: datetime,
        note: Mapping[str, Any],
        expected_version: int,
    ) -> SnapshotRow:
        with self._database.writing() as connection:
            return add_snapshot(connection, dataset, files, rows, at=at, note=note, expected_version=expected_version)

    def snapshot(
        self, dataset: str, *, version: int | None = None, digest: str | None = None, at: datetime | None = None
    ) -> SnapshotRow | None:
        with self._database.reading() as connection:
            return rows.find_snapshot(connection, dataset, version=version, digest=digest, at=at)

    def snapshots(self, dataset: str | None = None) -> list[SnapshotRow]:
        with self._database.reading() as connection:
            return rows.all_snapshots(connection, dataset)

    def find_run(self, key: str) -> RunRow | None:
        with self._database.reading() as connection:
            return rows.find_run(connection, key)

    def add_run(self, row: RunRow) -> None:
        with self._database.writing() as connection:
            rows.add_run(connection, row)

    def deployment(self, capability: str) -> Deployment:
        with self._database.reading() as connection:
            return rows.deployment(connection, capability)

    def commit(self, commit: Commit, fence: Fence | None) -> Deployment:
        with self._database.writing() as connection:
            if fence is not None:
                fencing.check(connection, fence)
            after = rows.replace_deployment(connection, commit.deployment)
            written = history.append(connection, commit.entries)
            rows.keep_incidents(connection, commit.incidents)
        self._mark(written)
        return after

    def append(self, entries: Sequence[Entry]) -> list[Line]:
        with self._database.writing() as connection:
            written = history.append(connection, entries)
        self._mark(written)
        return written

    def ledger(
        self,
        *,
        after: int = 0,
        until: datetime | None = None,
        capability: str | None = None,
        subject: str | None = None,
        newest_first: bool = False,
        bodies: bool = True,
    ) -> Iterator[Line]:
        wanted = history.selection(after=after, until=until, capability=capability, subject=subject, bodies=bodies)
        return history.lines(self._database, wanted, newest_first=newest_first)

    def ledger_as_stored(self) -> Iterator[Line]:
        """Every line, also those that cannot be read: for verification only."""
        return history.lines(self._database, history.selection(), lenient=True)

    def ledger_head(self) -> tuple[int, str]:
        with self._database.reading() as connection:
            return history.head(connection)

    def incidents(self, capability: str, *, open_only: bool = False) -> list[IncidentRow]:
        with self._database.reading() as connection:
            return rows.incidents_of(connection, capability, open_only)

    def access_keys(self) -> list[KeyRow]:
        return self.access.all()[1]

    def acquire(self, name: str, holder: str, ttl: timedelta, now: datetime) -> Fence | None:
        with self._database.writing() as connection:
            return fencing.acquire(connection, name, holder, ttl, now)

    def release_lease(self, fence: Fence) -> None:
        with self._database.writing() as connection:
            fencing.give_back(connection, fence)

    def close(self) -> None:
        self._database.close()

    def _mark(self, written: Sequence[Line]) -> None:
        """A mark that fails must not look like a commit that failed: it is said, and the next one covers it."""
        if self._checkpoints is None or not written:
            return
        last = written[-1]
        try:
            self._checkpoints.mark(last.seq, last.digest, last.entry.at)
            self.lagging = ""
        except Unavailable as error:
            self.lagging = error.message
