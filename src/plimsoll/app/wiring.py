"""What ``plimsoll up`` wires: from an opened home to a server, and to what decides beside it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from plimsoll.app.home import Home
from plimsoll.capability import Capability
from plimsoll.kernel.case import Decision
from plimsoll.kernel.ports import EventLog, OnlineFeatures
from plimsoll.store import size_of

if TYPE_CHECKING:
    from plimsoll.operations.duty import Duty
    from plimsoll.operations.feeding import Feeds
    from plimsoll.operations.listening import NatsFeed
    from plimsoll.operations.upkeep import Upkeep
    from plimsoll.serving import Counter, Pulse, Server
    from plimsoll.serving.house import House

Say = Callable[[str], None]


def server_of(
    capabilities: Sequence[Capability],
    home: Home,
    log: EventLog,
    online: OnlineFeatures,
    feed: Feeds,
    closing: ExitStack,
    *,
    shared_port: bool,
    pulse: Pulse | None,
) -> Server:
    """One server over all of them. What it opens, ``closing`` closes."""
    from plimsoll.operations import status_page
    from plimsoll.serving import (
        AdmissionMetrics,
        Certificates,
        Hold,
        House,
        Prices,
        RequestLog,
        Server,
        ServerSettings,
        Timeouts,
        open_admission,
        open_tracer,
    )

    settings = home.settings
    chosen = settings.server
    admission = open_admission(settings.access, settings.limits, home.catalog.access, settings.pepper)
    closing.callback(admission.close)
    tls = Certificates(settings.tls) if settings.tls.certificate or settings.tls.key else None
    if (tracer := open_tracer(settings.tracing, scheme="https" if tls else "http")) is not None:
        closing.callback(tracer.close)
    house = House(
        catalog=home.catalog,
        objects=home.objects,
        log=log,
        online=online,
        clock=home.clock,
        admission=admission,
        tracer=tracer,
        settings=ServerSettings(
            host=chosen.host,
            port=chosen.port,
            grpc_port=chosen.grpc_port or None,
            body_limit_bytes=chosen.body_limit_bytes,
            answer_unrecorded=chosen.answer_unrecorded,
            timeouts=Timeouts(chosen.features_timeout_ms, chosen.timeout_ms),
            record_timeout_ms=chosen.record_timeout_ms,
            load_wait_s=chosen.load_wait_s,
            drain_s=chosen.drain_s,
            payload_share=settings.events.payload_share,
            shared_port=shared_port,
        ),
        prices=Prices(*msgspec.structs.astuple(settings.cost)),
        requests=RequestLog(slow_ms=settings.log.slow_ms, share=settings.log.requests),
        trust=home.trust,
        hold=Hold(chosen.memory_limit_mb),
        log_bytes=partial(size_of, settings.segments),
    )
    server = Server(
        [_counter(capability, home, house, closing) for capability in capabilities],
        house,
        certificates=tls,
        feed=feed,
        pulse=pulse,
        gather_in=settings.run / "metrics" if shared_port else None,
        front_page=lambda: status_page(home.catalog, home.clock.now(), home.settings.home),
    )
    server.elsewhere.also(AdmissionMetrics(admission.overload, admission.shared))
    return server


def _counter(capability: Capability, home: Home, house: House, closing: ExitStack) -> Counter:
    from plimsoll.serving import CacheMetrics, Counter, open_cache

    if (cache := open_cache(capability, home.settings.cache)) is not None:
        closing.callback(cache.close)
    counter = Counter(capability, house, cache=cache, seal=home.seal(capability))
    if cache is not None:
        counter.metrics.also(CacheMetrics(capability.name, cache))
    return counter


def duty_of(
    capability: Capability,
    home: Home,
    log: EventLog,
    online: OnlineFeatures,
    *,
    decided: Callable[[Decision], None],
) -> Duty:
    """The loop of one capability; ``decided`` hears of each of its decisions."""
    from plimsoll.operations.duty import Duty, recompute_from
    from plimsoll.operations.loop import Loop
    from plimsoll.operations.materialise import Materialiser

    materialiser = Materialiser(capability, home.catalog, home.objects, online, home.scratch)
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


def nats_of(capabilities: Sequence[Capability], feed: Feeds, home: Home, say: Say) -> NatsFeed | None:
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
        name="-".join(["plimsoll", *(capability.name for capability in capabilities)]),
        aside=home.scratch / "quarantine" / "nats",
        say=say,
    )


def upkeep_of(duties: Sequence[Duty], home: Home, online: OnlineFeatures, say: Say) -> Upkeep:
    """The event log is everybody's: what one loop may still need is kept."""
    from plimsoll.operations.answered.noted import LOOK_EVERY_S
    from plimsoll.operations.forgetting import StaleViews
    from plimsoll.operations.upkeep import Chore, Upkeep
    from plimsoll.store import Retention

    def needed_since() -> datetime | None:
        found = [duty.needed_since for duty in duties]
        known = [since for since in found if since is not None]
        return min(known) if len(known) == len(found) else None

    events, segments = home.settings.events, home.settings.segments
    places = {"catalog": home.settings.catalog_url, "segments": str(segments), "home": str(home.settings.home)}
    look = Chore(
        "looking at the answers",
        [sys.executable, "-m", "plimsoll.operations.answered.looking"],
        msgspec.json.encode(places),  # not on the command line: the catalog's address may hold a password
        every_s=LOOK_EVERY_S,
    )
    return Upkeep(
        segments,
        retention=Retention(segments, keep_days=events.keep_days, keep_gb=events.keep_gb),
        clock=home.clock,
        needed_since=needed_since,
        say=say,
        chores=[look],
        sweeps=[StaleViews(home.catalog, online).sweep],
    )
