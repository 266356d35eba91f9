"""A process that looks at the recorded answers and goes: ``python -m plimsoll.operations.answered.looking``, at the lowest
priority, with where things are as JSON on its standard input.

For each release on its way it keeps the cases on which it and its champion part, before retention may take their events; for
each live one it writes down what is expected of answers without outcomes, for the page. Apart from the serving process,
because a day of answers takes the interpreter for seconds. It may be killed at any moment.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from plimsoll.errors import PlimsollError, UsageError
from plimsoll.kernel.ports import CatalogReader
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment
from plimsoll.operations.answered.disagreement import FOLDER, collected, keep, kept_at
from plimsoll.operations.answered.expectation import expectation
from plimsoll.operations.answered.noted import EXPECTED
from plimsoll.operations.answered.reading import answered, task_of
from plimsoll.store import SqlCatalog, replace_file

LOWEST_PRIORITY = 19
PAST = timedelta(days=60)
MOST = 50_000
"""Answers that an expectation rests on: a random sample of them, by a hash of the event's id."""


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are."""

    catalog: str
    segments: str
    home: str


def look(catalog: CatalogReader, segments: Path, home: Path, now: datetime) -> None:
    """Once around all capabilities. Raises Unavailable where the events cannot be read."""
    if not segments.is_dir():
        return
    for name in catalog.capabilities():
        deployment = catalog.deployment(name)
        _part(catalog, deployment, segments, home / FOLDER)
        _expect(catalog, deployment, segments, home / EXPECTED, now)


def _part(catalog: CatalogReader, d: Deployment, segments: Path, folder: Path) -> None:
    """What the two answered since their comparison began; what was kept before stays, whatever happened to its events."""
    r = d.rollout
    if r is None:
        return
    task = _task(catalog, d.capability, r.release)
    kept = before = kept_at(folder, r.release, r.champion)
    for pick in ("worst", "sample"):
        rows = answered(segments, d.capability, r.release, r.champion, r.evidence_since, pick=pick)
        kept = collected(rows, task, kept) if len(rows) else kept
    if kept != before:
        keep(folder, kept)


def _expect(catalog: CatalogReader, d: Deployment, segments: Path, folder: Path, now: datetime) -> None:
    if d.lease is None:
        return
    rows = answered(segments, d.capability, d.lease.release, since=now - PAST, pick="sample", most=MOST)
    found = expectation(rows, _task(catalog, d.capability, d.lease.release))
    folder.mkdir(parents=True, exist_ok=True)
    document = {"release": d.lease.release, "at": now, "found": found}
    replace_file(folder / f"{d.capability}.json", msgspec.json.encode(document))


def _task(catalog: CatalogReader, capability: str, release: str) -> str:
    if release == FALLBACK:
        return "binary"
    try:
        return task_of(catalog.release(capability, release).manifest)
    except UsageError:  # deployed and not in the catalog
        return "binary"


def main() -> int:
    """0, or 3 and a sentence where it could not."""
    os.nice(LOWEST_PRIORITY)
    places = msgspec.json.decode(sys.stdin.buffer.read(), type=Places)
    try:
        catalog = SqlCatalog(places.catalog)
        try:
            look(catalog, Path(places.segments), Path(places.home), datetime.now(UTC))
        finally:
            catalog.close()
    except PlimsollError as error:
        sys.stderr.write(f"{error.message}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
