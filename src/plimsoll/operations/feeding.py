"""Rows that are pushed: checked against their contract, kept once and for good, and applied to the online features.

A row is *here* when it is an object with a number in its dataset's feed; from then on the offline side and the online
side both see it, and pushing it again changes nothing. Applying follows; if that fails it is made up for by whoever
brings the features next, because the feed says what was applied of it and what was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from plimsoll.capability import Capability, Source, Table
from plimsoll.data import CheckResult, Contract, Snapshots, check
from plimsoll.errors import Conflict, Refused, Unavailable, UsageError, nearest
from plimsoll.kernel.digest import digest
from plimsoll.kernel.ports import Catalog, Clock, FeedState, Objects
from plimsoll.operations.folding import FOLD_AT, fold, typed
from plimsoll.operations.intake import contract_of, key_of, one_at_a_time

ID = "_plimsoll_id"
"""The column of a row's id on its way through the check."""
PATIENCE_S = 30.0
"""How long a push waits for an intake of rows, or for another push."""
ATTEMPTS = 3
MOST_ROWS = 50_000
"""In one push. More come in several."""
QUARANTINES = 200
"""Files of quarantined rows that are kept of a dataset."""


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the rows of one push; each is in exactly one of the first three counts.

    ``duplicate``: its id, or its key, has been here; the first stays. ``applied`` is false where the rows are kept and
    the online features could not be brought up to them yet.
    """

    accepted: int = 0
    duplicate: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = {}
    quarantine: str = ""
    undeclared: tuple[str, ...] = ()
    applied: bool = True


class Feed:
    """Takes pushed rows of a capability's tables. ``apply`` brings the online features up to what is in the feeds."""

    def __init__(
        self,
        capability: Capability,
        catalog: Catalog,
        objects: Objects,
        clock: Clock,
        folder: Path,
        *,
        apply: Callable[[], None] | None = None,
    ) -> None:
        self._tables = {table.name: table for table in capability.sources}
        self._capability, self._catalog, self._objects, self._clock = capability, catalog, objects, clock
        self._folder, self._apply = folder, apply

    @property
    def tables(self) -> Collection[str]:
        """Into which rows may be pushed."""
        return self._tables

    def push(self, source: str, rows: Sequence[Mapping[str, Any]], ids: Sequence[str] | None = None) -> Pushed:
        """Keep what is new and keeps its contract, durably, then apply it.

        ``ids`` name the rows: one that has been here is not taken again. Without them a row is named by its key in the
        contract, else by all that it says. Raises UsageError for a table that is none, Unavailable if the rows could
        not be kept: then none of them was.
        """
        table = self._table(source)
        if len(rows) > MOST_ROWS:
            raise UsageError(f"{len(rows):,} rows in one push; {MOST_ROWS:,} are the most", hint="push them in parts")
        if ids is not None and len(ids) != len(rows):
            raise UsageError(f"{len(rows)} rows and {len(ids)} ids: give one each, or none")
        pushed = self._kept(table, rows, ids) if rows else Pushed()
        return msgspec.structs.replace(pushed, applied=self._applied())

    def _table(self, source: str) -> Table | Source:
        if source not in self._tables:
            raise UsageError(
                f"{self._capability.name} has no table {source!r:.80} to push rows into",
                hint=nearest(source, self._tables),
            )
        return self._tables[source]

    def _kept(self, table: Table | Source, rows: Sequence[Mapping[str, Any]], ids: Sequence[str] | None) -> Pushed:
        contract = contract_of(self._capability, table)
        key = key_of(table, contract)
        named = [_text(i) or "" for i in ids] if ids is not None else [_name(row, key) for row in rows]
        with one_at_a_time(self._folder, PATIENCE_S):
            for _ in range(ATTEMPTS):
                try:
                    return self._new_ones(table, contract, key, rows, named)
                except Conflict:  # another machine kept one of the rows meanwhile
                    continue
        raise Conflict(f"rows of {table.name!r} were pushed by others {ATTEMPTS} times in a row", hint="push again")

    def _new_ones(
        self, table: Table | Source, contract: Contract, key: Sequence[str], rows: Sequence[Any], named: Sequence[str]
    ) -> Pushed:
        known = self._catalog.feeds.known(table.name, list(dict.fromkeys(named)))
        fresh = {name: row for name, row in zip(named, rows, strict=True) if name not in known}
        again = len(rows) - len(fresh)
        undeclared = sorted({name for row in fresh.values() for name in row} - {c.name for c in contract.columns})
        if not fresh:
            return Pushed(duplicate=again)
        with TemporaryDirectory(prefix="push-", dir=self._folder) as scratch:
            checked = self._checked(table, contract, fresh, Path(scratch))
            bad, quarantine = self._quarantined(table, checked)
            good = [name for name in fresh if name not in bad]
            accepted = self._push(table, key, checked, good, Path(scratch)) if good else 0
        return Pushed(
            accepted=accepted,
            duplicate=again + len(good) - accepted,
            quarantined=len(bad),
            reasons=checked.reasons,
            quarantine=quarantine,
            undeclared=tuple(undeclared),
        )

    def _checked(
        self, table: Table | Source, contract: Contract, fresh: Mapping[str, Mapping[str, Any]], scratch: Path
    ) -> CheckResult:
        """Judged row by row: how many bad ones a set may have, and how large it must be, are matters of a delivery."""
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet

        columns = {c.name: [_text(row.get(c.name)) for row in fresh.values()] for c in contract.columns}
        arrays = {name: pa.array(values, pa.string()) for name, values in (columns | {ID: list(fresh)}).items()}
        parquet.write_table(pa.table(arrays), scratch / "rows.parquet")
        each = msgspec.structs.replace(contract, tolerance=1.0, limits=(), freshness=())
        related = {r.table: self._files(r.table) for r in contract.references if r.table != contract.name}
        checked = check(each, scratch / "rows.parquet", out_folder=scratch, related=related)
        if checked.refused:
            raise Refused(f"the rows break the contract {contract.name!r}: {checked.refused}")
        return checked

    def _push(
        self, table: Table | Source, key: Sequence[str], checked: CheckResult, ids: Sequence[str], scratch: Path
    ) -> int:
        """Keep the good rows whose key is not here yet, in the types that the dataset has; how many those were."""
        state = self._catalog.feeds.state(table.name)
        made = typed(checked.good, state, self._files_of(state), key, scratch)
        if not made.rows:
            return 0
        file = self._objects.put(made.data)
        self._catalog.feeds.push(table.name, file, made.rows, ids, at=self._clock.now())
        if len(state.batches) + 1 >= FOLD_AT:
            fold(self._objects, self._catalog, table.name, at=self._clock.now(), folder=self._folder)
        return made.rows

    def _quarantined(self, table: Table | Source, checked: CheckResult) -> tuple[set[str], str]:
        """The ids of the bad rows, and where a person finds them with their reasons."""
        if checked.quarantined is None:
            return set(), ""
        from pyarrow import parquet

        bad = set(parquet.read_table(checked.quarantined, columns=[ID]).column(ID).to_pylist())
        place = self._folder / "quarantine" / "pushed" / table.name
        place.mkdir(parents=True, exist_ok=True)
        kept = checked.quarantined.replace(place / f"{self._clock.now():%Y%m%dT%H%M%S%f}.parquet")
        for old in sorted(place.glob("*.parquet"))[:-QUARANTINES]:
            old.unlink(missing_ok=True)
        return bad, str(kept)

    def _files(self, dataset: str) -> list[Path]:
        files = self._files_of(self._catalog.feeds.state(dataset))
        if not files:
            raise Unavailable(
                f"there are no rows of {dataset!r} here yet, to which these refer", hint="push those first"
            )
        return files

    def _files_of(self, state: FeedState) -> list[Path]:
        return files_of(state, Snapshots(self._objects, self._catalog), self._folder)

    def _applied(self) -> bool:
        if self._apply is None:
            return False
        try:
            self._apply()
        except Unavailable:
            return False
        return True


class Feeds:
    """The feeds of several capabilities as one. A table that two of them read is one table: its rows are kept once."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._by_table = {table: feed for feed in reversed(feeds) for table in feed.tables}

    def push(self, source: str, rows: Sequence[Mapping[str, Any]], ids: Sequence[str] | None = None) -> Pushed:
        """As ``Feed.push``."""
        if source not in self._by_table:
            raise UsageError(
                f"nothing that is served has a table {source!r:.80} to push rows into",
                hint=nearest(source, self._by_table),
            )
        return self._by_table[source].push(source, rows, ids)


def files_of(state: FeedState, snapshots: Snapshots, folder: Path) -> list[Path]:
    """Every row of a dataset as local files: those of its snapshot, then what was pushed since."""
    digests = [*(state.snapshot.files if state.snapshot else ()), *(batch.file for batch in state.batches)]
    return snapshots.files(digests, folder / "snapshots")


def _name(row: Mapping[str, Any], key: Sequence[str]) -> str:
    values = {name: _text(row.get(name)) for name in key}
    if key and None not in values.values():
        return digest({"key": values})
    return digest({"row": {name: _text(value) for name, value in row.items()}})


def _text(value: Any) -> str | None:
    """A value as text that reads as the same value: the contract says what it is. Null is None or NaN."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return None if math.isnan(value) else repr(int(value) if value.is_integer() and abs(value) < 2**53 else value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
