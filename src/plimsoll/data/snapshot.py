"""Snapshots: immutable versions of a dataset, each a list of content-addressed Parquet files.

An append writes the new rows once, in one canonical form (equal rows in equal order are equal bytes), puts them into
the object store, and only then adds a version to the catalog by compare-and-set. A crash before that leaves at most
an object that nobody names, which the collection of garbage takes; a version is there whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import msgspec

from plimsoll.data.rows import ROW, Paths, connection, opened_typed, quoted, written
from plimsoll.errors import Conflict, UsageError, nearest
from plimsoll.kernel.digest import digest_bytes
from plimsoll.kernel.ports import Catalog, Objects, SnapshotRow

ATTEMPTS = 20
"""How often an append tries again after somebody else appended first."""

COLUMNS = "columns"
"""The key of a version's note under which its columns' types are kept."""


class _Canonical(msgspec.Struct, frozen=True):
    """Rows in canonical form."""

    data: bytes
    rows: int
    columns: dict[str, str]  # name → DuckDB type


class Snapshots:
    """The versions of datasets in a catalog, and their bytes in an object store."""

    def __init__(self, objects: Objects, catalog: Catalog) -> None:
        self._objects = objects
        self._catalog = catalog

    def append(self, dataset: str, rows: Paths, *, at: datetime, note: Mapping[str, Any] | None = None) -> SnapshotRow:
        """The next version: the files so far and one more, holding ``rows`` (Parquet, in the order given).

        Appending rows that the newest version already has as a file changes nothing and returns that version, so
        that a step may be repeated. Raises UsageError if the columns or their types are not those of the dataset,
        Conflict if others kept appending first.
        """
        added = canonical(rows)
        digest = self._objects.put(added.data)
        for _ in range(ATTEMPTS):
            newest = self._catalog.snapshot(dataset)
            if newest is not None:
                if digest in newest.files:
                    return newest
                _same_columns(newest, added.columns)
            try:
                return self._catalog.add_snapshot(
                    dataset,
                    [*(newest.files if newest else ()), digest],
                    (newest.rows if newest else 0) + added.rows,
                    at=at,
                    note={**(note or {}), COLUMNS: added.columns},
                    expected_version=newest.version if newest else 0,
                )
            except Conflict:
                continue
        raise Conflict(
            f"{dataset!r} was appended to by others {ATTEMPTS} times in a row; these {added.rows:,} rows are not in it",
            hint="append again",
        )

    def read(
        self, dataset: str, *, version: int | None = None, digest: str | None = None, at: datetime | None = None
    ) -> SnapshotRow:
        """The version asked for: by number, by digest, as of a time, or the newest. Raises UsageError if there is none."""
        row = self._catalog.snapshot(dataset, version=version, digest=digest, at=at)
        if row is not None:
            return row
        wanted = {"version": version, "digest": digest, "at": at}
        which = ", ".join(f"{name} {value}" for name, value in wanted.items() if value is not None) or "a version"
        datasets = {found.dataset for found in self._catalog.snapshots()}
        hint = "" if dataset in datasets else nearest(dataset, datasets)
        raise UsageError(f"the dataset {dataset!r} has no snapshot with {which}", hint=hint)

    def materialise(self, row: SnapshotRow, folder: str | Path) -> list[Path]:
        """The files of ``row`` under ``folder``, in order, each checked against its digest.

        A file that is there and whole is used again; a damaged one is replaced. Raises Damaged if the stored object
        itself is not what it was, Unavailable if it is not there.
        """
        return self.files(row.files, folder)

    def files(self, digests: Sequence[str], folder: str | Path) -> list[Path]:
        """These objects as files under ``folder``, as ``materialise`` gives those of a version."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        return [self._materialised(digest, place / f"{digest}.parquet") for digest in digests]

    def _materialised(self, digest: str, path: Path) -> Path:
        if path.is_file() and digest_bytes(path.read_bytes()) == digest:
            return path
        partial = path.with_name(f".{path.name}.{uuid4().hex}.partial")
        try:
            partial.write_bytes(self._objects.get(digest))
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return path


def canonical(rows: Paths) -> _Canonical:
    """``rows`` as one Parquet file whose bytes depend on nothing but the rows, their order and DuckDB's version.

    One thread, and a sort by row number, which also evens out how the source was cut into row groups.
    """
    with TemporaryDirectory(prefix="plimsoll-snapshot-") as folder, connection(threads=1) as db:
        source = opened_typed(db, "rows", rows)
        path = Path(folder) / "rows.parquet"
        names = ", ".join(quoted(name) for name in source.types)
        count = written(db, f"SELECT {names} FROM {source.relation} ORDER BY {ROW}", path)
        return _Canonical(path.read_bytes(), count, dict(source.types))


def _same_columns(newest: SnapshotRow, columns: Mapping[str, str]) -> None:
    before = newest.note.get(COLUMNS)
    if before is None or dict(before) == dict(columns):
        return
    changed = [
        f"{name}: {before.get(name, 'absent')} → {columns.get(name, 'absent')}"
        for name in (*before, *(c for c in columns if c not in before))
        if before.get(name) != columns.get(name)
    ]
    raise UsageError(
        f"the rows do not fit version {newest.version} of {newest.dataset!r}: {'; '.join(changed)}",
        hint="convert them to the same columns and types, or start a dataset of another name",
    )
