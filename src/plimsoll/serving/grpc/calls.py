"""What each call of the protocol answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from plimsoll import __version__
from plimsoll.errors import PlimsollError
from plimsoll.serving import oip
from plimsoll.serving.conduct import all_answered, known, unpinned
from plimsoll.serving.edge import Counter
from plimsoll.serving.grpc.bridge import Bridge
from plimsoll.serving.grpc.messages import SERVICE, response_of
from plimsoll.serving.grpc.tensors import parameters_of, read, write
from plimsoll.serving.refusals import status_of
from plimsoll.serving.seams import Headers, Span, Ticket

_INFER = f"{SERVICE}/ModelInfer"


class Context(Protocol):
    """What a call needs of gRPC's own context."""

    def time_remaining(self) -> float | None: ...

    def invocation_metadata(self) -> Any: ...


Call = Callable[[Any, Context], Any]


class Calls:
    """The calls of one server. Any thread may make them."""

    def __init__(self, counter: Counter, bridge: Bridge) -> None:
        self._at = counter
        self._bridge = bridge
        self._answers = {name: response_of(name) for name in self.by_name()}

    def by_name(self) -> dict[str, Call]:
        return {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
        }

    def _server_live(self, request: Any, context: Context) -> Any:
        return self._answers["ServerLive"](live=True)

    def _server_ready(self, request: Any, context: Context) -> Any:
        return self._answers["ServerReady"](ready=not self._at.ready)

    def _model_ready(self, request: Any, context: Context) -> Any:
        known(self._at, request.name, request.version)
        return self._answers["ModelReady"](ready=not self._at.ready)

    def _server_metadata(self, request: Any, context: Context) -> Any:
        return self._answers["ServerMetadata"](**oip.server_metadata(__version__))

    def _model_metadata(self, request: Any, context: Context) -> Any:
        """For who may ask, as over REST."""
        self._at.admission.admit(headers_of(context.invocation_metadata(), None), request.name).done()
        known(self._at, request.name, request.version)
        task = self._at.capability.task
        versions = [request.version] if request.version else self._at.versions
        said = oip.model_metadata(request.name, versions, self._at.form, task.kind, len(task.classes))
        for tensor in said["inputs"]:
            del tensor["parameters"]  # the message has no field for them
        return self._answers["ModelMetadata"](**said)

    def _infer(self, request: Any, context: Context) -> Any:
        remaining_s = context.time_remaining()
        headers = headers_of(context.invocation_metadata(), remaining_s)
        return self._bridge.wait_for(self._watched(request, headers), remaining_s)

    # ── on the desk's own loop ───────────────────────────────────────────────────────────────────────────────────

    async def _watched(self, request: Any, headers: Headers) -> Any:
        """Within a span, if this call is traced."""
        at = self._at
        span = at.tracer.begin(headers, at.capability.name, _INFER) if at.tracer else None
        status = 500
        try:
            response = await self._admitted(request, headers, span)
            status = 200
            return response
        except PlimsollError as error:
            status = status_of(error)
            raise
        finally:
            if span is not None:
                span.end(status)

    async def _admitted(self, request: Any, headers: Headers, span: Span | None) -> Any:
        """Nothing is read for somebody who may not ask."""
        ticket = self._at.admission.admit(headers, request.model_name)
        try:
            return await self._answered(request, ticket, span)
        finally:
            ticket.done()

    async def _answered(self, request: Any, ticket: Ticket, span: Span | None) -> Any:
        trace_id = span.trace_id if span is not None else ""
        at, task = self._at, self._at.capability.task.kind
        known(at, request.model_name, request.model_version)
        unpinned(request.model_name, request.model_version)
        asked = oip.asked(
            read(request),
            at.form,
            task,
            id=request.id,
            parameters=parameters_of(request.parameters),
            outputs=[(output.name, parameters_of(output.parameters)) for output in request.outputs],
        )
        replies = await at.ask(asked.questions, ticket, trace_id=trace_id, anonymous=asked.anonymous)
        if span is not None:
            span.answered(replies[0].event.stages_us)
        made = oip.outputs_of(all_answered(replies), task)
        response = self._answers["ModelInfer"](model_name=request.model_name, id=request.id)
        write(response, [made[o.name] for o in asked.outputs], raw=bool(request.raw_input_contents))
        return response


def headers_of(metadata: Sequence[tuple[str, str | bytes]], remaining_s: float | None) -> Headers:
    """Metadata as HTTP headers; the call's deadline as the header that says it there."""
    found = [(key.encode(), value if isinstance(value, bytes) else value.encode()) for key, value in metadata]
    if remaining_s is not None:
        found.append((b"x-request-timeout-ms", b"%d" % max(1, round(remaining_s * 1000))))
    return found
