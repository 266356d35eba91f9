"""How long events are kept: by age and by size, oldest first, whole segments only, and never what is still needed.

Deleting a segment is one unlink, so a kill leaves each of them there or gone. A clock that jumps ahead would make
everything look old: a segment goes by age only if it has looked old for ``PATIENCE_S`` of the machine's own
monotonic time, in which a wrong clock is seen and mended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plimsoll.errors import Damaged, Unavailable
from plimsoll.kernel.columns import Events, Written, times
from plimsoll.kernel.records import Event
from plimsoll.store.durable import sync_folder, unavailable
from plimsoll.store.events.compaction import newest_event
from plimsoll.store.events.reading import framed_records
from plimsoll.store.events.segments import Segment, changing, listing

PATIENCE_S = 3_600.0
GIGABYTE = 1_000_000_000
_EPOCH = datetime.fromtimestamp(0, UTC)


class Retention:
    """The rule for one folder. ``keep_days`` and ``keep_gb``: what may stay; 0 is everything.

    Segments that are being written are never touched: what they hold begins to age when they are closed, at the latest
    a day after they were begun.
    """

    def __init__(
        self, folder: Path, *, keep_days: float, keep_gb: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._monotonic = folder, monotonic
        self._keep = timedelta(days=keep_days) if keep_days else None
        self._keep_bytes = keep_gb * GIGABYTE
        self._newest: dict[str, datetime] = {}
        self._old_since: dict[str, float] = {}

    def sweep(self, now: datetime, needed_since: datetime) -> list[str]:
        """Delete what is over the limits and holds no event of ``needed_since`` or later; one sentence for each thing
        deleted, and one if what is needed alone is over the size. Raises Unavailable if a file cannot be deleted."""
        if not (self._keep or self._keep_bytes):
            return []
        closed = [segment for segment in listing(self._folder) if segment.state != "open"]
        ages = {segment: newest for segment in closed if (newest := self._newest_of(segment)) is not None}
        free = [segment for segment, newest in ages.items() if newest < needed_since]
        said = [self._deleted(segment, why) for segment, why in self._chosen(free, ages, now)]
        said += self._torn(now)
        self._forget(closed)
        return [sentence for sentence in said if sentence] + self._too_much()

    def _chosen(
        self, free: list[Segment], ages: dict[Segment, datetime], now: datetime
    ) -> Iterator[tuple[Segment, str]]:
        over = self._size() - self._keep_bytes if self._keep_bytes else 0
        for segment in free:
            newest = f"its newest event is of {ages[segment]:%Y-%m-%d}"
            if self._is_old(segment, ages[segment], now):
                over -= _size(segment.path)
                yield segment, f"{newest}, and [events] keep_days is {self._keep.days if self._keep else 0}"
            elif over > 0:
                over -= _size(segment.path)
                yield segment, f"{newest}, and there is more than [events] keep_gb allows"

    def _is_old(self, segment: Segment, newest: datetime, now: datetime) -> bool:
        if self._keep is None or newest >= now - self._keep:
            self._old_since.pop(segment.name, None)
            return False
        since = self._old_since.setdefault(segment.name, self._monotonic())
        return self._monotonic() - since >= PATIENCE_S

    def _deleted(self, segment: Segment, why: str) -> str:
        """The sentence; empty where another process was first, or compacted it meanwhile."""
        with changing(self._folder) as there:
            if segment not in there:
                return ""
            size = _size(segment.path)
            try:
                segment.path.unlink()
            except OSError as error:
                raise unavailable(f"deleting segment {segment.name}", segment.path, error) from error
            sync_folder(self._folder)
        return f"deleted segment {segment.name} ({size / 1e6:.1f} MB): {why}"

    def _torn(self, now: datetime) -> Iterator[str]:
        """Torn tails were never acknowledged, yet they hold what somebody asked."""
        for path in sorted(self._folder.glob("*.torn")):
            if self._keep and path.stat().st_mtime < (now - self._keep).timestamp():
                path.unlink(missing_ok=True)
                yield f"deleted {path.name}, the torn tail of a segment"

    def _too_much(self) -> list[str]:
        size = self._size()
        if not self._keep_bytes or size <= self._keep_bytes:
            return []
        return [
            f"the events take {size / GIGABYTE:.1f} GB, more than [events] keep_gb allows: what is left is being written, "
            "or an open verdict or a live lease still needs it"
        ]

    def _newest_of(self, segment: Segment) -> datetime | None:
        """When its newest event was asked; None for a damaged one, which is left to whoever has to look at it."""
        if segment.name not in self._newest:
            try:
                found = newest_event(segment.path) if segment.state == "parquet" else _newest_framed(segment)
            except (Damaged, Unavailable, FileNotFoundError):
                return None
            self._newest[segment.name] = found or _EPOCH
        return self._newest[segment.name]

    def _forget(self, there: list[Segment]) -> None:
        names = {segment.name for segment in there}
        self._newest = {name: newest for name, newest in self._newest.items() if name in names}
        self._old_since = {name: since for name, since in self._old_since.items() if name in names}

    def _size(self) -> int:
        return sum(_size(segment.path) for segment in listing(self._folder))


def _newest_framed(segment: Segment) -> datetime | None:
    newest = (_newest_in(record) for records, _ in framed_records(segment, 0) for record in records)
    return max((at for at in newest if at is not None), default=None)


def _newest_in(record: Written) -> datetime | None:
    if isinstance(record, Events):
        return max(times(record.at_us))
    return record.at if isinstance(record, Event) else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
