"""Traces as a collector sees them: a real one, in this process, that reads what is sent to it."""

from __future__ import annotations

import queue
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.kernel.records import Event
from plimsoll.serving.traceparent import Parent, parent_of, parsed, written
from plimsoll.serving.tracing import OtlpTracer, open_tracer
from plimsoll.settings import Settings

from .conftest import live, parcel
from .running import running

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PATH = "/v1/capabilities/parcel-late/ask"


class Collector:
    """Takes OTLP over HTTP, as protobuf, and keeps the spans."""

    def __init__(self) -> None:
        self.heard: queue.Queue[Any] = queue.Queue()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                request = ExportTraceServiceRequest.FromString(body)
                collector.heard.put((self.path, request))
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: the test reads what was heard."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def spans(self) -> list[Any]:
        """What was sent until the tracer was closed."""
        found = []
        while not self.heard.empty():
            _, request = self.heard.get()
            found += [s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


def attributes(span: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


def test_a_sampled_request_is_a_trace_with_its_stages(yard: Any, collector: Collector) -> None:
    """The caller's trace goes on: HTTP's conventions, one span a stage, and the trace's id in the event."""
    row = yard.release()
    tracer = OtlpTracer(collector.url, share=0.0)
    with running(yard, live(row.digest), rows=[row], tracer=tracer) as up:
        up.call("POST", PATH, {"inputs": parcel(1)}, traceparent=f"00-{TRACE}-{SPAN}-01", user_agent="ours")
        assert up.call("POST", PATH, {"inputs": {}}, traceparent=f"00-{TRACE}-{SPAN}-01")[0] == 400
    tracer.close()
    spans = collector.spans()
    asked = next(s for s in spans if s.kind == 2 and attributes(s)["http.response.status_code"] == 200)
    assert (asked.trace_id.hex(), asked.parent_span_id.hex()) == (TRACE, SPAN)
    assert asked.name == "POST /v1/capabilities/{model}/ask"
    said = attributes(asked)
    assert said["url.path"] == PATH and said["http.route"] == "/v1/capabilities/{model}/ask"
    assert (said["http.request.method"], said["url.scheme"], said["server.address"]) == ("POST", "http", "127.0.0.1")
    assert (said["server.port"], said["user_agent.original"]) == (up.port, "ours")
    stages = [s for s in spans if s.parent_span_id == asked.span_id]
    assert {"engine", "features", "record"} <= {s.name for s in stages}
    assert all(asked.start_time_unix_nano <= s.start_time_unix_nano <= s.end_time_unix_nano for s in stages)
    (event,) = [r for r in yard.log.read()[0] if isinstance(r, Event)]
    assert event.trace_id == TRACE
    wrong = next(s for s in spans if s.kind == 2 and attributes(s)["http.response.status_code"] == 400)
    assert wrong.status.code == 0, "the caller's fault is none of the server's"


def test_the_client_passes_its_trace_on(yard: Any, collector: Collector) -> None:
    """Whatever its caller's library says is the current span; nothing where there is none."""
    row = yard.release()
    tracer = OtlpTracer(collector.url, share=0.0)
    with running(yard, live(row.digest), rows=[row], tracer=tracer) as up:
        parents = iter([f"00-{TRACE}-{SPAN}-01", ""])
        with up.client(traceparent=lambda: next(parents)) as client:
            client.ask(**parcel(1))
            client.ask(**parcel(2))
    tracer.close()
    assert [r.trace_id for r in yard.log.read()[0] if isinstance(r, Event)] == [TRACE, ""]


def test_nothing_that_was_asked_is_in_a_span(yard: Any, collector: Collector) -> None:
    """No input, no credential: a collector is another system with other readers."""
    row = yard.release()
    tracer = OtlpTracer(collector.url, share=1.0)
    with running(yard, live(row.digest), rows=[row], tracer=tracer) as up:
        inputs = parcel(1) | {"depot": "north-secret"}
        up.call("POST", PATH, {"inputs": inputs}, authorization="Bearer s3cret")
    tracer.close()
    text = str(collector.spans())
    assert "POST" in text and "secret" not in text and "s3cret" not in text and "weight" not in text


def test_a_failure_is_an_error_with_its_type(collector: Collector) -> None:
    """What the caller did wrong is no failure of the server's, over either protocol."""
    tracer = OtlpTracer(collector.url, share=1.0)
    for operation, status in (("/v2/x", 503), ("x/ModelInfer", 503), ("x/Ok", 200), ("x/Wrong", 400)):
        span = tracer.begin([], "late", operation)
        assert span is not None
        span.end(status)
    tracer.close()
    found = {s.name: (s.status.code, attributes(s).get("error.type")) for s in collector.spans()}
    assert found == {
        "POST /v2/x": (2, "503"),
        "x/ModelInfer": (2, "503"),
        "x/Ok": (0, None),
        "x/Wrong": (0, None),
    }


def test_the_caller_decides_where_it_is_traced(collector: Collector) -> None:
    """Sampled is followed at a share of nothing, and not sampled at a share of all."""
    nothing, everything = OtlpTracer(collector.url, share=0.0), OtlpTracer(collector.url, share=1.0)
    sampled, not_sampled = ([(b"traceparent", f"00-{TRACE}-{SPAN}-{f}".encode())] for f in ("01", "00"))
    span = nothing.begin([*sampled, (b"tracestate", b"vendor=1")], "late", "/v2")
    assert span is not None and span.trace_id == TRACE and span.traceparent.startswith(f"00-{TRACE}-")
    assert span.traceparent.endswith("-01") and SPAN not in span.traceparent
    assert everything.begin(not_sampled, "late", "/v2") is None
    assert nothing.begin([], "late", "/v2") is None and everything.begin([], "late", "/v2") is not None
    nothing.close()
    everything.close()


def test_a_share_of_the_others_is_drawn(collector: Collector) -> None:
    """As if a coin were tossed for each: the mean is the share, and gaps vary as they do for coins."""
    tracer = OtlpTracer(collector.url, share=0.05, draw=random.Random(3).random)
    watch = tracer.watch([], "late", "/v2")
    drawn = [watch() is not None for _ in range(20_000)]
    assert 0.044 < sum(drawn) / len(drawn) < 0.056
    gaps = [len(part) for part in "".join("x" if d else "." for d in drawn).split("x")]
    assert gaps.count(0) > 20, "two in a row happen, too"
    tracer.close()


def test_nothing_is_sent_that_was_not_configured() -> None:
    """Without an endpoint there is no tracer, and OpenTelemetry is not even imported."""
    assert open_tracer(Settings().tracing) is None
    code = "import sys, plimsoll.serving.server, plimsoll.serving.tracing; print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr


def test_a_collector_that_is_away_stops_nobody(yard: Any) -> None:
    """Nothing listens there: answers go out as ever, and closing takes no longer than the timeout."""
    row = yard.release()
    tracer = OtlpTracer("http://127.0.0.1:9/v1/traces", share=1.0, timeout_s=0.2)
    with running(yard, live(row.digest), rows=[row], tracer=tracer) as up:
        assert up.call("POST", PATH, {"inputs": parcel(1)})[0] == 200
    tracer.close()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"00-" + b"0" * 32 + b"-" + SPAN.encode() + b"-01",
        b"00-" + TRACE.encode() + b"-" + b"0" * 16 + b"-01",
        b"00-" + TRACE.upper().encode() + b"-" + SPAN.encode() + b"-01",
        b"ff-" + TRACE.encode() + b"-" + SPAN.encode() + b"-01",
        b"00-" + TRACE.encode() + b"-" + SPAN.encode() + b"-01-more",
        b"00-" + TRACE.encode() + b"-" + SPAN.encode(),
    ],
)
def test_what_is_no_traceparent_is_none(said: bytes) -> None:
    """The standard's own examples of what to ignore."""
    assert parsed(said) is None


def test_a_later_version_may_say_more() -> None:
    """Its known fields are read; and two headers are none."""
    said = f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like".encode()
    assert parsed(said) == Parent(int(TRACE, 16), int(SPAN, 16), True)
    assert parent_of([(b"traceparent", said), (b"traceparent", said)]) is None


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1))
def test_what_is_written_is_read(trace_id: int, span_id: int) -> None:
    """Our own header says what we meant."""
    assert parsed(written(trace_id, span_id).encode()) == Parent(trace_id, span_id, True)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_header_or_none(said: bytes) -> None:
    """Strangers' bytes raise nothing."""
    parsed(said, said)
