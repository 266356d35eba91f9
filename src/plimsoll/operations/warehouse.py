"""Offline features for questions asked just now: what skew is judged against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.features import FeatureSchema, Timeline
from plimsoll.kernel.ports import ReleaseRow

TimelineOf = Callable[[str, str], Timeline]
"""(view's name, feed) → the timeline of what the warehouse has."""


class Warehouse:
    """Recomputes a release's feature rows from timelines, by the schema in its manifest."""

    def __init__(self, release: Callable[[str], ReleaseRow], timeline: TimelineOf) -> None:
        self._release, self._timeline = release, timeline
        self._schemas: dict[str, FeatureSchema] = {}

    def schema(self, release: str) -> FeatureSchema:
        if release not in self._schemas:
            self._schemas[release] = FeatureSchema.from_plain(self._release(release).manifest.settings["schema"])
        return self._schemas[release]

    def names(self, release: str) -> Sequence[str]:
        """The release's feature names, in order."""
        return self.schema(release).names

    def recompute(
        self, release: str, inputs: Sequence[Mapping[str, Any]], asked_at: Sequence[datetime]
    ) -> NDArray[np.float32]:
        """The offline feature rows of these questions, as ``OnlineJoin`` would have served them."""
        schema = self.schema(release)
        columns = {c: [row.get(c) for row in inputs] for c in schema.columns}
        asked_us = np.array([round(at.timestamp() * 1e6) for at in asked_at], dtype=np.int64)
        timelines = {b.view: self._timeline(b.view, b.feed) for b in schema.views}
        return schema.compute(columns, asked_us, timelines)
