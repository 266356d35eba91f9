"""The one place that wires adapters to ports."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import msgspec

from plimsoll.capability import Capability
from plimsoll.errors import Unavailable
from plimsoll.kernel.case import Decision
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
    size_of,
)


class WallClock:
    """The port Clock: the machine's time, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


WRITERS = 16
"""Processes of one home that may record at once, each with segments of its own."""


if TYPE_CHECKING:
    from plimsoll.operations.feeding import Feed
    from plimsoll.operations.listening import NatsFeed


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
    """The home at ``settings.home``, made if it is not there; closed at the end of the block."""
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


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and Ctrl-C end the server properly from the moment that it says where it is: the web server hears them
    only once it runs, and a supervisor may be quicker."""

    def told(number: int, frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(capability: Capability, settings: Settings, *, say: Callable[[str], None]) -> None:
    """The server and the loop beside it, until SIGTERM or Ctrl-C; ``say`` gets each line for a person.

    Two of these on one home both serve, and one of them decides.
    """
    from plimsoll.operations.duty import Duty, recompute_from
    from plimsoll.operations.feeding import Feed
    from plimsoll.operations.loop import Loop
    from plimsoll.operations.materialise import Materialiser
    from plimsoll.operations.upkeep import Upkeep
    from plimsoll.serving import (
        AdmissionMetrics,
        CacheMetrics,
        Certificates,
        Hold,
        Prices,
        RequestLog,
        Server,
        ServerSettings,
        Timeouts,
        configure_logs,
        open_admission,
        open_cache,
        open_tracer,
    )
    from plimsoll.store import Retention

    configure_logs(settings.log.format, settings.log.level)
    with open_home(settings) as home:
        log, online = home.log(), home.online()
        for repair in (*home.repairs(), *log.repairs(), *online.repairs()):
            say(f"repaired: {repair}")
        materialiser = Materialiser(capability, home.catalog, home.objects, online, home.scratch)
        feed = Feed(
            capability, home.catalog, home.objects, home.clock, home.scratch, apply=lambda: duty.bring_deployed()
        )
        chosen = settings.server
        admission = open_admission(settings.access, settings.limits, home.catalog.access, settings.pepper)
        cache = open_cache(capability, settings.cache)
        tls = Certificates(settings.tls) if settings.tls.certificate or settings.tls.key else None
        tracer = open_tracer(settings.tracing, scheme="https" if tls else "http")
        server = Server(
            capability=capability,
            catalog=home.catalog,
            objects=home.objects,
            log=log,
            online=online,
            clock=home.clock,
            admission=admission,
            cache=cache,
            certificates=tls,
            tracer=tracer,
            settings=ServerSettings(
                host=chosen.host,
                port=chosen.port,
                grpc_port=chosen.grpc_port or None,
                body_limit_bytes=chosen.body_limit_bytes,
                answer_unrecorded=chosen.answer_unrecorded,
                timeouts=Timeouts(chosen.features_timeout_ms, chosen.timeout_ms),
                record_timeout_ms=chosen.record_timeout_ms,
                payload_share=settings.events.payload_share,
            ),
            seal=home.seal(capability),
            prices=Prices(*msgspec.structs.astuple(settings.cost)),
            requests=RequestLog(slow_ms=settings.log.slow_ms, share=settings.log.requests),
            feed=feed,
            trust=home.trust,
            hold=Hold(chosen.memory_limit_mb),
        )
        server.metrics.event_log_bytes = partial(size_of, settings.segments)

        server.metrics.also(AdmissionMetrics(capability.name, admission.overload, admission.shared))
        if cache is not None:
            server.metrics.also(CacheMetrics(capability.name, cache))

        def decided(decision: Decision) -> None:
            server.refresh()
            if decision.kind not in ("look", "renewed"):
                say(f"{decision.kind.replace('_', ' ')}: {decision.summary}")

        loop = Loop(
            capability=capability,
            catalog=home.catalog,
            log=log,
            clock=home.clock,
            notifier=home.notifier,
            recompute=recompute_from(
                materialiser,
                lambda digest: home.catalog.release(capability.name, digest),
                redacted=capability.redacted,
            ),
            names=lambda digest: materialiser.schema(home.catalog.release(capability.name, digest)).names,
            holder=f"{socket.gethostname()}:{os.getpid()}",
            lease_ttl=timedelta(seconds=settings.loop.lease_s),
        )
        duty = Duty(
            loop=loop,
            catalog=home.catalog,
            clock=home.clock,
            materialiser=materialiser,
            every_s=settings.loop.every_s,
            decided=decided,
        )
        events = settings.events
        upkeep = Upkeep(
            settings.segments,
            retention=Retention(settings.segments, keep_days=events.keep_days, keep_gb=events.keep_gb),
            clock=home.clock,
            needed_since=lambda: duty.needed_since,
            say=say,
        )
        with _stopped_by_signals(server.stop):
            listener = server.listen()
            duty.begin()
            scheme = "https" if server.certificates else "http"
            say(f"{capability.name} is served at {scheme}://{chosen.host}:{listener.getsockname()[1]}")
            if server.grpc_address:
                say(f"{capability.name} is served over gRPC at {server.grpc_address}")
            duty.start()
            upkeep.start()
            try:
                server.serve(listener)
            finally:
                upkeep.stop()
                duty.stop()
                admission.close()
                if cache is not None:
                    cache.close()
                if tracer is not None:
                    tracer.close()
                log.close()
                online.close()


def _nats(
    capability: Capability, settings: Settings, feed: Feed, scratch: Path, say: Callable[[str], None]
) -> NatsFeed | None:
    """What listens for rows over NATS, where the settings name one."""
    chosen = settings.features
    if not chosen.nats_url:
        return None
    from plimsoll.operations.listening import NatsFeed

    return NatsFeed(
        feed,
        url=chosen.nats_url,
        stream=chosen.nats_stream,
        subject=chosen.nats_subject,
        name=f"plimsoll-{capability.name}",
        aside=scratch / "quarantine" / "nats",
        say=say,
    )
