"""Between rows and structs: times as microseconds, documents as JSON.

A row is anything with the table's columns as attributes; what is not what was written raises Damaged.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from plimsoll.errors import Damaged, UsageError
from plimsoll.kernel.access import KeyRow, Priority, Scopes, Secret
from plimsoll.kernel.chain import Entry, Line
from plimsoll.kernel.digest import canonical
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import IncidentRow, ReleaseRow
from plimsoll.kernel.rollout import Deployment

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    """Whole microseconds since the epoch, exactly."""
    if at.tzinfo is None:
        raise UsageError(f"{at} has no time zone: times in the catalog are aware", hint="use datetime.now(UTC)")
    return (at - _EPOCH) // _US


def from_us(us: int) -> datetime:
    return _EPOCH + us * _US


def document(value: Any) -> str:
    """``value`` as canonical JSON: equal values have equal text. Raises UsageError where it has no JSON form."""
    try:
        return canonical(value).decode()
    except TypeError as error:
        raise UsageError(f"this cannot be kept in the catalog: {error}") from error


def mapping(text: str) -> dict[str, Any]:
    return msgspec.json.decode(text, type=dict[str, Any])


def release_of(row: Any) -> ReleaseRow:
    try:
        manifest = Manifest.from_bytes(row.manifest.encode())
    except ValueError as error:
        raise Damaged(f"the manifest of release {row.digest[:12]} cannot be read: {error}") from error
    if manifest.digest != row.digest:
        raise Damaged(f"the manifest of release {row.digest[:12]} was changed: its digest is {manifest.short}")
    return ReleaseRow(
        digest=row.digest,
        capability=row.capability,
        manifest=manifest,
        label=row.label,
        created_at=from_us(row.created_at),
        gate=mapping(row.gate),
        report=row.report,
    )


def deployment_of(row: Any) -> Deployment:
    try:
        return msgspec.json.decode(row.document, type=Deployment)
    except ValueError as error:
        raise Damaged(f"the deployment of {row.capability} cannot be read: {error}") from error


def incident_of(row: Any) -> IncidentRow:
    return IncidentRow(
        id=row.id,
        capability=row.capability,
        kind=row.kind,
        summary=row.summary,
        opened_at=from_us(row.opened_at),
        closed_at=_at(row.closed_at),
        details=mapping(row.details),
    )


def key_of(row: Any) -> KeyRow:
    try:
        return KeyRow(
            id=row.id,
            name=row.name,
            tenant=row.tenant,
            scopes=msgspec.json.decode(row.scopes, type=Scopes),
            secrets=msgspec.json.decode(row.secrets, type=tuple[Secret, ...]),
            priority=msgspec.convert(row.priority, Priority),
            created_at=from_us(row.created_at),
            expires_at=_at(row.expires_at),
            revoked_at=_at(row.revoked_at),
            last_used_at=_at(row.last_used_at),
        )
    except ValueError as error:
        raise Damaged(f"the key {row.id!r:.40} in the catalog cannot be read: {error}") from error


def _at(us: int | None) -> datetime | None:
    return None if us is None else from_us(us)


def line_of(row: Any, *, lenient: bool = False) -> Line:
    """With ``lenient`` a line that cannot be read comes with what was found as its body."""
    try:
        body, at = mapping(row.body), from_us(row.at)
    except (ValueError, OverflowError, TypeError) as error:  # msgspec's and Unicode's errors are ValueErrors
        if not lenient:
            raise _damaged(row.seq, error) from error
        body, at = {"unreadable": repr(row.body)}, from_us(0)
    entry = Entry(
        at=at,
        capability=str(row.capability),
        kind=str(row.kind),
        subject=str(row.subject),
        summary=str(row.summary),
        actor=str(row.actor),
        body=body,
    )
    return Line(seq=row.seq, previous=str(row.previous), digest=str(row.digest), entry=entry)


def _damaged(seq: int, error: Exception) -> Damaged:
    return Damaged(
        f"line {seq} of the ledger was changed: it cannot be read ({error})",
        hint="plimsoll log --verify names everything that was changed",
        details={"seq": seq},
    )
