"""Online features of what is deployed, kept up to what is known now, from the newest snapshots."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from plimsoll.capability import Capability
from plimsoll.data import Snapshots
from plimsoll.errors import Conflict, Unavailable
from plimsoll.features import Binding, FeatureSchema, Timeline
from plimsoll.kernel.ports import Catalog, Objects, OnlineFeatures, ReleaseRow, Step
from plimsoll.operations.bench import Timelines

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
ATTEMPTS = 5
"""How often a step is tried from where somebody else left the rows."""

_log = logging.getLogger(__name__)


def microseconds_of(at: datetime) -> int:
    """A time as the timelines count it: whole microseconds since 1970-01-01 in UTC."""
    return (at - EPOCH) // MICROSECOND


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Which state the online rows of a view are in: of which snapshot's timeline, applied until when."""

    snapshot: str
    until_us: int

    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    @staticmethod
    def of(text: str | None) -> Mark | None:
        """None where nobody knows. Raises no error for what another version wrote: that is not known either."""
        try:
            return msgspec.json.decode(text, type=Mark) if text else None
        except msgspec.MsgspecError:
            return None


class Materialiser:
    """Applies timelines to the online store: all that is known when a view is first needed, then what becomes known.

    A new snapshot is compiled aside and loaded aside; until both are done the rows of the one before go on serving.
    Several processes may keep one store: each step begins at the state that the rows are really in.
    """

    def __init__(
        self, capability: Capability, catalog: Catalog, objects: Objects, online: OnlineFeatures, folder: Path
    ) -> None:
        self._capability, self._catalog, self._objects = capability, catalog, objects
        self._online, self._folder = online, folder
        self._timelines = Timelines()
        self._bringing = threading.Lock()
        self._held: dict[tuple[str, str], tuple[str, Timeline]] = {}  # (view's digest, feed) → (snapshot, timeline)
        self._schemas: dict[str, FeatureSchema] = {}

    def bring(self, rows: list[ReleaseRow], now: datetime) -> None:
        """Make the views that ``rows`` use current as of ``now``."""
        with self._bringing:
            for binding in {b.online: b for row in rows for b in self.schema(row).views}.values():
                self._bring(binding, microseconds_of(now))

    def serves(self, rows: list[ReleaseRow]) -> bool:
        """Whether the store has rows of every view that ``rows`` use: perhaps old ones, which serve until it is brought."""
        return all(Mark.of(self._online.mark(b.online)) for row in rows for b in self.schema(row).views)

    def _bring(self, binding: Binding, now_us: int) -> None:
        for _ in range(ATTEMPTS):
            snapshot, timeline = self._newest(binding)
            found = self._online.mark(binding.online)
            try:
                self._step(binding.online, found, snapshot, timeline, now_us)
            except Conflict as error:  # another process was faster: go on from where it is now
                _log.info("%s", error.message)
                continue
            return
        raise Unavailable(f"the online rows of {binding.online} were changed by others {ATTEMPTS} times in a row")

    def _step(self, view: str, found: str | None, snapshot: str, timeline: Timeline, now_us: int) -> None:
        mark, after = Mark.of(found), Mark(snapshot, now_us).text()
        if mark is None or mark.snapshot != snapshot:  # a new snapshot may know more about the past, too
            self._online.replace(view, timeline.rows_as_of(now_us), mark=after)
        elif rows := list(timeline.rows_between(mark.until_us, now_us)):
            self._online.apply(view, rows, step=Step(found, after))

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
