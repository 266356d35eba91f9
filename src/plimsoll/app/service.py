"""What ``plimsoll up`` runs in one process: the server, the loop beside it, or both."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from plimsoll.app.home import Home, open_home
from plimsoll.capability import Capability
from plimsoll.kernel.case import Decision
from plimsoll.kernel.ports import EventLog, OnlineFeatures
from plimsoll.settings import Settings
from plimsoll.store import size_of

if TYPE_CHECKING:
    from plimsoll.operations.duty import Duty
    from plimsoll.operations.feeding import Feed
    from plimsoll.operations.listening import NatsFeed
    from plimsoll.operations.upkeep import Upkeep
    from plimsoll.serving import Pulse, Server

Say = Callable[[str], None]


class Part(NamedTuple):
    """Which part of the whole this process is. Both: one process on a laptop.

    ``shared_port``: others listen on the same port, and the kernel spreads connections over them. ``pulse``: who is
    told how it is, every second from its event loop, or from the loop's thread.
    """

    serves: bool = True
    decides: bool = True
    shared_port: bool = False
    pulse: Pulse | None = None


WHOLE = Part()


def serve(capability: Capability, settings: Settings, *, say: Say, part: Part = WHOLE) -> None:
    """The server and the loop beside it, or one of them, until SIGTERM or Ctrl-C; ``say`` gets each line for a person.

    Two of these on one home both serve, and one of them decides.
    """
    from plimsoll.operations.feeding import Feed
    from plimsoll.serving import configure_logs

    configure_logs(settings.log.format, settings.log.level)
    with open_home(settings) as home, ExitStack() as closing:
        log, online = home.log(), home.online()
        closing.callback(online.close)
        closing.callback(log.close)
        for repair in (*home.repairs(), *log.repairs(), *online.repairs()):
            say(f"repaired: {repair}")
        duty: Duty | None = None
        feed = Feed(
            capability,
            home.catalog,
            home.objects,
            home.clock,
            home.scratch,
            apply=lambda: duty.bring_deployed() if duty is not None else None,  # else with the loop's next pass
        )
        server = _server(capability, home, log, online, feed, closing, part) if part.serves else None
        if part.decides:
            duty = _duty(capability, home, log, online, say, server)
        if server is not None:
            _serving(server, duty, feed, home, say, closing, part)
        elif duty is not None:
            _deciding(duty, feed, home, say, part)


def _serving(
    server: Server, duty: Duty | None, feed: Feed, home: Home, say: Say, closing: ExitStack, part: Part
) -> None:
    with _stopped_by_signals(server.stop):
        listener = server.listen()
        if duty is not None:
            duty.begin()
        scheme = "https" if server.certificates else "http"
        place = f"{home.settings.server.host}:{listener.getsockname()[1]}"
        if not part.shared_port:  # of many workers, their supervisor says it once
            say(f"{server.capability.name} is served at {scheme}://{place}")
            if server.grpc_address:
                say(f"{server.capability.name} is served over gRPC at {server.grpc_address}")
        if duty is not None:
            _begin(duty, feed, home, say, closing)
        server.serve(listener)


def _deciding(duty: Duty, feed: Feed, home: Home, say: Say, part: Part) -> None:
    """The loop alone: it brings the features that the workers read, then decides until it is told to stop."""
    stop = threading.Event()
    with _stopped_by_signals(stop.set), ExitStack() as ending:
        duty.begin()
        _begin(duty, feed, home, say, ending)
        if part.pulse is not None:
            part.pulse.ready()
        while not stop.wait(1.0):
            if part.pulse is not None and not part.pulse.beat():
                return


def _begin(duty: Duty, feed: Feed, home: Home, say: Say, closing: ExitStack) -> None:
    """Start the loop, what brings it rows, and the upkeep; the closing ends them, the last first."""
    closing.callback(duty.stop)
    duty.start()
    if (listener := _nats(duty.loop.capability, feed, home, say)) is not None:
        closing.callback(listener.close)
        listener.start()
    upkeep = _upkeep(duty, home, say)
    closing.callback(upkeep.stop)
    upkeep.start()


def _server(
    capability: Capability,
    home: Home,
    log: EventLog,
    online: OnlineFeatures,
    feed: Feed,
    closing: ExitStack,
    part: Part,
) -> Server:
    from plimsoll.operations import status_page
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
        open_admission,
        open_cache,
        open_tracer,
    )

    settings = home.settings
    chosen = settings.server
    admission = open_admission(settings.access, settings.limits, home.catalog.access, settings.pepper)
    closing.callback(admission.close)
    tls = Certificates(settings.tls) if settings.tls.certificate or settings.tls.key else None
    if (cache := open_cache(capability, settings.cache)) is not None:
        closing.callback(cache.close)
    if (tracer := open_tracer(settings.tracing, scheme="https" if tls else "http")) is not None:
        closing.callback(tracer.close)
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
            drain_s=chosen.drain_s,
            payload_share=settings.events.payload_share,
            shared_port=part.shared_port,
        ),
        seal=home.seal(capability),
        prices=Prices(*msgspec.structs.astuple(settings.cost)),
        requests=RequestLog(slow_ms=settings.log.slow_ms, share=settings.log.requests),
        feed=feed,
        trust=home.trust,
        hold=Hold(chosen.memory_limit_mb),
        pulse=part.pulse,
        gather_in=settings.home / "run" / "metrics" if part.shared_port else None,
        front_page=lambda: status_page(home.catalog, home.clock.now()),
    )
    server.metrics.event_log_bytes = partial(size_of, settings.segments)
    server.metrics.also(AdmissionMetrics(capability.name, admission.overload, admission.shared))
    if cache is not None:
        server.metrics.also(CacheMetrics(capability.name, cache))
    return server


def _duty(
    capability: Capability, home: Home, log: EventLog, online: OnlineFeatures, say: Say, server: Server | None
) -> Duty:
    from plimsoll.operations.duty import Duty, recompute_from
    from plimsoll.operations.loop import Loop
    from plimsoll.operations.materialise import Materialiser

    materialiser = Materialiser(capability, home.catalog, home.objects, online, home.scratch)

    def decided(decision: Decision) -> None:
        if server is not None:
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
        lease_ttl=timedelta(seconds=home.settings.loop.lease_s),
    )
    return Duty(
        loop=loop,
        catalog=home.catalog,
        clock=home.clock,
        materialiser=materialiser,
        every_s=home.settings.loop.every_s,
        decided=decided,
    )


def _nats(capability: Capability, feed: Feed, home: Home, say: Say) -> NatsFeed | None:
    """What listens for rows over NATS, where the settings name one."""
    chosen = home.settings.features
    if not chosen.nats_url:
        return None
    from plimsoll.operations.listening import NatsFeed

    return NatsFeed(
        feed,
        url=chosen.nats_url,
        stream=chosen.nats_stream,
        subject=chosen.nats_subject,
        name=f"plimsoll-{capability.name}",
        aside=home.scratch / "quarantine" / "nats",
        say=say,
    )


def _upkeep(duty: Duty, home: Home, say: Say) -> Upkeep:
    from plimsoll.operations.upkeep import Upkeep
    from plimsoll.store import Retention

    events, segments = home.settings.events, home.settings.segments
    return Upkeep(
        segments,
        retention=Retention(segments, keep_days=events.keep_days, keep_gb=events.keep_gb),
        clock=home.clock,
        needed_since=lambda: duty.needed_since,
        say=say,
    )


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
