"""Rows become snapshots: only what has arrived by now, only what is new, and only what keeps its contract.

A CSV is read as text, so that it is the contract that says what its values are: a value that is not that is a bad
row with a reason, and the columns of two deliveries have one type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from plimsoll.capability import Capability, Source, Table
from plimsoll.data import CheckResult, Contract, Snapshots, check, enforce
from plimsoll.errors import UsageError, nearest
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.digest import digest_bytes
from plimsoll.kernel.ports import SnapshotRow
from plimsoll.operations.folding import PUSHED, fold
from plimsoll.operations.yard import Yard
from plimsoll.store.durable import waited_for

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PATIENCE_S = 300.0
"""How long an intake waits for another one: a first one checks a whole history."""
_PLACE = "_place"
"""A row's number in the file; a join may not keep the order by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One table after the intake: its newest snapshot, its rows as local files, and what the contract said."""

    table: Table | Source
    contract: Contract
    snapshot: SnapshotRow
    files: tuple[Path, ...]
    checked: CheckResult | None  # None: nothing new had arrived


def take_in(capability: Capability, yard: Yard) -> dict[str, Taken]:
    """Every table of ``capability`` as of the yard's clock, by name; the question's source last.

    Raises Refused where a contract is broken beyond its tolerance: nothing of that table is kept then.
    """
    taken: dict[str, Taken] = {}
    with one_at_a_time(yard.folder):
        for table in capability.sources:
            related = {name: list(t.files) for name, t in taken.items()}
            taken[table.name] = _take(capability, table, yard, related)
    return taken


@contextmanager
def one_at_a_time(folder: Path, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Two at once would each take the same rows in, a release or a push. The second waits; a killed one's lock dies
    with it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "intake.lock").touch()
    with waited_for(folder / "intake.lock", patience_s, "another intake of rows to end"):
        yield


def rows_of(capability: Capability, table: Table | Source) -> Path:
    """Where a table's rows are. Raises UsageError if they are not there."""
    path = Path(table.rows()) if callable(table.rows) else capability.folder / table.rows
    if not path.is_file():
        raise UsageError(
            f"{capability.name}: the rows of {table.name!r} should be in {path}, which is not a file",
            hint=f"put a CSV or Parquet file there, or change rows=… of {table.name!r} in capability.py",
        )
    return path


def contract_of(capability: Capability, table: Table | Source) -> Contract:
    """The table's contract, read again only when its file has changed."""
    path = capability.folder / table.contract
    return _read(path, path.read_bytes()) if path.is_file() else Contract.load(path)


@lru_cache(maxsize=64)
def _read(path: Path, content: bytes) -> Contract:
    return Contract.load(path)


def _take(capability: Capability, table: Table | Source, yard: Yard, related: Mapping[str, list[Path]]) -> Taken:
    contract = contract_of(capability, table)
    snapshots = Snapshots(yard.objects, yard.catalog)
    rows, now = rows_of(capability, table), yard.clock.now()
    newest = fold(yard.objects, yard.catalog, table.name, at=now, folder=yard.folder)
    note: dict[str, Any] = {
        "until": now.isoformat(),
        "rows": "" if table.arrives_at else digest_bytes(rows.read_bytes()),
    }
    pushed = newest is not None and newest.note.get(PUSHED, False)
    note |= {PUSHED: True} if pushed else {}
    if newest is not None and note["rows"] and newest.note.get("rows") == note["rows"]:
        return _taken(table, contract, newest, None, snapshots, yard)
    known = (
        snapshots.materialise(newest, yard.folder / "snapshots") if newest and (pushed or not table.arrives_at) else []
    )
    with _scratch(yard) as scratch:
        fresh = _fresh(table, contract, rows, newest, known, now, scratch)
        if fresh is None and newest is not None:
            return _taken(table, contract, newest, None, snapshots, yard)
        if fresh is None:
            raise UsageError(f"{capability.name}: no row of {table.name!r} has arrived by {now:%Y-%m-%d %H:%M}")
        yard.say(f"{table.name}: checking the new rows against {table.contract}")
        checked = _kept_aside(check(contract, fresh, out_folder=scratch, related=related), yard, table)
        enforce(checked)
        row = newest
        for good in checked.good:
            row = snapshots.append(table.name, good, at=now, note={**note, "quarantined": checked.bad_rows})
    assert row is not None
    yard.catalog.append([_entry(capability, table, row, checked, now)])
    return _taken(table, contract, row, checked, snapshots, yard)


@contextmanager
def _scratch(yard: Yard) -> Iterator[Path]:
    """A folder that goes with the intake."""
    with TemporaryDirectory(prefix="intake-", dir=yard.folder) as folder:
        yield Path(folder)


def _kept_aside(checked: CheckResult, yard: Yard, table: Table | Source) -> CheckResult:
    """The bad rows where a person finds them: they outlive the intake."""
    if checked.quarantined is None:
        return checked
    place = yard.folder / "quarantine" / f"{table.name}.parquet"
    place.parent.mkdir(parents=True, exist_ok=True)
    return replace(checked, quarantined=checked.quarantined.replace(place))


def _taken(
    table: Table | Source,
    contract: Contract,
    row: SnapshotRow,
    checked: CheckResult | None,
    snapshots: Snapshots,
    yard: Yard,
) -> Taken:
    files = tuple(snapshots.materialise(row, yard.folder / "snapshots"))
    return Taken(table=table, contract=contract, snapshot=row, files=files, checked=checked)


def _fresh(
    table: Table | Source,
    contract: Contract,
    rows: Path,
    newest: SnapshotRow | None,
    known: Sequence[Path],
    now: datetime,
    scratch: Path,
) -> Path | None:
    """The rows that have arrived and are not in the newest snapshot, in the order of the file; None if there are none."""
    import duckdb

    target = scratch / "fresh.parquet"
    with duckdb.connect() as db:
        try:
            db.execute("SET threads = 1; SET TimeZone = 'UTC'")
            db.execute(f"CREATE VIEW delivered AS SELECT * FROM {_reading(rows)}")
            types = _types(db, "delivered")
            select = "SELECT * FROM delivered"
            conditions = [_arrived(db, table, types, newest, now)] if table.arrives_at else []
            if known and (not table.arrives_at or key_of(table, contract)):
                conditions.append(_without(db, table, contract, types, known))
            if conditions:
                numbered = f"(SELECT row_number() OVER () AS {_PLACE}, * FROM delivered) AS delivered"
                where = " AND ".join(conditions)
                select = f"SELECT * EXCLUDE ({_PLACE}) FROM {numbered} WHERE {where} ORDER BY {_PLACE}"
            db.execute(f"COPY ({select}) TO {literal(target)} (FORMAT parquet)")
            found = db.execute(f"SELECT count(*) FROM {_reading(target)}").fetchone()
        except duckdb.Error as error:
            said = str(error).strip().splitlines()[0]
            raise UsageError(f"the rows of {table.name!r} in {rows} cannot be read: {said}") from error
    return target if found and found[0] else None


def _reading(rows: Path) -> str:
    if rows.suffix.lower() in (".parquet", ".pq"):
        return f"read_parquet({literal(rows)})"
    return f"read_csv({literal(rows)}, all_varchar=true, header=true)"


def _types(db: DuckDBPyConnection, relation: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in db.execute(f"DESCRIBE {relation}").fetchall()}


def _arrived(
    db: DuckDBPyConnection, table: Table | Source, types: Mapping[str, str], newest: SnapshotRow | None, now: datetime
) -> str:
    """True for a row that is complete by ``now`` and was not at the last intake. A row without the time has not come."""
    at = _as_stored(table, types, table.arrives_at, "TIMESTAMP")
    if types[table.arrives_at] == "VARCHAR":
        _all_times(db, table, at)
    where = f"{at} <= {_moment(now)}"
    return f"{where} AND {at} > {_moment(datetime.fromisoformat(newest.note['until']))}" if newest else where


def _all_times(db: DuckDBPyConnection, table: Table | Source, at: str) -> None:
    """Raise UsageError, naming one, where there is text that is no time: such a row would never come."""
    text = quoted(table.arrives_at)
    found = db.execute(
        f"SELECT any_value({text}), count(*) FROM delivered WHERE {at} IS NULL AND trim({text}) != ''"
    ).fetchone()
    if found and found[1]:
        raise UsageError(
            f"{found[1]:,} rows of {table.name!r} have no time in {table.arrives_at!r} but text: {found[0]!r}",
            hint="write times as 2026-03-01 12:00:00 (in UTC) or with their offset, 2026-03-01T12:00:00+02:00",
        )


def _without(
    db: DuckDBPyConnection, table: Table | Source, contract: Contract, types: Mapping[str, str], known: Sequence[Path]
) -> str:
    """Rows whose key is in the snapshot already are not new. (A changed row with an old key is not taken in.)"""
    keys = key_of(table, contract)
    if not keys:
        raise UsageError(
            f"the rows of {table.name!r} have changed, and its contract names no primary key to tell new rows by",
            hint=f"mark the key's columns with primaryKey: true in {table.contract}",
        )
    db.execute(f"CREATE VIEW known AS SELECT * FROM read_parquet([{', '.join(map(literal, known))}])")
    stored = _types(db, "known")
    same = [f"known.{quoted(k)} = {_as_stored(table, types, k, stored[k])}" for k in keys]
    return f"NOT EXISTS (SELECT 1 FROM known WHERE {' AND '.join(same)})"


def key_of(table: Table | Source, contract: Contract) -> tuple[str, ...]:
    """The columns that name a row of ``table``; none where nothing but all of it does."""
    if isinstance(table, Source):
        return (table.unit,)
    return contract.keys[0] if contract.keys else ()


def _as_stored(table: Table | Source, types: Mapping[str, str], column: str, kind: str) -> str:
    """A delivered column as the type that it is kept in, NULL where it cannot be; a time with an offset is taken to UTC."""
    if column not in types:
        raise UsageError(f"the rows of {table.name!r} have no column {column!r}", hint=nearest(column, types))
    value = f"delivered.{quoted(column)}"
    if types[column] == "VARCHAR" and kind != "VARCHAR":
        value = f"nullif(trim({value}), '')"
    if kind.startswith("TIMESTAMP") and types[column] in ("VARCHAR", "TIMESTAMP WITH TIME ZONE"):
        return f"timezone('UTC', TRY_CAST({value} AS TIMESTAMPTZ))"
    return value if types[column] == kind else f"TRY_CAST({value} AS {kind})"


def _moment(at: datetime) -> str:
    return f"TIMESTAMP '{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"


def quoted(name: str) -> str:
    """``name`` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: object) -> str:
    """``text`` as an SQL string."""
    return "'" + str(text).replace("'", "''") + "'"


def _entry(
    capability: Capability, table: Table | Source, row: SnapshotRow, checked: CheckResult, now: datetime
) -> Entry:
    kept = checked.rows - checked.bad_rows
    return Entry(
        at=now,
        capability=capability.name,
        kind="snapshot",
        subject="",
        summary=f"{table.name} v{row.version}: {kept:,} new rows kept, {checked.bad_rows:,} quarantined",
        actor="release",
        body={"snapshot": row.digest, "reasons": dict(checked.reasons), "rows": checked.rows},
    )
