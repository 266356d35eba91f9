"""Releases, snapshots, runs, deployments and incidents: statements over one connection, rows as structs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from plimsoll.errors import Conflict, UsageError
from plimsoll.kernel.digest import digest as digest_of
from plimsoll.kernel.ports import IncidentRow, ReleaseRow, RunRow, SnapshotRow
from plimsoll.kernel.rollout import Deployment
from plimsoll.store.catalog.codec import deployment_of, document, from_us, incident_of, mapping, release_of, to_us
from plimsoll.store.catalog.tables import deployments, incidents, releases, runs, snapshots


def add_release(connection: Connection, row: ReleaseRow) -> bool:
    if row.digest != row.manifest.digest:
        raise UsageError(f"a release is named by its manifest's digest, {row.manifest.short}, not {row.digest!r}")
    if connection.execute(select(releases.c.digest).where(releases.c.digest == row.digest)).first():
        return False
    columns = {"digest": row.digest, "capability": row.capability, "label": row.label, "report": row.report}
    columns |= {"manifest": row.manifest.to_bytes().decode(), "gate": document(row.gate)}
    connection.execute(insert(releases).values(created_at=to_us(row.created_at), **columns))
    return True


def set_gate(connection: Connection, digest: str, gate: Mapping[str, Any], report: str) -> None:
    changed = update(releases).where(releases.c.digest == digest)
    if not connection.execute(changed.values(gate=document(dict(gate)), report=report)).rowcount:
        raise UsageError(f"there is no release {digest!r} to keep a gate's verdict of")


def releases_of(connection: Connection, capability: str) -> list[ReleaseRow]:
    query = select(releases).where(releases.c.capability == capability).order_by(releases.c.position)
    return [release_of(row) for row in connection.execute(query)]


def names_of(connection: Connection, capability: str) -> list[tuple[str, str]]:
    """(digest, label) of every release, oldest first."""
    query = select(releases.c.digest, releases.c.label).where(releases.c.capability == capability)
    return [(row.digest, row.label) for row in connection.execute(query.order_by(releases.c.position))]


def release(connection: Connection, digest: str) -> ReleaseRow:
    return release_of(connection.execute(select(releases).where(releases.c.digest == digest)).one())


def capabilities(connection: Connection) -> list[str]:
    known = select(releases.c.capability).union(select(deployments.c.capability))
    return sorted(connection.execute(known).scalars())


def add_snapshot(
    connection: Connection,
    dataset: str,
    files: Sequence[str],
    rows: int,
    *,
    at: datetime,
    note: Mapping[str, Any],
    expected_version: int,
) -> SnapshotRow:
    newest = connection.execute(select(func.max(snapshots.c.version)).where(snapshots.c.dataset == dataset)).scalar()
    if (newest or 0) != expected_version:
        raise Conflict(
            f"{dataset} is at version {newest or 0}, not {expected_version}: somebody added a snapshot meanwhile",
            hint="read the newest snapshot and add yours to that",
        )
    row = SnapshotRow(
        digest=digest_of({"dataset": dataset, "files": list(files), "rows": rows}),
        dataset=dataset,
        version=expected_version + 1,
        files=tuple(files),
        rows=rows,
        created_at=at,
        note=dict(note),
    )
    columns = msgspec.structs.asdict(row) | {"files": document(row.files), "note": document(row.note)}
    connection.execute(insert(snapshots).values(columns | {"created_at": to_us(at)}))
    return row


def find_snapshot(
    connection: Connection, dataset: str, *, version: int | None, digest: str | None, at: datetime | None
) -> SnapshotRow | None:
    """The newest snapshot of ``dataset`` that satisfies every condition given."""
    query = select(snapshots).where(snapshots.c.dataset == dataset)
    if version is not None:
        query = query.where(snapshots.c.version == version)
    if digest is not None:
        query = query.where(snapshots.c.digest == digest)
    if at is not None:
        query = query.where(snapshots.c.created_at <= to_us(at))
    row = connection.execute(query.order_by(snapshots.c.version.desc()).limit(1)).first()
    return _snapshot(row) if row else None


def all_snapshots(connection: Connection, dataset: str | None) -> list[SnapshotRow]:
    query = select(snapshots).order_by(snapshots.c.dataset, snapshots.c.version)
    if dataset is not None:
        query = query.where(snapshots.c.dataset == dataset)
    return [_snapshot(row) for row in connection.execute(query)]


def _snapshot(row: Row[Any]) -> SnapshotRow:
    return SnapshotRow(
        digest=row.digest,
        dataset=row.dataset,
        version=row.version,
        files=msgspec.json.decode(row.files, type=tuple[str, ...]),
        rows=row._mapping["rows"],
        created_at=from_us(row.created_at),
        note=mapping(row.note),
    )


def find_run(connection: Connection, key: str) -> RunRow | None:
    row = connection.execute(select(runs).where(runs.c.key == key)).first()
    if row is None:
        return None
    return RunRow(
        key=row.key,
        step=row.step,
        inputs=mapping(row.inputs),
        outputs=mapping(row.outputs),
        finished_at=from_us(row.finished_at),
    )


def add_run(connection: Connection, row: RunRow) -> None:
    if find_run(connection, row.key) is not None:
        return
    columns = {"key": row.key, "step": row.step, "finished_at": to_us(row.finished_at)}
    connection.execute(insert(runs).values(inputs=document(row.inputs), outputs=document(row.outputs), **columns))


def deployment(connection: Connection, capability: str) -> Deployment:
    row = connection.execute(select(deployments).where(deployments.c.capability == capability)).first()
    return Deployment(capability=capability) if row is None else deployment_of(row)


def replace_deployment(connection: Connection, wanted: Deployment) -> Deployment:
    """Compare-and-set: ``wanted`` carries the version that was read, and gets the next."""
    after = msgspec.structs.replace(wanted, version=wanted.version + 1)
    columns = {"version": after.version, "document": _deployment_text(after)}
    read = (deployments.c.capability == wanted.capability) & (deployments.c.version == wanted.version)
    if connection.execute(update(deployments).where(read).values(**columns)).rowcount:
        return after
    kept = deployment(connection, wanted.capability)
    if kept.version or wanted.version:
        raise Conflict(
            f"the deployment of {wanted.capability} is at version {kept.version}, not {wanted.version}: "
            "somebody changed it meanwhile",
            hint="read it again and decide again",
            details={"version": kept.version, "expected": wanted.version},
        )
    connection.execute(insert(deployments).values(capability=wanted.capability, **columns))
    return after


def _deployment_text(wanted: Deployment) -> str:
    """The document. Raises UsageError if it would not come back: JSON has no infinity, and no NaN."""
    encoded = msgspec.json.encode(wanted)
    try:
        msgspec.json.decode(encoded, type=Deployment)
    except msgspec.ValidationError as error:
        raise UsageError(f"the deployment of {wanted.capability} cannot be kept: {error}") from error
    return encoded.decode()


def keep_incidents(connection: Connection, rows: Sequence[IncidentRow]) -> None:
    """Insert, or replace by id. The write lock makes delete and insert one step."""
    for row in rows:
        connection.execute(delete(incidents).where(incidents.c.id == row.id))
        columns = msgspec.structs.asdict(row) | {"opened_at": to_us(row.opened_at), "details": document(row.details)}
        closed_at = None if row.closed_at is None else to_us(row.closed_at)
        connection.execute(insert(incidents).values(columns | {"closed_at": closed_at}))


def incidents_of(connection: Connection, capability: str, open_only: bool) -> list[IncidentRow]:
    query = select(incidents).where(incidents.c.capability == capability)
    if open_only:
        query = query.where(incidents.c.closed_at.is_(None))
    return [incident_of(row) for row in connection.execute(query.order_by(incidents.c.opened_at, incidents.c.id))]
