"""A golden set becomes a snapshot: typed and checked by the questions' contract, a version of its own for each change.

What rests on a version whose labels are no longer those of the newest is stale. The ledger says so, once for each
version; a killed intake is made good by the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.data import Contract, Snapshots, canonical, check
from plimsoll.errors import UsageError
from plimsoll.features import FeatureSchema, read_columns
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.digest import short
from plimsoll.kernel.ports import SnapshotRow
from plimsoll.operations.gold.stale import KIND, is_stale, newest_line
from plimsoll.operations.intake import contract_of, one_at_a_time
from plimsoll.operations.yard import Yard
from plimsoll.suite import Golden


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """A golden set after the intake: its newest version, and its columns, ordered by unit."""

    asked: Golden
    snapshot: SnapshotRow
    columns: dict[str, NDArray[Any]]


def take_gold(capability: Capability, schema: FeatureSchema, yard: Yard) -> tuple[Cases, ...]:
    """Every golden set of ``capability`` as its file is now.

    Raises UsageError where a file, a column or a label is missing, a unit is there twice, or a label is none.
    """
    if not capability.golden:
        return ()
    with one_at_a_time(yard.folder):
        return tuple(_take(asked, capability, schema, yard) for asked in capability.golden)


def dataset_of(capability: str, asked: Golden) -> str:
    return f"{capability}: golden {asked.name}"


def _take(asked: Golden, capability: Capability, schema: FeatureSchema, yard: Yard) -> Cases:
    s, label = capability.source, capability.task.label
    contract = _narrowed(contract_of(capability, s), {s.unit, s.asked_at, label, *schema.columns}, s.unit, label)
    with TemporaryDirectory(prefix="golden-", dir=yard.folder) as folder:
        good = _checked(asked, contract, capability.folder / asked.rows, Path(folder))
        columns = read_columns(good, [c.name for c in contract.columns], order=[s.unit])
        _check_labels(asked, capability, columns[label])
        snapshot = _version(dataset_of(capability.name, asked), good, yard)
    _say_what_is_stale(asked, capability, snapshot, yard)
    return Cases(asked=asked, snapshot=snapshot, columns=columns)


def _narrowed(contract: Contract, names: set[str], unit: str, label: str) -> Contract:
    """The contract of what a case has: the columns that a question is asked with, and a label. No limit on the table."""
    columns = (
        msgspec.structs.replace(c, required=c.required or c.name == label) for c in contract.columns if c.name in names
    )
    return Contract(name=contract.name, version=contract.version, columns=tuple(columns), keys=((unit,),))


def _checked(asked: Golden, contract: Contract, rows: Path, folder: Path) -> Sequence[Path]:
    if not rows.is_file():
        raise UsageError(
            f"{asked}: its cases should be in {rows}, which is not a file",
            hint="put a CSV or Parquet file there: the question's columns and the label",
        )
    checked = check(contract, rows, out_folder=folder)
    if checked.refused:
        reasons = "; ".join(f"{reason} ({count:,} cases)" for reason, count in checked.reasons.items())
        raise UsageError(
            f"{asked}: {rows.name}: {reasons or checked.refused}",
            hint="every case has the columns that a question is asked with, a label, and a unit of its own",
        )
    if not checked.rows:
        raise UsageError(f"{asked}: there is no case in {rows}")
    return checked.good


def _check_labels(asked: Golden, capability: Capability, labels: NDArray[Any]) -> None:
    """Raise UsageError naming the labels that are none: no class, neither 0 nor 1, no finite number."""
    task = capability.task
    if task.kind == "multiclass":
        known = np.isin(labels.astype(str), task.classes)
    else:
        numbers = labels.astype(np.float64)
        known = np.isfinite(numbers) if task.kind == "regression" else np.isin(numbers, (0.0, 1.0))
    if not known.all():
        unknown = ", ".join(sorted({str(label) for label in labels[~known]}))
        allowed = {"multiclass": ", ".join(task.classes), "binary": "0, 1", "regression": "the finite numbers"}
        raise UsageError(f"{asked}: the label {task.label!r} has {unknown}, which is none of {allowed[task.kind]}")


def _version(dataset: str, good: Sequence[Path], yard: Yard) -> SnapshotRow:
    """The newest version, or a new one where the cases are others."""
    made = canonical(good)
    newest = yard.catalog.snapshot(dataset)
    file = yard.objects.put(made.data)
    if newest is not None and newest.files == (file,):
        return newest
    return yard.catalog.add_snapshot(
        dataset,
        [file],
        made.rows,
        at=yard.clock.now(),
        note={"columns": made.columns},
        expected_version=newest.version if newest else 0,
    )


def _say_what_is_stale(asked: Golden, capability: Capability, newest: SnapshotRow, yard: Yard) -> None:
    """One line for each version whose labels are not the newest's any more, or are so again, and none says so yet."""
    labels = _labels(capability, newest, yard)
    versions = {row.digest: row for row in yard.catalog.snapshots(newest.dataset)}
    entries: list[Entry] = []
    for version in versions.values():
        if not all(yard.objects.has(file) for file in version.files):
            continue  # collected: no release that is kept was judged on it
        before = _labels(capability, version, yard)
        changed = sum(labels.get(unit) != label for unit, label in before.items())
        if bool(changed) != is_stale(newest_line(yard.catalog, capability.name, version.digest)):
            entries.append(_entry(asked, capability, version, newest, changed, len(before), yard))
    if entries:
        yard.catalog.append(entries)


def _labels(capability: Capability, version: SnapshotRow, yard: Yard) -> dict[str, str]:
    files = Snapshots(yard.objects, yard.catalog).materialise(version, yard.folder / "snapshots")
    names = [capability.source.unit, capability.task.label]
    columns = read_columns(files, names)
    return dict(zip(*(map(str, columns[name].tolist()) for name in names), strict=True))


def _entry(
    asked: Golden,
    capability: Capability,
    version: SnapshotRow,
    newest: SnapshotRow,
    changed: int,
    of: int,
    yard: Yard,
) -> Entry:
    what = f"gold labels changed: {changed} of {of} in {asked.name!r}; verdicts on {short(version.digest)} are stale"
    if not changed:
        what = f"gold labels of {asked.name!r} are again those of {short(version.digest)}: verdicts on it are not stale"
    return Entry(
        at=yard.clock.now(),
        capability=capability.name,
        kind=KIND,
        subject=version.digest,
        summary=what,
        actor="release",
        body={"set": asked.name, "stale": bool(changed), "changed": changed, "of": of, "newest": newest.digest},
    )
