"""One capability, served: the fleet, the pipeline, the desk and the edge, and the deployment that they follow.

The deployment is read from the catalog and followed while the server runs, so that a rollback by anybody is served
within a second. Releases are loaded before they are switched to; what serves now goes on until then.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import uvicorn
from starlette.types import ASGIApp

from plimsoll.capability import Capability
from plimsoll.data import Contract
from plimsoll.errors import PlimsollError, Refused, Unavailable, UsageError
from plimsoll.kernel.digest import short
from plimsoll.kernel.ports import Catalog, Clock, EventLog, Objects, OnlineFeatures, ReleaseRow
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment
from plimsoll.serving.answering import Timeouts
from plimsoll.serving.asking import Asking, Awaited
from plimsoll.serving.certificates import Certificates
from plimsoll.serving.circuits import Circuits
from plimsoll.serving.cost import Prices
from plimsoll.serving.desk import Desk
from plimsoll.serving.edge import Edge
from plimsoll.serving.feature_metrics import FeatureMetrics
from plimsoll.serving.form import Form
from plimsoll.serving.gate import Gate
from plimsoll.serving.gathering import Gathered
from plimsoll.serving.hold import Hold
from plimsoll.serving.idempotency import FirstAnswers
from plimsoll.serving.listening import Draining, listening, loop_factory, take_all_files
from plimsoll.serving.logs import RequestLog
from plimsoll.serving.metrics import Metrics
from plimsoll.serving.outcomes import Counts, OutcomeInbox, Report
from plimsoll.serving.pipeline import DEFAULT_TIMEOUTS, Pipeline, Reply
from plimsoll.serving.protocol import HotProtocol
from plimsoll.serving.pushing import FeatureFeed
from plimsoll.serving.questions import QuestionMaker
from plimsoll.serving.recording import Recording, Seal
from plimsoll.serving.refusals import NotFound
from plimsoll.serving.replica import Fleet, needed
from plimsoll.serving.seams import Admission, AnswerPolicy, OpenAdmission, ResponseCache, Ticket, Tracer
from plimsoll.serving.timing import WallTiming
from plimsoll.store import Trust

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

    def beat(self) -> bool:
        """It still does. False where nobody listens any more: then it should end."""
        ...


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a server listens and what it takes. ``drain_s``: how long it goes on after it stopped being ready.

    ``shared_port``: other processes listen on the same one. ``grpc_port``: None is no gRPC; 0 takes a free port, as it
    does for ``port``. ``payload_share``: of the units whose inputs and features are recorded. ``record_timeout_ms``: how
    long the log may take with a turn's events; after it the answers are refused as unrecorded, or given if
    ``answer_unrecorded`` says so.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int | None = None
    body_limit_bytes: int = 8_388_608
    answer_unrecorded: bool = False
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    record_timeout_ms: float = 5_000.0
    refresh_every_s: float = 0.25
    drain_s: float = 0.0
    most_waiting: int = 10_000
    most_beside: int = 20_000
    payload_share: float = 1.0
    shared_port: bool = False


class Server:
    """Serves one capability. Construct it, ``refresh`` it, then ``run`` it; or mount ``app`` elsewhere.

    Loads what the deployment needs when it is constructed (as ``refresh`` does) and raises UsageError for a contract
    that cannot be read, Unavailable when the catalog is away.
    """

    def __init__(
        self,
        *,
        capability: Capability,
        catalog: Catalog,
        objects: Objects,
        log: EventLog,
        online: OnlineFeatures,
        clock: Clock,
        settings: ServerSettings | None = None,
        admission: Admission | None = None,
        tracer: Tracer | None = None,
        policy: AnswerPolicy | None = None,
        cache: ResponseCache | None = None,
        seal: Seal | None = None,
        certificates: Certificates | None = None,
        prices: Prices | None = None,
        requests: RequestLog | None = None,
        feed: FeatureFeed | None = None,
        trust: Trust | None = None,
        hold: Hold | None = None,
        pulse: Pulse | None = None,
        gather_in: Path | None = None,
        front_page: Callable[[], bytes] | None = None,
    ) -> None:
        self.capability = capability
        self.settings = settings or ServerSettings()
        self.body_limit_bytes = self.settings.body_limit_bytes
        self.admission: Admission = admission or OpenAdmission()
        self.tracer = tracer
        self.first = FirstAnswers()
        self.certificates = certificates
        self.front_page = front_page
        self._pulse = pulse
        self._gathered = None if gather_in is None else Gathered(gather_in, lambda: self.metrics.text())
        contract = _contract(capability)
        self.form = Form.of(capability, contract)
        self.metrics = Metrics(capability.name, prices=prices, requests=requests)
        limit_s = self.settings.timeouts.answer_ms / 1000
        self.fleet = Fleet(capability, objects, online, measure=True, trust=trust, hold=hold, limit_s=limit_s)
        self.metrics.also(FeatureMetrics(capability.name, self.fleet.freshness, lambda: getattr(online, "away", 0)))
        self._circuits = Circuits()
        self.metrics.circuits = partial(_circuit_states, self._circuits, features=online, cache=cache)
        self.pipeline = Pipeline(
            capability=capability,
            fleet=self.fleet,
            log=log,
            timing=WallTiming(),
            policy=policy,
            cache=cache,
            prices=prices,
            timeouts=self.settings.timeouts,
            circuits=self._circuits,
            answer_unrecorded=self.settings.answer_unrecorded,
            recording=Recording(capability, contract, seal=seal, payload_share=self.settings.payload_share),
        )
        self._catalog = catalog
        self._clock = clock
        self._log = log
        self._feed = feed
        self._inbox = OutcomeInbox(log, task=capability.task, maturity=capability.maturity)
        self._deployment = Deployment(capability=capability.name, has_fallback=capability.fallback is not None)
        self._refreshing = threading.Lock()
        self._stopping = False
        self._desk: Desk | None = None
        self._server: Draining | None = None
        self._grpc: GrpcEdge | None = None
        self.app: ASGIApp = Edge(self).app(self._lifespan)
        self.refresh()

    # ── what the edge asks for ───────────────────────────────────────────────────────────────────────────────────

    @property
    def deployment(self) -> Deployment:
        """The one served now: the newest that was read, with its releases loaded or refused."""
        return self._deployment

    @property
    def versions(self) -> list[str]:
        return [name for name in self.fleet.loaded if name != FALLBACK]

    @property
    def refused(self) -> Mapping[str, str]:
        return self.fleet.refused

    @property
    def ready(self) -> str:
        """``""`` when it answers, else why it does not: it stops, or what is live could not be loaded.

        A canary that could not be loaded takes no replica down: the live release answers its units.
        """
        if self._stopping:
            return "the server is stopping"
        live, refused = self._deployment.live, self.fleet.refused
        if live in self.fleet.loaded:
            return ""
        if live == FALLBACK:
            return f"{self.capability.name}: no release is live, and no fallback is declared"
        return f"release {short(live)} is not ready: {refused.get(live, 'it is not in the catalog')}"

    def put(self, asking: Asking) -> None:
        """Answer it with the next turn. Raises what ``Desk.put`` raises."""
        if self._desk is None:
            raise Unavailable("the server has not started yet")
        self._desk.put(asking)

    async def ask(
        self, rows: Sequence[dict[str, Any]], ticket: Ticket, *, trace_id: str = "", anonymous: bool = False
    ) -> Sequence[Reply]:
        asking = Awaited(rows, ticket, trace_id=trace_id, anonymous=anonymous)
        self.put(asking)
        return await asking.future

    async def tell(self, reports: list[Report]) -> Counts:
        counts = await asyncio.to_thread(self._inbox.tell, reports, self._clock.now())
        self.metrics.told(counts)
        return counts

    async def push(self, source: str, rows: list[dict[str, Any]], ids: list[str] | None) -> msgspec.Struct:
        if self._feed is None:
            raise UsageError("this server takes no rows", hint="push them into the home: plimsoll features push")
        return await asyncio.to_thread(self._feed.push, source, rows, ids)

    def metrics_text(self) -> bytes:
        """What was counted, of all workers where there are several, in the exposition format."""
        return self.metrics.text() if self._gathered is None else self._gathered.text()

    async def load(self, version: str) -> None:
        """Have a release ready; without a name, what the deployment needs. Raises what keeps it from being ready."""
        if not version:
            await asyncio.to_thread(self.refresh)
            if why := self.ready:
                raise Unavailable(why)
            return
        row = await asyncio.to_thread(self._catalog.release, self.capability.name, version)
        await asyncio.to_thread(self.fleet.load, row)

    async def unload(self, version: str) -> None:
        """Let a release go. Raises Refused for what the deployment needs, NotFound for one that is not loaded."""
        if not version:
            raise Refused(
                f"{self.capability.name} is served as its rollout says, and is not unloaded as a whole",
                hint="name a release in the parameter version; end serving with SIGTERM",
            )
        if not await asyncio.to_thread(self.fleet.unload, version):
            raise NotFound(f"{self.capability.name} has no version {version!r:.80} here")

    # ── following the deployment ─────────────────────────────────────────────────────────────────────────────────

    def refresh(self) -> bool:
        """Read the deployment; if it changed, load its releases, then switch to it. True if it did.

        Any thread may call it, and whoever commits in this process should: otherwise the server sees the change
        within ``refresh_every_s``. Raises Unavailable when the catalog is away; what is served stays.
        """
        with self._refreshing:
            found = self._catalog.deployment(self.capability.name)
            if found == self._deployment or found.version < self._deployment.version:
                return False
            self._load(self._deployment, found)
            self._deployment = found
            self.metrics.version.set(found.version)
            self._say_ready()
        return True

    def _load(self, before: Deployment, after: Deployment) -> None:
        """Load what ``after`` needs, and keep what ``before`` did: questions are still on their way to those."""
        names = dict.fromkeys([*needed(after), *needed(before)])
        self.fleet.ensure([row for name in names if (row := self._row(name)) is not None])

    def _row(self, name: str) -> ReleaseRow | None:
        try:
            return self._catalog.release(self.capability.name, name)
        except UsageError as error:
            _log.error("release %s is deployed but not in the catalog: %s", short(name), error)
            return None

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self.settings.refresh_every_s)
            try:
                await asyncio.to_thread(self._look)
            except Exception:  # noqa: BLE001 - the supervisor of following: what serves goes on, and it looks again
                _log.exception(
                    "what has changed could not be looked at; deployment %d serves on", self._deployment.version
                )

    def _look(self) -> None:
        """What changed: the deployment, who may ask, the certificate. One that cannot be read holds up no other."""
        try:
            self.refresh()
        except PlimsollError as error:
            _log.warning("the deployment could not be read; serving version %d: %s", self._deployment.version, error)
        try:
            self.admission.refresh()
        except PlimsollError as error:
            _log.error("who may ask could not be read; what was known goes on: %s", error)
        self.fleet.hold.make_room()
        if self.certificates is not None:
            self.certificates.refresh()
        if self._gathered is not None:
            self._gathered.leave()

    async def _beat(self, pulse: Pulse) -> None:
        """A sign of life from the event loop itself, so that a loop that is stuck gives none."""
        pulse.ready()
        while pulse.beat():
            await asyncio.sleep(_BEAT_S)
        _log.warning("whoever looked after this process is gone: it ends")
        self.stop()

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Any) -> AsyncIterator[None]:
        desk = self._desk = Desk(
            pipeline=self.pipeline,
            log=self._log,
            maker=QuestionMaker(self.capability, matrix=self.form.matrix),
            now=self._clock.now,
            deployment=lambda: self._deployment,
            metrics=self.metrics,
            most_waiting=self.settings.most_waiting,
            most_beside=self.settings.most_beside,
            record_timeout_ms=self.settings.record_timeout_ms,
        )
        self.metrics.queues = lambda: {"answers": desk.waiting}
        tasks = [asyncio.create_task(self._follow())]
        if self._pulse is not None:
            tasks.append(asyncio.create_task(self._beat(self._pulse)))
        if self._grpc is not None:
            self._grpc.start(asyncio.get_running_loop())
        self._say_ready()
        try:
            yield
        finally:
            if self._grpc is not None:
                await asyncio.to_thread(self._grpc.stop, _GRACE_S)
            for task in tasks:
                task.cancel()
            if self._gathered is not None:
                self._gathered.take_away()
            self._desk = None
            await desk.close()

    def _say_ready(self) -> None:
        self.metrics.ready.set(0 if self.ready else 1)

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
        gate = Gate([self], body_limit_bytes=self.settings.body_limit_bytes)
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
        gc.collect()
        gc.freeze()  # what was loaded lives as long as the process: no collection need walk it again
        gc.set_threshold(*_COLLECT)
        sys.setswitchinterval(_SWITCH_S)
        take_all_files()
        signal.signal(signal.SIGHUP, _look_again)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(self.run(listener))

    def stop(self) -> None:
        """Stop being ready; after ``drain_s`` take no more requests, and end when the last one is answered."""
        self._stopping = True
        self._say_ready()
        if self._server is not None:
            self._server.drain()


def _look_again(number: int, frame: Any) -> None:
    """What a SIGHUP asks for is done a few times a second; it must not end the process, as it would by default."""
    _log.info("SIGHUP: keys, certificates and the deployment are looked at again at once")


def _contract(capability: Capability) -> Contract:
    return Contract.load(capability.folder / capability.source.contract)


def _grpc_edge(server: Server, host: str, port: int) -> GrpcEdge:
    try:
        from plimsoll.serving.grpc.listening import GrpcEdge
    except ModuleNotFoundError as error:
        raise UsageError(
            f"gRPC is wanted on port {port}, and {error.name} is not installed",
            hint="pip install 'plimsoll[grpc]', or set grpc_port = 0 in plimsoll.toml under [server]",
        ) from error
    return GrpcEdge(server, host, port, certificates=server.certificates)


def _circuit_states(circuits: Circuits, **parts: Any) -> dict[str, str]:
    """Of the releases, and of each part that has a circuit of its own."""
    own = {name: str(part.circuit) for name, part in parts.items() if hasattr(part, "circuit")}
    return {"engine": circuits.worst, **own}
