"""Rows become snapshots: only what has arrived by now, only what is new, and only what keeps its contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from plimsoll.capability import Capability, Source, Table
from plimsoll.data import CheckResult, Contract, Snapshots, check, enforce
from plimsoll.errors import UsageError
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.digest import digest_bytes
from plimsoll.kernel.ports import SnapshotRow
from plimsoll.operations.yard import Yard


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
    for table in capability.sources:
        related = {name: list(t.files) for name, t in taken.items()}
        taken[table.name] = _take(capability, table, yard, related)
    return taken


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
    return Contract.load(capability.folder / table.contract)


def _take(capability: Capability, table: Table | Source, yard: Yard, related: Mapping[str, list[Path]]) -> Taken:
    contract = contract_of(capability, table)
    snapshots = Snapshots(yard.objects, yard.catalog)
    newest = yard.catalog.snapshot(table.name)
    rows, now = rows_of(capability, table), yard.clock.now()
    scratch = yard.folder / "intake" / table.name
    scratch.mkdir(parents=True, exist_ok=True)
    note = {"until": now.isoformat(), "rows": "" if table.arrives_at else digest_bytes(rows.read_bytes())}
    if newest is not None and note["rows"] and newest.note.get("rows") == note["rows"]:
        return _taken(table, contract, newest, None, snapshots, yard)
    fresh = _fresh(table, rows, newest, now, scratch, yard, contract, snapshots)
    if fresh is None and newest is not None:
        return _taken(table, contract, newest, None, snapshots, yard)
    if fresh is None:
        raise UsageError(f"{capability.name}: no row of {table.name!r} has arrived by {now:%Y-%m-%d %H:%M}")
    checked = check(contract, fresh, out_folder=scratch, related=related)
    enforce(checked)
    row = newest
    for good in checked.good:
        row = snapshots.append(table.name, good, at=now, note={**note, "quarantined": checked.bad_rows})
    assert row is not None
    yard.catalog.append([_entry(capability, table, row, checked, now)])
    return _taken(table, contract, row, checked, snapshots, yard)


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
    rows: Path,
    newest: SnapshotRow | None,
    now: datetime,
    scratch: Path,
    yard: Yard,
    contract: Contract,
    snapshots: Snapshots,
) -> Path | None:
    """The rows that have arrived and are not in the newest snapshot, in the order of the file; None if there are none."""
    import duckdb

    target = scratch / "fresh.parquet"
    reader = f"read_csv('{rows}')" if rows.suffix.lower() == ".csv" else f"read_parquet('{rows}')"
    with duckdb.connect() as db:
        db.execute("SET threads = 1; SET TimeZone = 'UTC'")
        where = []
        if table.arrives_at:
            where.append(f"\"{table.arrives_at}\" <= TIMESTAMP '{now:%Y-%m-%d %H:%M:%S.%f}'")
            if newest is not None:
                since = datetime.fromisoformat(newest.note["until"])
                where.append(f"\"{table.arrives_at}\" > TIMESTAMP '{since:%Y-%m-%d %H:%M:%S.%f}'")
        source = f"FROM {reader}"
        if newest is not None and not table.arrives_at:
            source += _without(table, contract, snapshots.materialise(newest, yard.folder / "snapshots"))
        condition = f" WHERE {' AND '.join(where)}" if where else ""
        try:
            db.execute(f"COPY (SELECT * {source}{condition}) TO '{target}' (FORMAT parquet)")
        except duckdb.Error as error:
            raise UsageError(f"the rows of {table.name!r} in {rows} cannot be read: {error}") from error
        found = db.execute(f"SELECT count(*) FROM read_parquet('{target}')").fetchone()
    return target if found and found[0] else None


def _without(table: Table | Source, contract: Contract, known: list[Path]) -> str:
    """Rows whose key is in the snapshot already are not new. (A changed row with an old key is not taken in.)"""
    keys = [table.unit] if isinstance(table, Source) else [*contract.keys[0]] if contract.keys else []
    if not keys:
        raise UsageError(
            f"the rows of {table.name!r} have changed, and its contract names no primary key to tell new rows by",
            hint=f"mark the key's columns with primaryKey: true in {table.contract}",
        )
    files = ", ".join(f"'{path}'" for path in known)
    same = ", ".join(f'"{key}"' for key in keys)
    return f" ANTI JOIN (SELECT {same} FROM read_parquet([{files}])) USING ({same})"


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
