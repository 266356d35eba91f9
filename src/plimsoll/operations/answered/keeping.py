"""Beside the loop: once a day, the cases on which a release on its way and its champion part are kept, before retention may
take their events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from plimsoll.kernel.ports import CatalogReader, Clock
from plimsoll.kernel.rollout import Rollout
from plimsoll.operations.answered.disagreement import collected, keep, kept_at
from plimsoll.operations.answered.reading import answered

EVERY = timedelta(days=1)
OVERLAP = timedelta(hours=1)
"""Read again each time: answers given beside are written a little after the question."""


class DisagreementKeeper:
    """Looks at what was asked since it last looked; costs seconds a day for each release on its way."""

    def __init__(
        self, *, segments: Path, folder: Path, catalog: CatalogReader, capabilities: Sequence[str], clock: Clock
    ) -> None:
        self._segments, self._folder, self._catalog = segments, folder, catalog
        self._capabilities, self._clock = tuple(capabilities), clock
        self._looked: dict[tuple[str, str], datetime] = {}

    def once(self) -> None:
        """Keep what is due. Raises Unavailable where the log cannot be read; it is tried again then."""
        now = self._clock.now()
        for name in self._capabilities:
            rollout = self._catalog.deployment(name).rollout
            if rollout is not None and self._due(rollout, now):
                self._keep(name, rollout)
                self._looked[rollout.release, rollout.champion] = now

    def _due(self, rollout: Rollout, now: datetime) -> bool:
        return now - self._looked.get((rollout.release, rollout.champion), rollout.evidence_since) >= EVERY

    def _keep(self, capability: str, rollout: Rollout) -> None:
        before = self._looked.get((rollout.release, rollout.champion))
        since = rollout.evidence_since if before is None else before - OVERLAP
        rows = answered(self._segments, capability, rollout.release, rollout.champion, since)
        if not len(rows):
            return
        manifest = self._catalog.release(capability, rollout.release).manifest
        task = str(manifest.settings.get("task", {}).get("kind", "binary"))
        keep(self._folder, collected(rows, task, kept_at(self._folder, rollout.release, rollout.champion)))
