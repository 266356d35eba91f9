"""The one place that wires adapters to ports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from plimsoll.kernel.ports import Clock, Notifier
from plimsoll.operations.notify import LogNotifier, Webhook
from plimsoll.operations.yard import Yard
from plimsoll.settings import Settings
from plimsoll.store import Checkpoints, LocalObjects, SegmentLog, SqlCatalog


class WallClock:
    """The port Clock: the machine's time, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """An opened home: every adapter that its settings ask for."""

    settings: Settings
    catalog: SqlCatalog
    objects: LocalObjects
    checkpoints: Checkpoints
    clock: Clock
    notifier: Notifier

    @property
    def scratch(self) -> Path:
        """Files that can be made again."""
        return self.settings.home / "scratch"

    def yard(self) -> Yard:
        return Yard(
            catalog=self.catalog,
            objects=self.objects,
            clock=self.clock,
            notifier=self.notifier,
            folder=self.scratch,
        )

    def log(self, *, writer: str = "w0") -> SegmentLog:
        """The event log, for writing as ``writer``. One process a writer."""
        events = self.settings.events
        return SegmentLog(
            self.settings.segments, durability=events.durability, segment_bytes=events.segment_bytes, writer=writer
        )

    def repairs(self) -> list[str]:
        """What opening found half done and put right."""
        return self.objects.repairs()


@contextmanager
def open_home(settings: Settings, *, clock: Clock | None = None, notifier: Notifier | None = None) -> Iterator[Home]:
    """The home at ``settings.home``, made if it is not there; closed at the end of the block."""
    settings.home.mkdir(parents=True, exist_ok=True)
    checkpoints = Checkpoints(settings.checkpoints)
    catalog = SqlCatalog(settings.catalog_url, checkpoints=checkpoints)
    hook = settings.webhook
    told = notifier or (Webhook(hook.url, timeout_s=hook.timeout_s) if hook.url else LogNotifier())
    try:
        yield Home(
            settings=settings,
            catalog=catalog,
            objects=LocalObjects(settings.objects),
            checkpoints=checkpoints,
            clock=clock or WallClock(),
            notifier=told,
        )
    finally:
        if isinstance(told, Webhook):
            told.close()
        catalog.close()
