"""One capability, served: its fleet, its pipeline and its desk, and the deployment that they follow.

The deployment is read from the catalog and followed while the server runs, so that a rollback by anybody is served
within a second. Releases are loaded before they are switched to; what serves now goes on until then.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from plimsoll.capability import Capability
from plimsoll.data import Contract
from plimsoll.errors import PlimsollError, Refused, Unavailable, UsageError
from plimsoll.kernel.digest import short
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment
from plimsoll.serving.asking import Asking, Awaited
from plimsoll.serving.by_name import ByName
from plimsoll.serving.circuits import Circuits
from plimsoll.serving.desk import Desk
from plimsoll.serving.feature_metrics import FeatureMetrics
from plimsoll.serving.fleet_metrics import FleetMetrics, Stock
from plimsoll.serving.form import Form
from plimsoll.serving.house import House
from plimsoll.serving.idempotency import FirstAnswers
from plimsoll.serving.metrics import Metrics
from plimsoll.serving.pipeline import Pipeline
from plimsoll.serving.questions import QuestionMaker
from plimsoll.serving.recording import Recording, Seal
from plimsoll.serving.refusals import NotFound
from plimsoll.serving.replica import Fleet, needed
from plimsoll.serving.reply import Reply
from plimsoll.serving.seams import AnswerPolicy, ResponseCache, Ticket
from plimsoll.serving.timing import WallTiming

_log = logging.getLogger(__name__)


class Counter:
    """Where one capability is asked for. It answers between ``open`` and ``close``, which belong to an event loop.

    Loads what the deployment needs when it is constructed (as ``refresh`` does) and raises UsageError for a contract
    that cannot be read, Unavailable when the catalog is away.
    """

    def __init__(
        self,
        capability: Capability,
        house: House,
        *,
        policy: AnswerPolicy | None = None,
        cache: ResponseCache | None = None,
        seal: Seal | None = None,
    ) -> None:
        self.capability = capability
        self.admission, self.tracer = house.admission, house.tracer
        self.first = FirstAnswers()
        self._house = house
        contract = Contract.load(capability.folder / capability.source.contract)
        self.form = Form.of(capability, contract)
        self.metrics = Metrics(capability.name, prices=house.prices, requests=house.requests)
        settings, online = house.settings, house.online
        limit_s = settings.timeouts.answer_ms / 1000
        self.fleet = Fleet(
            capability, house.objects, online, measure=True, trust=house.trust, hold=house.hold, limit_s=limit_s
        )
        self.metrics.also(FeatureMetrics(capability.name, self.fleet.freshness, lambda: getattr(online, "away", 0)))
        self.metrics.also(FleetMetrics(capability.name, self._stock))
        circuits = Circuits()
        self.metrics.circuits = partial(_circuit_states, circuits, features=online, cache=cache)
        self.pipeline = Pipeline(
            capability=capability,
            fleet=self.fleet,
            log=house.log,
            timing=WallTiming(),
            policy=policy,
            cache=cache,
            prices=house.prices,
            timeouts=settings.timeouts,
            circuits=circuits,
            answer_unrecorded=settings.answer_unrecorded,
            recording=Recording(capability, contract, seal=seal, payload_share=settings.payload_share),
        )
        self._deployment = Deployment(capability=capability.name, has_fallback=capability.fallback is not None)
        self._refreshing = threading.Lock()
        self._stopping = False
        self._desk: Desk | None = None
        self._by_name: ByName | None = None
        self._maker = QuestionMaker(capability, matrix=self.form.matrix)
        self.refresh()

    # ── what the edges ask for ───────────────────────────────────────────────────────────────────────────────────

    @property
    def deployment(self) -> Deployment:
        """The one served now: the newest that was read, with its releases loaded or refused."""
        return self._deployment

    @property
    def versions(self) -> list[str]:
        """The releases that are loaded."""
        return [name for name in self.fleet.loaded if name != FALLBACK]

    @property
    def loading(self) -> Sequence[str]:
        """The releases that are on their way into memory."""
        return self._by_name.loading if self._by_name is not None else ()

    @property
    def refused(self) -> Mapping[str, str]:
        """The releases that were asked for and are not ready here, with the reason."""
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
        """The replies, recorded."""
        asking = Awaited(rows, ticket, trace_id=trace_id, anonymous=anonymous)
        self.put(asking)
        return await asking.future

    async def ask_version(
        self,
        version: str,
        rows: Sequence[dict[str, Any]],
        ticket: Ticket,
        *,
        trace_id: str = "",
        anonymous: bool = False,
    ) -> Sequence[Reply]:
        """The replies of the release that is named by its digest or label, recorded: see ``by_name``."""
        if self._by_name is None:
            raise Unavailable("the server has not started yet")
        asking = Awaited(rows, ticket, trace_id=trace_id, anonymous=anonymous)
        self._maker.check(asking)
        if len(rows) > 1:
            ticket.more(len(rows) - 1)
        release = await self._by_name.loaded(version, deadline_s=ticket.deadline_s)
        turn = self._maker.turn([asking], self._house.clock.now(), (0, 0, 0, 0))
        began_s = perf_counter()
        replies = await self._by_name.ask(release, turn)
        self.metrics.answered(replies, record_us=(perf_counter() - began_s) * 1e6)
        return replies

    # ── releases by name ─────────────────────────────────────────────────────────────────────────────────────────

    async def load(self, version: str) -> None:
        """Have a release ready, by its digest or label; without a name, what the deployment needs. Raises what keeps it
        from being ready."""
        if not version:
            await asyncio.to_thread(self.refresh)
            if why := self.ready:
                raise Unavailable(why)
            return
        await asyncio.to_thread(lambda: self.fleet.load(self._named(version)))

    async def unload(self, version: str) -> None:
        """Let a release go. Raises Refused for what the deployment needs, NotFound for one that is not loaded."""
        if not version:
            raise Refused(
                f"{self.capability.name} is served as its rollout says, and is not unloaded as a whole",
                hint="name a release in the parameter version; end serving with SIGTERM",
            )
        if not await asyncio.to_thread(lambda: self.fleet.unload(self._named(version).digest)):
            raise NotFound(f"{self.capability.name} has no version {version!r:.80} loaded here")

    def _named(self, version: str) -> ReleaseRow:
        try:
            return self._house.catalog.release(self.capability.name, version)
        except UsageError as error:
            raise NotFound(error.message, hint=error.hint) from error

    # ── following the deployment ─────────────────────────────────────────────────────────────────────────────────

    def refresh(self) -> bool:
        """Read the deployment; if it changed, load its releases, then switch to it. True if it did.

        Any thread may call it, and whoever commits in this process should: otherwise the server sees the change
        within ``refresh_every_s``. Raises Unavailable when the catalog is away; what is served stays.
        """
        with self._refreshing:
            found = self._house.catalog.deployment(self.capability.name)
            if found == self._deployment or found.version < self._deployment.version:
                return False
            self._load(self._deployment, found)
            self._deployment = found
            self.metrics.version.set(found.version)
            self._say_ready()
        return True

    def look(self) -> None:
        """``refresh`` for who looks again soon: a catalog that is away is said."""
        try:
            self.refresh()
        except PlimsollError as error:
            _log.warning(
                "the deployment of %s could not be read; serving version %d: %s",
                self.capability.name,
                self._deployment.version,
                error,
            )

    def _load(self, before: Deployment, after: Deployment) -> None:
        """Load what ``after`` needs, and keep what ``before`` did: questions are still on their way to those."""
        names = dict.fromkeys([*needed(after), *needed(before)])
        self.fleet.ensure([row for name in names if (row := self._row(name)) is not None])

    def _row(self, name: str) -> ReleaseRow | None:
        try:
            return self._house.catalog.release(self.capability.name, name)
        except UsageError as error:
            _log.error("release %s is deployed but not in the catalog: %s", short(name), error)
            return None

    # ── opening and closing ──────────────────────────────────────────────────────────────────────────────────────

    def open(self) -> None:
        """Answer from now on, on the event loop that runs."""
        settings = self._house.settings
        self._by_name = ByName(self.fleet, self.pipeline, self._named, wait_s=settings.load_wait_s)
        desk = self._desk = Desk(
            pipeline=self.pipeline,
            log=self._house.log,
            maker=self._maker,
            now=self._house.clock.now,
            deployment=lambda: self._deployment,
            metrics=self.metrics,
            most_waiting=settings.most_waiting,
            most_beside=settings.most_beside,
            record_timeout_ms=settings.record_timeout_ms,
        )
        self.metrics.queues = lambda: {"answers": desk.waiting}
        self._say_ready()

    def stop(self) -> None:
        """Not ready any more; what comes all the same is answered until ``close``."""
        self._stopping = True
        self._say_ready()

    async def close(self) -> None:
        """Take no more, and finish what was begun."""
        desk, self._desk = self._desk, None
        by_name, self._by_name = self._by_name, None
        if desk is not None:
            await desk.close()
        if by_name is not None:
            await by_name.close()

    def _stock(self) -> Stock:
        return Stock(self.fleet.sizes.values(), self.fleet.asked, len(self.fleet.refused))

    def _say_ready(self) -> None:
        self.metrics.ready.set(0 if self.ready else 1)


def _circuit_states(circuits: Circuits, **parts: Any) -> dict[str, str]:
    """Of the releases, and of each part that has a circuit of its own."""
    own = {name: str(part.circuit) for name, part in parts.items() if hasattr(part, "circuit")}
    return {"engine": circuits.worst, **own}
