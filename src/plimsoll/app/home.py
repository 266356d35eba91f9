"""An opened home: every adapter that its settings ask for."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from plimsoll.capability import Capability
from plimsoll.errors import Unavailable
from plimsoll.kernel.ports import Clock, Notifier, OnlineFeatures
from plimsoll.operations.notify import LogNotifier, Webhook
from plimsoll.operations.yard import Yard
from plimsoll.settings import Settings
from plimsoll.store import (
    Checkpoints,
    GuardedOnline,
    LocalObjects,
    MemoryOnline,
    Pepper,
    RedisOnline,
    SegmentLog,
    SqlCatalog,
    SqliteOnline,
    Trust,
    unfinished,
)


class WallClock:
    """The port Clock: the machine's time, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


WRITERS = 16
"""Processes of one home that may record at once, each with segments of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """An opened home: every adapter that its settings ask for."""

    settings: Settings
    catalog: SqlCatalog
    objects: LocalObjects
    checkpoints: Checkpoints
    clock: Clock
    notifier: Notifier
    held: list[int]  # locks on writers' names, let go when the home is closed

    @property
    def trust(self) -> Trust:
        """Whose releases may bring code here."""
        return Trust(self.settings.trust)

    @property
    def scratch(self) -> Path:
        """Files that can be made again."""
        return self.settings.home / "scratch"

    def yard(self, *, say: Callable[[str], None] | None = None) -> Yard:
        """What building and judging a release needs; ``say`` hears of each longer piece of work."""
        made = Yard(
            catalog=self.catalog,
            objects=self.objects,
            clock=self.clock,
            notifier=self.notifier,
            folder=self.scratch,
            trust=self.trust,
        )
        return replace(made, say=say) if say else made

    def log(self) -> SegmentLog:
        """The event log, with segments of this process's own.

        Raises Unavailable if all WRITERS are recording.
        """
        events = self.settings.events
        return SegmentLog(
            self.settings.segments,
            durability=events.durability,
            segment_bytes=events.segment_bytes,
            writer=self._writer(),
        )

    def online(self) -> OnlineFeatures:
        """The online features, in the store that the settings choose. Whoever opens them closes them."""
        chosen = self.settings.features
        if chosen.store == "memory":
            return MemoryOnline()
        store: OnlineFeatures
        if chosen.store == "redis":
            store = RedisOnline(chosen.url, prefix=chosen.prefix, timeout_s=chosen.timeout_ms / 1000)
        else:
            store = SqliteOnline(self.settings.online)
        return GuardedOnline(store, when_away=chosen.when_away)

    def _writer(self) -> str:
        """The first writer's name that no other process of this home has. Taken now: the log takes it at its first
        record, and two servers that started idle would then both believe it theirs."""
        folder = self.settings.home / "writers"
        folder.mkdir(parents=True, exist_ok=True)
        for n in range(WRITERS):
            fd = os.open(folder / f"w{n}", os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                continue
            self.held.append(fd)
            return f"w{n}"
        raise Unavailable(
            f"{WRITERS} processes are recording into {self.settings.home} already",
            hint="stop one of them, or give the next one a home of its own",
        )

    def seal(self, capability: Capability) -> Callable[[str], str] | None:
        """How redacted values are hashed; the key is made with the first capability that needs one."""
        if "hash" not in capability.redacted.values():
            return None
        return Pepper.kept(self.settings.recording_key).digest

    def repairs(self) -> list[str]:
        """What opening found half done and put right."""
        return self.objects.repairs()


@contextmanager
def open_home(settings: Settings, *, clock: Clock | None = None, notifier: Notifier | None = None) -> Iterator[Home]:
    """The home at ``settings.home``, made if it is not there; closed at the end of the block.

    Raises Refused where a restore to it was not finished.
    """
    if (why := unfinished(settings.home)) is not None:
        raise why
    settings.home.mkdir(parents=True, exist_ok=True)
    checkpoints = Checkpoints(settings.checkpoints)
    catalog = SqlCatalog(settings.catalog_url, checkpoints=checkpoints)
    hook = settings.webhook
    told = notifier or (Webhook(hook.url, timeout_s=hook.timeout_s) if hook.url else LogNotifier())
    held: list[int] = []
    try:
        yield Home(
            settings=settings,
            catalog=catalog,
            objects=LocalObjects(settings.objects),
            checkpoints=checkpoints,
            clock=clock or WallClock(),
            notifier=told,
            held=held,
        )
    finally:
        for fd in held:
            os.close(fd)
        if isinstance(told, Webhook):
            told.close()
        catalog.close()
