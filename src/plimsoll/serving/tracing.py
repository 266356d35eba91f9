"""Traces of some of the requests, sent to an OpenTelemetry collector over OTLP/HTTP.

A caller that is traced decides for its requests (parent-based); of the others a share is, drawn independently. A request
that is not watched costs a subtraction: its ``traceparent`` is looked for once a head. Attributes follow the HTTP and
RPC semantic conventions for servers (https://opentelemetry.io/docs/specs/semconv/http/http-spans/, stable since 1.23);
no input, output or credential is one. Spans wait in a bounded queue, and what a collector cannot take is dropped and
counted by the library.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from plimsoll import __version__
from plimsoll.errors import UsageError
from plimsoll.kernel.records import STAGES
from plimsoll.serving.drawing import Drawn
from plimsoll.serving.seams import Headers
from plimsoll.serving.traceparent import Parent, parent_of, written

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Span as Recorded
    from opentelemetry.trace import SpanContext

    from plimsoll.settings import Tracing

_Staged = Callable[[str, "SpanContext", int, int], None]
"""(name, the span it is in, when it began, when it ended, in ns since the epoch) → sent."""
_QUEUE = 4_096
_TOGETHER = 512
_EVERY_MS = 2_000
_OK, _FAULT = 200, 500


class OtlpTracer:
    """The seam ``Tracer`` over OpenTelemetry's SDK.

    ``share``: of the requests whose caller says nothing. ``scheme``: http, or https behind TLS of our own. Needs the
    extra ``tracing``; raises UsageError without it.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        share: float = 0.01,
        service: str = "plimsoll",
        timeout_s: float = 5.0,
        scheme: str = "http",
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._provider, self._processor = _provider(_exporter(endpoint, timeout_s), service)
        self._tracer = self._provider.get_tracer("plimsoll", __version__)
        self._scope = _scope()
        self._scheme = scheme
        self._drawn = Drawn(share, draw)

    def begin(self, headers: Headers, capability: str, operation: str) -> ServerSpan | None:
        """A span if the caller's is sampled, or it has none and this one is drawn."""
        return self.watch(headers, capability, operation)()

    def watch(self, headers: Headers, capability: str, operation: str) -> Callable[[], ServerSpan | None]:
        """What ``begin`` says, from a look at the headers that is taken once."""
        parent = parent_of(headers)
        begun = partial(self._begun, parent, headers, capability, operation)
        if parent is not None:
            return begun if parent.sampled else _unwatched
        hit = self._drawn.hit
        return lambda: begun() if hit() else None

    def _begun(self, parent: Parent | None, headers: Headers, capability: str, operation: str) -> ServerSpan:
        from opentelemetry.trace import SpanKind

        began_ns = time.time_ns()
        name, attributes = _described(operation, headers, capability, self._scheme)
        span = self._tracer.start_span(
            name,
            context=_context(parent),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=began_ns,
        )
        return ServerSpan(self._staged, span, began_ns, is_http=operation.startswith("/"))

    def _staged(self, name: str, parent: SpanContext, began_ns: int, ended_ns: int) -> None:
        """A span that is over and has nothing but a name: it needs none of what a span can do while it lasts, which is
        four fifths of what one costs."""
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext

        context = SpanContext(
            trace_id=parent.trace_id,
            span_id=self._provider.id_generator.generate_span_id(),
            is_remote=False,
            trace_flags=parent.trace_flags,
            trace_state=parent.trace_state,
        )
        self._processor.on_end(
            ReadableSpan(
                name,
                context,
                parent,
                self._provider.resource,
                start_time=began_ns,
                end_time=ended_ns,
                instrumentation_scope=self._scope,
            )
        )

    def close(self) -> None:
        """Send what waits, within the timeout, and stop."""
        self._provider.shutdown()


def open_tracer(settings: Tracing, *, scheme: str = "http") -> OtlpTracer | None:
    """The tracer of these settings; None where they name no collector. Raises UsageError without the extra."""
    if not settings.endpoint:
        return None
    return OtlpTracer(
        settings.endpoint,
        share=settings.share,
        service=settings.service,
        timeout_s=settings.timeout_s,
        scheme=scheme,
    )


class ServerSpan:
    """One watched request."""

    __slots__ = ("_began_ns", "_context", "_is_http", "_span", "_staged", "trace_id", "traceparent")

    def __init__(self, staged: _Staged, span: Recorded, began_ns: int, *, is_http: bool) -> None:
        self._context = context = span.get_span_context()
        self._staged, self._span, self._began_ns, self._is_http = staged, span, began_ns, is_http
        self.trace_id = f"{context.trace_id:032x}"
        self.traceparent = written(context.trace_id, context.span_id)

    def answered(self, stages_us: Sequence[int], now_ns: int | None = None) -> None:
        """Where the turn spent its time, one span a stage, back to back; what came after them is the record."""
        at_ns = self._began_ns
        for stage, spent_us in zip(STAGES, stages_us, strict=False):
            if spent_us > 0:
                self._staged(stage, self._context, at_ns, at_ns + spent_us * 1_000)
                at_ns += spent_us * 1_000
        now_ns = now_ns or time.time_ns()
        if stages_us and now_ns > at_ns:
            self._staged("record", self._context, at_ns, now_ns)

    def end(self, status: int) -> None:
        """The response has left. ``status`` is HTTP's, over gRPC what it would be there."""
        from opentelemetry.trace import Status, StatusCode

        if self._is_http:
            self._span.set_attribute("http.response.status_code", status)
        elif status == _OK:
            self._span.set_attribute("rpc.response.status_code", "OK")
        if status >= _FAULT:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


def _described(operation: str, headers: Headers, capability: str, scheme: str) -> tuple[str, dict[str, Any]]:
    """The span's name and what is known of the request at its start."""
    found: dict[str, Any] = {"plimsoll.capability": capability}
    if not operation.startswith("/"):
        return operation, found | {"rpc.system.name": "grpc", "rpc.method": operation}
    found |= {
        "http.request.method": "POST",
        "http.route": operation,
        "url.path": operation.replace("{model}", capability),
        "url.scheme": scheme,
    }
    for name, value in headers:
        if name == b"user-agent":
            found["user_agent.original"] = value.decode("latin-1")[:256]
        elif name == b"host":
            host, _, port = value.decode("latin-1").rpartition(":")
            found |= {"server.address": host or port} | (
                {"server.port": int(port)} if host and port.isdecimal() else {}
            )
    return f"POST {operation}", found


def _context(parent: Parent | None) -> Context:
    """The parent as OpenTelemetry holds it; an empty one, so that nothing of this process's own is taken for it."""
    from opentelemetry.context import Context
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        TraceState,
        set_span_in_context,
    )

    if parent is None:
        return Context()
    context = SpanContext(
        trace_id=parent.trace_id,
        span_id=parent.span_id,
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
        trace_state=TraceState.from_header([parent.state]) if parent.state else None,
    )
    return set_span_in_context(NonRecordingSpan(context), Context())


def _exporter(endpoint: str, timeout_s: float) -> SpanExporter:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise UsageError(
            f"tracing.endpoint is {endpoint!r}, and OpenTelemetry is not installed",
            hint="python -m pip install 'plimsoll[tracing]'",
        ) from error
    return OTLPSpanExporter(endpoint=endpoint, timeout=timeout_s)


def _unwatched() -> None:
    """For requests whose caller says that they are not."""


def _scope() -> InstrumentationScope:
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    return InstrumentationScope("plimsoll", __version__)


def _provider(exporter: SpanExporter, service: str) -> tuple[TracerProvider, SpanProcessor]:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    resource = Resource.create({"service.name": service, "service.version": __version__})
    provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
    processor = BatchSpanProcessor(
        exporter,
        max_queue_size=_QUEUE,
        max_export_batch_size=_TOGETHER,
        schedule_delay_millis=_EVERY_MS,
    )
    provider.add_span_processor(processor)
    return provider, processor
