"""What the rooms need from the world, as protocols. Adapters stand in ``store/``; ``app.py`` wires them.

Every adapter of a port passes the same test suite. Times are aware UTC datetimes; digests are SHA-256 in hex.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import msgspec

from plimsoll.errors import PlimsollError
from plimsoll.kernel.access import KeyRow
from plimsoll.kernel.chain import Entry, Line
from plimsoll.kernel.columns import Columns, Written
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.records import Record
from plimsoll.kernel.rollout import Deployment


class Clock(Protocol):
    """Time is passed in, so that the same loop runs on the wall clock and in a rehearsal."""

    def now(self) -> datetime: ...


class Objects(Protocol):
    """Content-addressed bytes. Written once, checked at every read; a damaged object is never returned."""

    def put(self, data: bytes) -> str:
        """Keep ``data`` durably and return its digest. Putting the same bytes twice is one object."""
        ...

    def get(self, digest: str) -> bytes:
        """The bytes named ``digest``. Raises Damaged if they are not those; Unavailable if they are not here."""
        ...

    def has(self, digest: str) -> bool: ...

    def digests(self) -> Iterator[str]: ...

    def delete(self, digest: str) -> None: ...

    def written_since(self, at: datetime) -> frozenset[str]:
        """The digests of what was put since ``at``."""
        ...

    def verify(self) -> Iterator[str]:
        """One sentence for each damaged object."""
        ...


class Fence(NamedTuple):
    """The proof of holding a lease: writes with an older token are refused."""

    name: str
    holder: str
    token: int


class ReleaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A release as the catalog keeps it: the manifest, and what it is called and when it came (which change nothing)."""

    digest: str
    capability: str
    manifest: Manifest
    label: str
    created_at: datetime
    gate: dict[str, Any] = {}  # the gate's verdict as plain JSON; {} until judged
    report: str = ""  # digest of the evaluation report


class SnapshotRow(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable version of a dataset: the objects (Parquet files) it consists of, in order."""

    digest: str
    dataset: str
    version: int
    files: tuple[str, ...]
    rows: int
    created_at: datetime
    note: dict[str, Any] = {}


class PushedBatch(NamedTuple):
    """Rows that were pushed together: the object (a Parquet file) that holds them, and their place in the feed."""

    seq: int
    file: str
    rows: int


class FeedState(NamedTuple):
    """A dataset at one moment: its newest snapshot, what was pushed since, in order, and the number of the last push."""

    snapshot: SnapshotRow | None
    batches: tuple[PushedBatch, ...]
    seq: int


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A finished step: its key is the digest of everything it read; its outputs are digests of what it wrote."""

    key: str
    step: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    finished_at: datetime


class IncidentRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person should know: opened by the loop, closed by the loop or a person, never deleted."""

    id: str
    capability: str
    kind: str
    summary: str
    opened_at: datetime
    closed_at: datetime | None = None
    details: dict[str, Any] = {}


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one pass of the loop writes, in one transaction or not at all."""

    deployment: Deployment  # as it shall be; its ``version`` is the one that was read
    entries: tuple[Entry, ...]  # appended to the ledger, in order
    incidents: tuple[IncidentRow, ...] = ()  # inserted, or replaced by id


class CatalogReader(Protocol):
    """What was released and decided, for who only looks."""

    def release(self, capability: str, name: str) -> ReleaseRow:
        """By digest, unambiguous prefix (≥ 4) or label (the newest of that label). Raises UsageError naming near ones."""
        ...

    def releases(self, capability: str) -> Sequence[ReleaseRow]:
        """Oldest first."""
        ...

    def capabilities(self) -> Sequence[str]: ...

    def deployment(self, capability: str) -> Deployment:
        """The deployment, or a fresh one at version 0."""
        ...

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
        """The lines that satisfy every condition given, read as they are taken: who stops early reads little.

        ``bodies=False`` leaves every body empty, which is most of what a line weighs; such a line does not have its
        digest. Raises Damaged at a line that cannot be read.
        """
        ...

    def ledger_head(self) -> tuple[int, str]:
        """(sequence, digest) of the last line; (0, GENESIS) when empty."""
        ...

    def incidents(self, capability: str, *, open_only: bool = False) -> Sequence[IncidentRow]: ...

    def access_keys(self) -> Sequence[KeyRow]:
        """Every key there ever was, oldest first."""
        ...

    def close(self) -> None: ...


class Keys(Protocol):
    """The keys, as those see them who issue and who verify."""

    def version(self) -> int:
        """A number that grows with every change of any key; cheap to ask for."""
        ...

    def all(self) -> tuple[int, Sequence[KeyRow]]:
        """The version, and every key of that version or a later one, oldest first."""
        ...

    def add(self, row: KeyRow, entry: Entry) -> None:
        """Keep a new key, and ``entry`` in the ledger. Raises Conflict if its id is taken."""
        ...

    def change(self, key: str, change: Callable[[KeyRow], tuple[KeyRow, Entry]]) -> KeyRow:
        """Replace a key by what ``change`` makes of it now, under the write lock; its entry goes into the ledger.

        Raises UsageError where there is no such key, and what ``change`` raises; then nothing was written.
        """
        ...

    def used(self, at: Mapping[str, datetime]) -> None:
        """Keep when keys were last used, unless a later time is known. The version stays."""
        ...


class Feeds(Protocol):
    """What was pushed into datasets, durably, until a snapshot holds it. A row is in one of the two, never in both."""

    def state(self, dataset: str) -> FeedState:
        """Of one moment: a row that is being folded is neither missing nor twice."""
        ...

    def datasets(self) -> Sequence[str]:
        """Those that have pushed rows in no snapshot."""
        ...

    def known(self, dataset: str, ids: Sequence[str]) -> set[str]:
        """Which of these rows have been here."""
        ...

    def push(self, dataset: str, file: str, rows: int, ids: Sequence[str], *, at: datetime) -> int:
        """Keep a batch, and remember the ids of its rows; its number. Raises Conflict if one of them has been here:
        then nothing is kept."""
        ...

    def fold(
        self,
        dataset: str,
        files: Sequence[str],
        rows: int,
        *,
        until_seq: int,
        at: datetime,
        note: Mapping[str, Any],
        expected_version: int,
    ) -> SnapshotRow:
        """The next version, which holds the batches up to ``until_seq``; they are gone with it. Raises Conflict if
        somebody was faster."""
        ...


class Catalog(CatalogReader, Protocol):
    """Releases, snapshots, runs, deployments, incidents and the ledger, behind SQL. One transaction per call."""

    @property
    def feeds(self) -> Feeds: ...

    @property
    def access(self) -> Keys: ...

    def add_release(self, row: ReleaseRow) -> bool:
        """Keep a release; False if this manifest is already here (then nothing changes, not even its label)."""
        ...

    def set_gate(self, digest: str, gate: Mapping[str, Any], report: str) -> None: ...

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
        """The next version. Raises Conflict if ``expected_version`` (0 at first) is no longer the newest."""
        ...

    def snapshot(
        self,
        dataset: str,
        *,
        version: int | None = None,
        digest: str | None = None,
        at: datetime | None = None,
    ) -> SnapshotRow | None:
        """By version, by digest, as of a time, or the newest; None where there is none."""
        ...

    def snapshots(self, dataset: str | None = None) -> Sequence[SnapshotRow]: ...

    def find_run(self, key: str) -> RunRow | None: ...

    def add_run(self, row: RunRow) -> None:
        """Keep a finished step; the first of a key stays."""
        ...

    def commit(self, commit: Commit, fence: Fence | None) -> Deployment:
        """Compare-and-set on the deployment's version, append to the ledger, keep incidents: all or nothing.

        Raises Conflict if the version moved or the fence is older than the newest token of its lease. Returns the
        deployment with its new version.
        """
        ...

    def append(self, entries: Sequence[Entry]) -> Sequence[Line]:
        """Append to the ledger alone (a gate verdict, an operator's note)."""
        ...

    def acquire(self, name: str, holder: str, ttl: timedelta, now: datetime) -> Fence | None:
        """Take or renew the lease ``name``. None while somebody else holds it. A new holder gets a higher token."""
        ...

    def release_lease(self, fence: Fence) -> None: ...


class Position(NamedTuple):
    """A place in the event log: everything before it was read."""

    segment: str
    offset: int


class EventLog(Protocol):
    """Append-only records. ``append`` returns when they survive what the durability setting promises."""

    def append(self, records: Sequence[Written]) -> None:
        """Durable on return. Raises Unavailable (disk full, closed): then none of them was accepted."""
        ...

    def append_then(self, records: Sequence[Written], then: Callable[[PlimsollError | None], None]) -> None:
        """As ``append``, without blocking the event loop that it is called on: ``then`` is called on it with None once
        they are durable, or with why none of them was accepted; before this returns, where nothing has to be waited for.
        """
        ...

    def read(self, after: Position | None = None, limit: int = 100_000) -> tuple[Sequence[Record], Position]:
        """The next records in order of writing, and where to go on. Raises Damaged, naming segment and offset."""
        ...

    def read_columns(self, after: Position | None = None, limit: int = 100_000) -> tuple[Sequence[Columns], Position]:
        """As ``read``, for many records at once: in columns, also what was written one by one."""
        ...

    def close(self) -> None: ...


OnlineRow = tuple[str, int, bytes]
"""(entity, known_at in µs since the epoch, packed float32 values)."""


class Step(NamedTuple):
    """A change of one view's rows that is made only by who knows what they are: from the mark ``before`` to ``after``."""

    before: str | None
    after: str


class OnlineView(NamedTuple):
    """What an online store holds of a view. ``newest_us``: the greatest ``known_at`` written; None where none was."""

    name: str
    mark: str
    rows: int
    newest_us: int | None


class OnlineFeatures(Protocol):
    """The last applied timeline row of each entity, packed: (known_at in µs since the epoch, float32 values).

    Each view has a *mark*, which says in the writer's own words which state its rows are in; it changes with the rows,
    as one. ``""`` says that nobody knows; None, that the view was never written. Whoever passes a ``Step`` writes only
    if the mark is the one that it knows, else Conflict is raised and nothing has changed.

    With ``as_of_us`` an adapter that keeps a history gives the last row known by then; one that keeps only the last
    row gives that one. All methods may be called from any thread; whatever is away raises Unavailable, within a
    bounded time.
    """

    @property
    def far(self) -> bool:
        """Whether reading waits for a network: then it is no work for an event loop's thread."""
        ...

    def apply(self, view: str, rows: Iterable[OnlineRow], *, step: Step | None = None) -> int:
        """Apply rows in order; an older row than the held one is ignored. Returns how many were not."""
        ...

    def correct(
        self, view: str, rows: Iterable[OnlineRow], *, gone: Iterable[str] = (), step: Step | None = None
    ) -> int:
        """Hold these rows, whatever is held now, newer or older, and no row of ``gone``. Returns how many rows."""
        ...

    def replace(self, view: str, rows: Iterable[OnlineRow], *, mark: str = "") -> int:
        """Hold exactly these rows, the last of each entity. Until all of them are here the old ones are served; then
        all change at once. What others write meanwhile is written to both, and the new rows' mark is ``""`` then.

        Returns how many rows; 0 without reading them where the mark is ``mark`` already: somebody else was first.
        """
        ...

    def get(self, view: str, entity: str, as_of_us: int | None = None) -> tuple[int, bytes] | None: ...

    def get_many(
        self, view: str, entities: Sequence[str], as_of_us: Sequence[int] | None = None
    ) -> list[tuple[int, bytes] | None]:
        """One row an entity, all of the same state of the view."""
        ...

    def mark(self, view: str) -> str | None: ...

    def rows(self, view: str) -> Iterator[OnlineRow]:
        """Every row of a view as it is now, in no order."""
        ...

    def views(self) -> Sequence[OnlineView]:
        """What is held, by name. May cost a pass over all rows."""
        ...

    def forget(self, view: str) -> None:
        """Hold nothing of ``view`` any more."""
        ...

    def repairs(self) -> Sequence[str]:
        """A sentence for each thing that opening found half done and put right."""
        ...

    def close(self) -> None: ...


class Notifier(Protocol):
    """Tells people: a webhook, a log. Never raises; a failure to tell is counted and said in the next status."""

    def notify(self, kind: str, summary: str, details: Mapping[str, Any]) -> None: ...
