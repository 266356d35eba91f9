"""Online features of what is deployed, kept up to what is known now: from snapshots, and from what was pushed since."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from plimsoll.capability import Capability
from plimsoll.errors import Conflict, Unavailable
from plimsoll.features import Binding, FeatureSchema, Timeline, changes, differences
from plimsoll.kernel.ports import Catalog, Objects, OnlineFeatures, ReleaseRow, Step
from plimsoll.operations.current import Current, CurrentTimelines

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
ATTEMPTS = 5
"""How often a step is tried from where somebody else left the rows."""

_log = logging.getLogger(__name__)


def microseconds_of(at: datetime) -> int:
    """A time as the timelines count it: whole microseconds since 1970-01-01 in UTC."""
    return (at - EPOCH) // MICROSECOND


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Which state the online rows of a view are in: of which snapshot's timeline, with what was pushed up to ``seq``,
    applied until when."""

    snapshot: str
    seq: int
    until_us: int

    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    @staticmethod
    def of(text: str | None) -> Mark | None:
        """None where nobody knows; what another version wrote is not known either."""
        try:
            return msgspec.json.decode(text, type=Mark) if text else None
        except msgspec.MsgspecError:
            return None


class Materialiser:
    """Applies timelines to the online store: all that is known when a view is first needed, then what becomes known,
    then what the rows that were pushed have changed.

    A new snapshot is compiled aside and loaded aside; until both are done the rows of the one before go on serving.
    Several processes may keep one store: each step begins at the state that the rows are really in.
    """

    def __init__(
        self, capability: Capability, catalog: Catalog, objects: Objects, online: OnlineFeatures, folder: Path
    ) -> None:
        self._online = online
        self._timelines = CurrentTimelines(capability.known_views, catalog, objects, folder)
        self._bringing = threading.Lock()
        self._schemas: dict[str, FeatureSchema] = {}

    def bring(self, rows: list[ReleaseRow], now: datetime) -> None:
        """Make the views that ``rows`` use current as of ``now``."""
        with self._bringing:
            for binding in {b.online: b for row in rows for b in self.schema(row).views}.values():
                self._bring(binding, microseconds_of(now))

    def serves(self, rows: list[ReleaseRow]) -> bool:
        """Whether the store has rows of every view that ``rows`` use: perhaps old ones, which serve until it is brought."""
        return all(Mark.of(self._online.mark(b.online)) for row in rows for b in self.schema(row).views)

    def schema(self, row: ReleaseRow) -> FeatureSchema:
        if row.digest not in self._schemas:
            self._schemas[row.digest] = FeatureSchema.from_plain(row.manifest.settings["schema"])
        return self._schemas[row.digest]

    def timelines_of(self, schema: FeatureSchema) -> Mapping[str, Timeline]:
        """By the view's name, as they are materialised now: what skew is judged against. What is newer is not looked at
        before it is brought."""
        found = {b.view: self._timelines.held(b) or self._timelines.newest(b) for b in schema.views}
        return {view: current.timeline for view, current in found.items()}

    def _bring(self, binding: Binding, now_us: int) -> None:
        before = self._timelines.held(binding)
        for attempt in range(ATTEMPTS):
            current = self._timelines.newest(binding)
            try:
                self._step(binding.online, before, current, now_us, last=attempt == ATTEMPTS - 1)
            except Conflict as error:  # another process was faster: go on from where it is now
                _log.info("%s", error.message)
                continue
            return
        raise Unavailable(f"the online rows of {binding.online} were changed by others {ATTEMPTS} times in a row")

    def _step(self, view: str, before: Current | None, current: Current, now_us: int, *, last: bool) -> None:
        """From the state that the store is in to ``current`` as of now."""
        found = self._online.mark(view)
        mark, after = Mark.of(found), Mark(current.snapshot, current.seq, now_us).text()
        step = Step(found, after)
        if found is None or (mark is not None and mark.snapshot not in current.snapshots):
            self._online.replace(view, current.timeline.rows_as_of(now_us), mark=after)
        elif mark is not None and current.stands_at(mark.snapshot, mark.seq):
            if rows := list(current.timeline.rows_between(mark.until_us, now_us)):
                self._online.apply(view, rows, step=step)
        elif mark is not None and before is not None and before.stands_at(mark.snapshot, mark.seq):
            change = changes(before.timeline, mark.until_us, current.timeline, max(now_us, mark.until_us))
            self._online.correct(view, change.rows, gone=change.gone, step=step)
        elif mark is not None and mark.seq > current.seq and not last:
            raise Conflict(f"the online rows of {view} are ahead of what was read of their feed")
        else:  # somebody wrote during a load, or it is not known what was held: look at what is there
            change = differences(self._online.rows(view), current.timeline, now_us)
            self._online.correct(view, change.rows, gone=change.gone, step=step)
