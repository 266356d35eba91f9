"""Online features of what is deployed, kept up to what is known now, from the newest snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plimsoll.capability import Capability
from plimsoll.data import Snapshots
from plimsoll.errors import Unavailable
from plimsoll.features import Binding, FeatureSchema, Timeline
from plimsoll.kernel.ports import Catalog, Objects, OnlineFeatures, ReleaseRow
from plimsoll.operations.bench import Timelines

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def microseconds_of(at: datetime) -> int:
    """A time as the timelines count it: whole microseconds since 1970-01-01 in UTC."""
    return (at - EPOCH) // MICROSECOND


class Materialiser:
    """Applies timelines to the online store: all that is known when a view is first needed, then what becomes known.

    A new snapshot is compiled aside; until that is done the rows of the one before go on serving.
    """

    def __init__(
        self, capability: Capability, catalog: Catalog, objects: Objects, online: OnlineFeatures, folder: Path
    ) -> None:
        self._capability, self._catalog, self._objects = capability, catalog, objects
        self._online, self._folder = online, folder
        self._timelines = Timelines()
        self._applied: dict[str, tuple[str, int]] = {}  # name online → (snapshot, until when) of what was applied last
        self._held: dict[tuple[str, str], tuple[str, Timeline]] = {}  # (view's digest, feed) → (snapshot, timeline)
        self._schemas: dict[str, FeatureSchema] = {}

    def bring(self, rows: list[ReleaseRow], now: datetime) -> None:
        """Make the views that ``rows`` use current as of ``now``."""
        now_us = microseconds_of(now)
        for binding in {b.online: b for row in rows for b in self.schema(row).views}.values():
            snapshot, timeline = self._newest(binding)
            same, until_us = self._applied.get(binding.online, ("", 0))
            if same == snapshot:
                self._online.apply(binding.online, timeline.rows_between(until_us, now_us))
            else:  # a new snapshot may know more about the past, too
                self._online.apply(binding.online, timeline.rows_as_of(now_us))
            self._applied[binding.online] = (snapshot, now_us)

    def schema(self, row: ReleaseRow) -> FeatureSchema:
        if row.digest not in self._schemas:
            self._schemas[row.digest] = FeatureSchema.from_plain(row.manifest.settings["schema"])
        return self._schemas[row.digest]

    def timelines_of(self, schema: FeatureSchema) -> Mapping[str, Timeline]:
        """By the view's name, as they are materialised now: what skew is judged against. A newer snapshot is not looked
        at before it is brought."""
        return {b.view: (self._held.get((b.digest, b.feed)) or self._newest(b))[1] for b in schema.views}

    def _newest(self, binding: Binding) -> tuple[str, Timeline]:
        """A view's timeline over its feed's newest snapshot, and that snapshot's digest."""
        snapshot = self._catalog.snapshot(binding.feed)
        if snapshot is None:
            raise Unavailable(
                f"the view {binding.view!r} reads {binding.feed!r}, of which there is no snapshot here",
                hint="plimsoll release takes one in",
            )
        key = (binding.digest, binding.feed)
        held = self._held.get(key)
        if held is not None and held[0] == snapshot.digest:
            return held
        view = self._timelines.view(binding, self._capability.known_views)
        files = Snapshots(self._objects, self._catalog).materialise(snapshot, self._folder / "snapshots")
        timeline = self._timelines.of(view, binding.feed, files)
        self._held[key] = (snapshot.digest, timeline)
        return self._held[key]
