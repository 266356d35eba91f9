"""Whether a release would be taught the future: columns that were not known when asked, views that date rows too early."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from plimsoll.capability import Capability
from plimsoll.data import masked_as_of, unknown_at_question
from plimsoll.features import Binding, FeatureSchema, compile, leak
from plimsoll.operations.bench import Questions, Timelines
from plimsoll.operations.intake import Taken, literal
from plimsoll.operations.materialise import microseconds_of


def leakage(
    capability: Capability,
    schema: FeatureSchema,
    taken: Mapping[str, Taken],
    timelines: Timelines,
    gate: Questions,
    folder: Path,
) -> tuple[str, ...]:
    """One sentence for each feature that rests on what was not known yet; found from known times, never from names.

    A column of the question is compared row by row. A view is compiled once more from its rows as they stood in the
    gate's busiest hour: what it claims to have known by then must be the same.
    """
    source = taken[capability.source.name]
    faults = unknown_at_question(source.files, source.contract, capability.source.asked_at, schema.columns)
    found = [f"leakage: {fault.sentence}" for fault in faults]
    then = _busiest(gate)
    for binding in schema.views:
        key = (binding.digest, binding.feed)
        if key not in timelines.leaks:  # the view's code decides, so once is enough
            timelines.leaks[key] = _early(capability, binding, taken[binding.feed], timelines, then, folder)
        if timelines.leaks[key]:
            found.append(f"leakage: {timelines.leaks[key]}")
    return tuple(found)


def known_in_time(schema: FeatureSchema) -> str:
    """What ``leakage`` looked at, where it found nothing."""
    looked_at = [_counted(len(schema.columns), "column of the question", "columns of the question")]
    looked_at += [_counted(len(schema.views), "view", "views")] if schema.views else []
    return f"Known times: {' and '.join(looked_at)}, by what the contracts say; all was known when it was asked."


def _counted(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"


def _busiest(gate: Questions) -> datetime:
    """The end of the hour with the most questions: at four in the morning nothing is under way, and nothing can leak."""
    hours, asked = np.unique(gate.asked_at.astype("datetime64[h]"), return_counts=True)
    end = hours[int(asked.argmax())] + np.timedelta64(1, "h")
    return datetime.fromtimestamp(int(end.astype(np.int64)) * 3600, UTC)


def _early(
    capability: Capability, binding: Binding, table: Taken, timelines: Timelines, then: datetime, folder: Path
) -> str:
    if any(column.known_at is None for column in table.contract.columns):
        return ""  # the contract does not say when its columns are known: there is nothing to hold the view against
    view = timelines.view(binding, capability.known_views)
    whole = timelines.of(view, binding.feed, table.files)
    found = leak(whole, compile(view, [_as_it_stood(capability, table, then, folder)]), microseconds_of(then))
    return str(found) if found else ""


def _as_it_stood(capability: Capability, table: Taken, then: datetime, folder: Path) -> Path:
    """The table's rows with everything that was not known by ``then`` forgotten."""
    import duckdb

    name = table.table.name
    asked_at = capability.source.asked_at if name == capability.source.name else ""
    rows = masked_as_of(table.contract, table.files, then, asked_at_column=asked_at)
    target = folder / "then" / f"{name}-{table.snapshot.digest[:12]}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as db:
        db.execute("SET threads = 1; SET TimeZone = 'UTC'")
        db.execute(f"COPY ({rows}) TO {literal(target)} (FORMAT parquet)")
    return target
