"""Traces of some of the requests, sent to an OpenTelemetry collector over OTLP/HTTP.

A caller that is traced decides for its requests (parent-based); of the others a share is, drawn independently. A request
that is not watched costs a look for its ``traceparent``. Attributes follow the HTTP and RPC semantic conventions for
servers (https://opentelemetry.io/docs/specs/semconv/http/http-spans/, stable since 1.23); no input, output or credential
is one. Spans wait in a bounded queue, and what a collector cannot take is dropped and counted by the library.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from plimsoll import __version__
from plimsoll.errors import UsageError
from plimsoll.kernel.records import STAGES
from plimsoll.serving.drawing import Drawn
from plimsoll.serving.seams import Headers
from plimsoll.serving.traceparent import Parent, parent_of, written

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span as Recorded

    from plimsoll.settings import Tracing

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
        self._provider = _provider(_exporter(endpoint, timeout_s), service)
        self._tracer = self._provider.get_tracer("plimsoll", __version__)
        self._scheme = scheme
        self._drawn = Drawn(share, draw)

    def begin(self, headers: Headers, capability: str, operation: str) -> ServerSpan | None:
        """A span if the caller's is sampled, or it has none and this one is drawn."""
        parent = parent_of(headers)
        if not (self._drawn.hit() if parent is None else parent.sampled):
            return None
        return self._begun(parent, headers, capability, operation)

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
        return ServerSpan(self._tracer, span, began_ns, is_http=operation.startswith("/"))

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

    __slots__ = ("_began_ns", "_is_http", "_span", "_tracer", "trace_id", "traceparent")

    def __init__(self, tracer: Any, span: Recorded, began_ns: int, *, is_http: bool) -> None:
        context = span.get_span_context()
        self._tracer, self._span, self._began_ns, self._is_http = tracer, span, began_ns, is_http
        self.trace_id = f"{context.trace_id:032x}"
        self.traceparent = written(context.trace_id, context.span_id)

    def answered(self, stages_us: Sequence[int], now_ns: int | None = None) -> None:
        """Where the turn spent its time, one span a stage, back to back; what came after them is the record."""
        at_ns = self._began_ns
        for stage, spent_us in zip(STAGES, stages_us, strict=False):
            if spent_us > 0:
                self.stage(stage, at_ns, at_ns + spent_us * 1_000)
                at_ns += spent_us * 1_000
        now_ns = now_ns or time.time_ns()
        if stages_us and now_ns > at_ns:
            self.stage("record", at_ns, now_ns)

    def stage(self, name: str, began_ns: int, ended_ns: int) -> None:
        from opentelemetry.trace import set_span_in_context

        child = self._tracer.start_span(name, context=set_span_in_context(self._span), start_time=began_ns)
        child.end(ended_ns)

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


def _provider(exporter: SpanExporter, service: str) -> TracerProvider:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    resource = Resource.create({"service.name": service, "service.version": __version__})
    provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter,
            max_queue_size=_QUEUE,
            max_export_batch_size=_TOGETHER,
            schedule_delay_millis=_EVERY_MS,
        )
    )
    return provider
