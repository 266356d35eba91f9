"""The REST edge: HTTP in, HTTP out. It translates; everything else is decided behind it.

Three kinds of routes: the Open Inference Protocol under ``/v2``, Plimsoll's own under ``/v1``, and what operators look
at (``/health``, ``/metrics``). Every error is ``{"error": "…"}`` with the status that its kind has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Lifespan

from plimsoll import __version__
from plimsoll.errors import PlimsollError
from plimsoll.kernel.access import Action
from plimsoll.kernel.rollout import Deployment, shares
from plimsoll.serving import oip, plain
from plimsoll.serving.bodies import body_of
from plimsoll.serving.conduct import all_answered, counter_of
from plimsoll.serving.form import Form
from plimsoll.serving.idempotency import FirstAnswers
from plimsoll.serving.outcomes import Counts, Report
from plimsoll.serving.packing import Packed
from plimsoll.serving.pushing import read_rows
from plimsoll.serving.refusals import NotFound, status_of
from plimsoll.serving.reply import Reply
from plimsoll.serving.repository import ChangeRequest, IndexRequest, Releases, index, version_of
from plimsoll.serving.responses import OTHER_ERRORS, json_bytes, json_response, refusal, tensors
from plimsoll.serving.seams import Admission, Ticket, Tracer
from plimsoll.serving.slashes import WithoutTrailingSlash

Handler = Callable[[Request], Awaitable[Response]]
_NO_SCRIPTS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
"""The page loads nothing; should a name ever get markup past the templates, it would still run nothing."""


class Counter(Releases, Protocol):
    """One capability that is asked for here."""

    form: Form
    first: FirstAnswers

    @property
    def deployment(self) -> Deployment: ...

    async def ask(
        self, rows: Sequence[dict[str, Any]], ticket: Ticket, *, trace_id: str = "", anonymous: bool = False
    ) -> Sequence[Reply]:
        """The replies, recorded."""
        ...


class Counted(Protocol):
    def refused(self, status: int) -> None: ...


class Counters(Protocol):
    """What the edge stands in front of: the counters by name, and what they share."""

    body_limit_bytes: int
    admission: Admission
    tracer: Tracer | None
    front_page: Callable[[], bytes] | None

    @property
    def counters(self) -> Mapping[str, Counter]: ...

    @property
    def only(self) -> str:
        """The capability that is meant where none is named; ``""`` where several are served."""
        ...

    @property
    def ready(self) -> str:
        """``""`` when every capability answers, else why one does not."""
        ...

    def counted(self, capability: str) -> Counted:
        """Where what concerns ``capability`` is counted."""
        ...

    def metrics_text(self) -> bytes:
        """What was counted, in the exposition format."""
        ...

    async def tell(self, reports: list[Report], capability: str = "") -> Counts: ...

    async def push(self, source: str, rows: list[dict[str, Any]], ids: list[str] | None) -> msgspec.Struct:
        """Rows of a table, kept and applied."""
        ...


class Edge:
    """The routes of one server, over all that it serves."""

    def __init__(self, counters: Counters) -> None:
        self._at = counters
        self._document = b""

    def app(self, lifespan: Lifespan[Starlette] | None = None) -> ASGIApp:
        """The ASGI application. A trailing slash in a path is as good as none."""
        app = Starlette(routes=self._routes(), lifespan=lifespan, exception_handlers=OTHER_ERRORS)
        return Packed(WithoutTrailingSlash(app))

    def _routes(self) -> list[Route]:
        gets: dict[str, Handler] = {
            "/v2": self._server_metadata,
            "/v2/health/live": self._live,
            "/v2/health/ready": self._ready,
            "/v2/models/{model}/ready": self._model_ready,
            "/v2/models/{model}/versions/{version}/ready": self._model_ready,
            "/health/live": self._live,
            "/health/ready": self._ready,
            "/metrics": self._metrics,
            "/openapi.json": self._openapi,
            "/": self._controlled(self._front),
        }
        posts: dict[str, Handler] = {
            "/v2/models/{model}/infer": self._admitted(self._infer),
            "/v2/models/{model}/versions/{version}/infer": self._admitted(self._infer),
            "/v1/capabilities/{model}": self._admitted(self._ask_plainly),
            "/v1/capabilities/{model}/ask": self._admitted(self._ask),
            "/v1/outcomes": self._admitted(self._outcomes, "tell"),
            "/v1/features/{source}": self._controlled(self._push),
            "/v2/repository/index": self._admitted(self._index),
            "/v2/repository/models/{model}/load": self._controlled(self._load, "load"),
            "/v2/repository/models/{model}/unload": self._controlled(self._unload, "load"),
        }
        about: dict[str, Handler] = {
            "/v2/models/{model}": self._model_metadata,
            "/v2/models/{model}/versions/{version}": self._model_metadata,
            "/v1/capabilities/{model}/deployment": self._deployment,
        }
        routes = [Route(path, self._guarded(handler), methods=["GET"]) for path, handler in gets.items()]
        routes += [
            Route(path, self._guarded(self._admitted(handler)), methods=["GET"]) for path, handler in about.items()
        ]
        return routes + [
            Route(path, self._watched(path, self._guarded(handler)), methods=["POST"])
            for path, handler in posts.items()
        ]

    # ── asking and telling ───────────────────────────────────────────────────────────────────────────────────────

    async def _infer(self, request: Request) -> Response:
        at = counter_of(self._at.counters, request.path_params["model"])
        name, kind, version = at.capability.name, at.capability.task.kind, self._version(request)
        body = await body_of(request, self._at.body_limit_bytes)
        json_bytes_in = request.headers.get("inference-header-content-length")

        async def answered() -> oip.Written:
            asked = oip.read_request(body, at.form, kind, json_bytes_in)
            replies = await self._replies(at, request, asked.questions, anonymous=asked.anonymous, version=version)
            return oip.write_reply(name, asked, replies, kind)

        return tensors(await self._once(at, request, version.encode() + body, answered))

    def _version(self, request: Request) -> str:
        """The release that the path names, for who may have it loaded; ``""`` where it names none: the rollout chooses."""
        version: str = request.path_params.get("version", "")
        if version:
            peer = request.client.host if request.client else ""
            model = request.path_params["model"]
            self._at.admission.control(request.headers.raw, peer, "load", model).done()
        return version

    async def _ask(self, request: Request) -> Response:
        return await self._one(request, plain.inputs)

    async def _ask_plainly(self, request: Request) -> Response:
        """The question's columns are the fields of the body."""
        return await self._one(request, plain.fields)

    async def _one(self, request: Request, columns: Callable[[bytes], dict[str, Any]]) -> Response:
        at = self._counter(request)
        body = await body_of(request, self._at.body_limit_bytes)

        async def answered() -> oip.Written:
            (reply,) = await self._replies(at, request, [at.form.read(columns(body))])
            return oip.Written(plain.write(reply, at.capability.task.classes))

        return tensors(await self._once(at, request, body, answered))

    async def _once(
        self, at: Counter, request: Request, body: bytes, work: Callable[[], Awaitable[oip.Written]]
    ) -> oip.Written:
        """The first answer to this request, however often its caller had to send it."""
        key, ticket = request.headers.get("idempotency-key"), request.state.ticket
        return await at.first.of(key, body, work, tenant=ticket.tenant)

    async def _replies(
        self,
        at: Counter,
        request: Request,
        asked: Sequence[dict[str, Any]],
        *,
        anonymous: bool = False,
        version: str = "",
    ) -> Sequence[Reply]:
        ticket, span = request.state.ticket, request.state.span
        trace_id = span.trace_id if span is not None else ""
        if version:
            replies = await at.ask_version(version, asked, ticket, trace_id=trace_id, anonymous=anonymous)
        else:
            replies = await at.ask(asked, ticket, trace_id=trace_id, anonymous=anonymous)
        if span is not None:
            span.answered(replies[0].event.stages_us)
        return all_answered(replies)

    async def _outcomes(self, request: Request) -> Response:
        """Of the capability that ``?capability=`` names; without it, of any that is served."""
        self._meant(request)
        body = await body_of(request, self._at.body_limit_bytes)
        said = plain.read_json(body, list[Report] | Report)
        counts = await self._at.tell(said if isinstance(said, list) else [said], self._named(request))
        return json_bytes(msgspec.json.encode(counts))

    async def _push(self, request: Request) -> Response:
        """Rows of a table, in bulk."""
        body = await body_of(request, self._at.body_limit_bytes)
        rows, ids = read_rows(body, request.headers.get("content-type", ""))
        return json_bytes(msgspec.json.encode(await self._at.push(request.path_params["source"], rows, ids)))

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _server_metadata(self, request: Request) -> Response:
        return json_response(oip.server_metadata(__version__))

    async def _live(self, request: Request) -> Response:
        return json_response({"live": True})

    async def _ready(self, request: Request) -> Response:
        if why := self._at.ready:
            return json_response({"ready": False, "error": why}, 503)
        return json_response({"ready": True})

    async def _model_ready(self, request: Request) -> Response:
        at = self._counter(request)
        why = at.ready
        return json_response({"name": at.capability.name, "ready": not why}, 503 if why else 200)

    async def _model_metadata(self, request: Request) -> Response:
        at = self._counter(request)
        version = request.path_params.get("version")
        versions = [version] if version else at.versions
        name, task = at.capability.name, at.capability.task
        return json_response(oip.model_metadata(name, versions, at.form, task.kind, len(task.classes)))

    async def _deployment(self, request: Request) -> Response:
        at = self._counter(request)
        deployment = at.deployment
        return json_response({"deployment": deployment, "shares": shares(deployment), "loaded": at.versions})

    async def _front(self, request: Request) -> Response:
        """A page for a person. It queries the catalog, so it is made in a thread."""
        if self._at.front_page is None:
            raise NotFound("there is no page here", hint="see /openapi.json for what there is")
        page = await asyncio.to_thread(self._at.front_page)
        return Response(page, media_type="text/html; charset=utf-8", headers=_NO_SCRIPTS)

    async def _index(self, request: Request) -> Response:
        body = await body_of(request, self._at.body_limit_bytes)
        ready = plain.read_json(body, IndexRequest).ready if body else False
        return json_response(index(self._meant(request), ready=ready))

    async def _load(self, request: Request) -> Response:
        return await self._changed(request, self._counter(request).load)

    async def _unload(self, request: Request) -> Response:
        return await self._changed(request, self._counter(request).unload)

    async def _changed(self, request: Request, change: Callable[[str], Awaitable[None]]) -> Response:
        body = await body_of(request, self._at.body_limit_bytes)
        await change(version_of(plain.read_json(body, ChangeRequest).parameters if body else {}))
        return json_response({})

    async def _metrics(self, request: Request) -> Response:
        text = await asyncio.to_thread(self._at.metrics_text)  # other workers' files may be read for it
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _openapi(self, request: Request) -> Response:
        return json_bytes(self._described())

    def _described(self) -> bytes:
        """Made when it is first asked for, and the same from then on."""
        if not self._document:
            from plimsoll.serving.openapi import document

            self._document = msgspec.json.encode(
                document({name: at.form for name, at in self._at.counters.items()}, __version__)
            )
        return self._document

    def _counter(self, request: Request) -> Counter:
        """The one that the path names. Raises NotFound."""
        return counter_of(self._at.counters, request.path_params["model"], request.path_params.get("version", ""))

    def _meant(self, request: Request) -> Sequence[Counter]:
        """The one that ``?capability=`` names, or all of them. Raises NotFound for a name that nobody has."""
        said = request.query_params.get("capability")
        return list(self._at.counters.values()) if said is None else [counter_of(self._at.counters, said)]

    def _named(self, request: Request) -> str:
        """The capability that a request is about, as it says: by its path, else by ``?capability=``, else the only one;
        ``""`` is all of them."""
        said: str | None = request.path_params.get("model") or request.query_params.get("capability")
        return said or self._at.only

    # ── who asks ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _admitted(self, handler: Handler, action: Action = "ask") -> Handler:
        """Holds a ticket while ``handler`` works."""

        async def admitted(request: Request) -> Response:
            ticket = self._at.admission.admit(request.headers.raw, self._named(request), action)
            request.state.ticket = ticket
            try:
                return await handler(request)
            finally:
                ticket.done()

        return admitted

    def _controlled(self, handler: Handler, action: Action = "operate") -> Handler:
        """For who operates: from this machine, or with a key that may."""

        async def controlled(request: Request) -> Response:
            peer = request.client.host if request.client else ""
            ticket = self._at.admission.control(request.headers.raw, peer, action, self._named(request))
            try:
                return await handler(request)
            finally:
                ticket.done()

        return controlled

    def _watched(self, operation: str, handler: Handler) -> Handler:
        """Within a span, if this request is traced."""

        async def watched(request: Request) -> Response:
            tracer, name = self._at.tracer, self._named(request)
            served = name if name in self._at.counters else ""  # never a name that a caller made up
            span = request.state.span = tracer.begin(request.headers.raw, served, operation) if tracer else None
            response = await handler(request)
            if span is not None:
                span.end(response.status_code)
            return response

        return watched

    # ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _guarded(self, handler: Handler) -> Handler:
        """Our errors as responses; whatever else is raised is a bug, and the server logs it and answers 500."""

        async def guarded(request: Request) -> Response:
            try:
                return await handler(request)
            except PlimsollError as error:
                status = status_of(error)
                self._at.counted(self._named(request)).refused(status)
                return refusal(error, status)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody is left to read it

        return guarded
