"""The server: one listener, one door and one event log in front of every capability that this process serves.

What each capability needs for itself stands at its counter; here is what they share, and how all of it begins and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import uvicorn
from starlette.types import ASGIApp

from plimsoll.errors import PlimsollError, UsageError
from plimsoll.serving.certificates import Certificates
from plimsoll.serving.counter import Counter
from plimsoll.serving.edge import Edge
from plimsoll.serving.gate import Gate
from plimsoll.serving.gathering import Gathered
from plimsoll.serving.house import House
from plimsoll.serving.house_metrics import HouseMetrics
from plimsoll.serving.listening import Draining, listening, loop_factory, take_all_files
from plimsoll.serving.metrics import Elsewhere, Metrics, exposition
from plimsoll.serving.outcomes import Counts, OutcomeInbox, Report
from plimsoll.serving.protocol import HotProtocol
from plimsoll.serving.pushing import FeatureFeed

if TYPE_CHECKING:
    from plimsoll.serving.grpc.listening import GrpcEdge

_log = logging.getLogger(__name__)

_GRACE_S = 10
"""How long requests under way may take to end once no more are taken."""
_COLLECT = (50_000, 20, 100)
"""Objects between two collections, and so on (``gc.set_threshold``): requests leave no cycles behind, and Python's own
700 would look for some every fifty requests."""
_SWITCH_S = 0.0002
"""How long a thread that works keeps one waiting that answers; Python's own 5 ms would be most of the latency."""


_BEAT_S = 1.0


class Pulse(Protocol):
    """Tells whoever looks after this process how it is."""

    def ready(self) -> None:
        """It does what it is for. Called once."""
        ...

    def beat(self, trouble: str = "") -> bool:
        """It still does, and should be replaced soon if there is ``trouble``. False where nobody listens any more: then
        it should end."""
        ...


class Server:
    """Serves what its counters answer, behind one door. Construct it, then ``run`` it; or mount ``app`` elsewhere.

    Raises UsageError where two counters have one name, or none is there.
    """

    def __init__(
        self,
        counters: Sequence[Counter],
        house: House,
        *,
        certificates: Certificates | None = None,
        feed: FeatureFeed | None = None,
        pulse: Pulse | None = None,
        gather_in: Path | None = None,
        front_page: Callable[[], bytes] | None = None,
    ) -> None:
        self.counters = _by_name(counters)
        self.settings = house.settings
        self.body_limit_bytes = house.settings.body_limit_bytes
        self.admission, self.tracer = house.admission, house.tracer
        self.certificates = certificates
        self.front_page = front_page
        self.elsewhere = Elsewhere()
        self.elsewhere.also(HouseMetrics(house.hold, house.log_bytes))
        self._house = house
        self._pulse = pulse
        self._gathered = None if gather_in is None else Gathered(gather_in, self._own_metrics)
        self._feed = feed
        self._inbox = OutcomeInbox(house.log, [counter.capability for counter in self.counters.values()])
        self._stopping = False
        self._server: Draining | None = None
        self._grpc: GrpcEdge | None = None
        self.app: ASGIApp = Edge(self).app(self._lifespan)

    # ── what the edges ask for ───────────────────────────────────────────────────────────────────────────────────

    @property
    def only(self) -> str:
        """The capability that is meant where none is named; ``""`` where several are served."""
        return next(iter(self.counters)) if len(self.counters) == 1 else ""

    @property
    def ready(self) -> str:
        """``""`` when every capability answers, else why one does not."""
        if self._stopping:
            return "the server is stopping"
        return next((why for counter in self.counters.values() if (why := counter.ready)), "")

    def counted(self, capability: str) -> Metrics | Elsewhere:
        """Where what concerns ``capability`` is counted; what concerns none that is here has a place of its own."""
        counter = self.counters.get(capability or self.only)
        return self.elsewhere if counter is None else counter.metrics

    async def tell(self, reports: list[Report], capability: str = "") -> Counts:
        """What became of the reports. ``capability``: only events of this one may be told about."""
        told = await asyncio.to_thread(self._inbox.tell, reports, self._house.clock.now(), capability)
        for name, counts in told.by_capability.items():
            self.counted(name).told(counts)
        return told.all

    async def push(self, source: str, rows: list[dict[str, Any]], ids: list[str] | None) -> msgspec.Struct:
        if self._feed is None:
            raise UsageError("this server takes no rows", hint="push them into the home: plimsoll features push")
        return await asyncio.to_thread(self._feed.push, source, rows, ids)

    def metrics_text(self) -> bytes:
        """What was counted, of all workers where there are several, in the exposition format."""
        return self._own_metrics() if self._gathered is None else self._gathered.text()

    def _own_metrics(self) -> bytes:
        return exposition([*(counter.metrics for counter in self.counters.values()), self.elsewhere])

    # ── following what changes ───────────────────────────────────────────────────────────────────────────────────

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self.settings.refresh_every_s)
            try:
                await asyncio.to_thread(self._look)
            except Exception:  # noqa: BLE001 - the supervisor of following: what serves goes on, and it looks again
                _log.exception("what has changed could not be looked at; what serves goes on")

    def _look(self) -> None:
        """What changed: the deployments, who may ask, the certificate. One that cannot be read holds up no other."""
        for counter in self.counters.values():
            counter.look()
        try:
            self.admission.refresh()
        except PlimsollError as error:
            _log.error("who may ask could not be read; what was known goes on: %s", error)
        self._house.hold.make_room()
        if self.certificates is not None:
            self.certificates.refresh()
        if self._gathered is not None:
            self._gathered.leave()

    async def _beat(self, pulse: Pulse) -> None:
        """A sign of life from the event loop itself, so that a loop that is stuck gives none."""
        self._house.hold.settle()
        pulse.ready()
        while pulse.beat(self._house.hold.leak):
            await asyncio.sleep(_BEAT_S)
        _log.warning("whoever looked after this process is gone: it ends")
        self.stop()

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Any) -> AsyncIterator[None]:
        for counter in self.counters.values():
            counter.open()
        tasks = [asyncio.create_task(self._follow())]
        if self._pulse is not None:
            tasks.append(asyncio.create_task(self._beat(self._pulse)))
        if self._grpc is not None:
            self._grpc.start(asyncio.get_running_loop())
        try:
            yield
        finally:
            if self._grpc is not None:
                await asyncio.to_thread(self._grpc.stop, _GRACE_S)
            for task in tasks:
                task.cancel()
            if self._gathered is not None:
                self._gathered.take_away()
            for counter in self.counters.values():
                await counter.close()

    def listen(self) -> socket.socket:
        """The listening socket, and gRPC's beside it if there is to be one.

        Raises UsageError when a port is taken, the host is none of this machine's, or gRPC is not installed.
        """
        listener = listening(self.settings.host, self.settings.port, shared=self.settings.shared_port)
        if self.settings.grpc_port is not None:
            try:
                self._grpc = _grpc_edge(self, self.settings.host, self.settings.grpc_port)
            except UsageError:
                listener.close()
                raise
        return listener

    @property
    def grpc_address(self) -> str:
        """Where gRPC listens (``host:port``); ``""`` where it does not."""
        return self._grpc.address if self._grpc is not None else ""

    async def run(self, listener: socket.socket | None = None) -> None:
        """Serve until told to stop (SIGTERM, SIGINT, or ``stop``): not ready any more, then drained, then done."""
        listener = listener or self.listen()
        gate = Gate(
            list(self.counters.values()),
            body_limit_bytes=self.settings.body_limit_bytes,
            overload=self.admission.overload,
        )
        config = uvicorn.Config(
            self.app,
            loop="none",
            http=partial(HotProtocol, gate),  # type: ignore[arg-type]
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=_GRACE_S,
            server_header=False,
        )
        if self.certificates is not None:
            config.load()
            config.ssl = self.certificates.context
        self._server = Draining(config, begin=self.stop, drain_s=self.settings.drain_s)
        if self._stopping:  # it was told before it began
            self._server.drain()
        await self._server.serve(sockets=[listener])

    def serve(self, listener: socket.socket | None = None) -> None:
        """``run`` as what this process is for, on a fast event loop of its own; returns when it has stopped."""
        settle()
        take_all_files()
        signal.signal(signal.SIGHUP, _look_again)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(self.run(listener))

    def stop(self) -> None:
        """Stop being ready; after ``drain_s`` take no more requests, and end when the last one is answered."""
        self._stopping = True
        for counter in self.counters.values():
            counter.stop()
        if self._server is not None:
            self._server.drain()


def settle() -> None:
    """Set the interpreter up for a process that has loaded what it needs, and answers from now on."""
    gc.collect()
    gc.freeze()  # what was loaded lives as long as the process: no collection need walk it again
    gc.set_threshold(*_COLLECT)
    sys.setswitchinterval(_SWITCH_S)


def _look_again(number: int, frame: Any) -> None:
    """What a SIGHUP asks for is done a few times a second; it must not end the process, as it would by default."""
    _log.info("SIGHUP: keys, certificates and the deployment are looked at again at once")


def _by_name(counters: Sequence[Counter]) -> dict[str, Counter]:
    found: dict[str, Counter] = {}
    for counter in counters:
        name = counter.capability.name
        if name in found:
            raise UsageError(
                f"two capabilities are named {name!r}: in {found[name].capability.folder} and {counter.capability.folder}",
                hint="a name is one capability's: it is what callers ask by",
            )
        found[name] = counter
    if not found:
        raise UsageError("there is no capability to serve")
    return found


def _grpc_edge(server: Server, host: str, port: int) -> GrpcEdge:
    try:
        from plimsoll.serving.grpc.listening import GrpcEdge
    except ModuleNotFoundError as error:
        raise UsageError(
            f"gRPC is wanted on port {port}, and {error.name} is not installed",
            hint="pip install 'plimsoll[grpc]', or set grpc_port = 0 in plimsoll.toml under [server]",
        ) from error
    return GrpcEdge(server, host, port, certificates=server.certificates, shared=server.settings.shared_port)
