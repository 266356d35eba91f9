"""What may be deleted: objects that nothing which is deployed, may come back, or may be asked about refers to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.ports import Catalog
from plimsoll.operations.deep.keeping import parts_of
from plimsoll.operations.gold.stale import cases_of
from plimsoll.operations.yard import Yard
from plimsoll.store import collect

ENDED = frozenset({State.REFUSED, State.ROLLED_BACK, State.LAPSED, State.WITHDRAWN})
"""Releases that do not come back; their manifests, verdicts and reports stay, their bytes may go."""
YOUNG = timedelta(hours=1)
"""Objects written since are kept: somebody may be about to refer to them."""


def collect_garbage(yard: Yard, *, delete: bool) -> list[str]:
    """The digests of the objects that nothing needs, deleted if ``delete``.

    Kept are: model, golden answers, code, environment and deep evaluations of every release that is deployed or may come
    back, the snapshots that those came from, the newest snapshot of every dataset, what was pushed since, and every report.
    """
    young = yard.objects.written_since(yard.clock.now() - YOUNG)
    if delete:
        return collect(yard.objects, _needed(yard.catalog, young))
    kept = frozenset(_needed(yard.catalog, young))
    return sorted(digest for digest in yard.objects.digests() if digest not in kept)


def _needed(catalog: Catalog, young: frozenset[str]) -> Iterator[str]:
    yield from young
    snapshots = {row.digest: row for row in catalog.snapshots()}
    newest = {row.dataset: row for row in sorted(snapshots.values(), key=lambda row: row.version)}
    for snapshot in newest.values():
        yield from snapshot.files
    for dataset in catalog.feeds.datasets():
        state = catalog.feeds.state(dataset)
        yield from (batch.file for batch in state.batches)
        yield from state.snapshot.files if state.snapshot else ()  # that of a fold since the snapshots were read
    for capability in catalog.capabilities():
        states = catalog.deployment(capability).states
        for release in catalog.releases(capability):
            if release.report:
                yield release.report
            if states.get(release.digest, State.CANDIDATE) not in ENDED:
                yield from release.manifest.artifacts.values()
                yield from parts_of(catalog, release).values()
                for digest in (*release.manifest.snapshots.values(), *cases_of(release.manifest).values()):
                    if digest in snapshots:
                        yield from snapshots[digest].files
