"""What watching costs a request: counting, tracing and logging, in microseconds of processor time.

One thread, no server around it: the calls that the request path makes, with the objects that it has. Counting is compared with
what it was before, counters of prometheus-client that are looked up by their labels for each answer. Sampled traces go to a
collector in another thread of this process, whose time is counted too: that is what a server pays.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, Counter, Histogram

from benchmarks.table import Row, at_most
from plimsoll.kernel.records import Answer, Event
from plimsoll.serving.cost import Prices
from plimsoll.serving.logs import RequestLog
from plimsoll.serving.metrics import Metrics
from plimsoll.serving.reply import Reply, reply_of
from plimsoll.serving.tracing import OtlpTracer

AT = datetime(2026, 3, 1, tzinfo=UTC)
STAGES_US = (2, 5, 0, 12, 40, 180, 3)
HEADERS = [(b"host", b"127.0.0.1:8080"), (b"user-agent", b"bench"), (b"content-type", b"application/json")]
HEADERS += [(b"accept", b"*/*"), (b"accept-encoding", b"gzip"), (b"content-length", b"312")]
PARENT = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
REPEATS = 5


def run() -> list[Row]:
    """All rows, in about fifteen seconds."""
    return [*_counting(), *_tracing(), *_logging()]


def _reply(i: int) -> Reply:
    served = Answer(release="r" * 64, role="live", score=0.25, latency_ms=0.3)
    event = Event(
        id=f"e{i}", capability="c", at=AT, block="b", unit=f"u{i}", inputs={}, served=served, tenant="acme",
        stages_us=STAGES_US, cost_usd=1e-7,
    )  # fmt: skip
    return reply_of(event, served)


def cpu_us(work: Callable[[], object], times: int) -> float:
    """Microseconds of this process's processor time a call; the best of several, because noise only adds."""

    def once() -> float:
        began = time.process_time()
        for _ in range(times):
            work()
        return 1e6 * (time.process_time() - began) / times

    once()
    return min(once() for _ in range(REPEATS))


def _counting() -> Iterator[Row]:
    for size, limit in ((1, 6.0), (16, 1.5)):
        turn = [_reply(i) for i in range(size)]
        metrics = Metrics("c", prices=Prices(core_second_usd=1e-5))
        ours = cpu_us(lambda m=metrics, t=turn: m.answered(t, record_us=90.0), 20_000 // size) / size  # type: ignore[misc]
        theirs = _by_labels(turn)
        yield at_most(
            f"counting, turns of {size}: answers, tenant, latency, 8 stages, cost",
            ours,
            limit,
            "µs",
            peer="prometheus-client, labels looked up",
            peer_value=theirs,
            note="a request; the histograms of the stages are filled once a turn",
        )


def _by_labels(turn: list[Reply]) -> float:
    """The same with the library's own counters."""
    registry = CollectorRegistry()
    answers = Counter("answers", "x", ("capability", "role", "action"), registry=registry)
    tenants = Counter("tenants", "x", ("capability", "tenant"), registry=registry)
    latency = Histogram("latency", "x", ("capability", "role"), registry=registry)
    stages = Histogram("stages", "x", ("capability", "stage"), registry=registry)
    names = ("admit", "parse", "cache", "wait", "features", "engine", "policy", "record")

    def count() -> None:
        for event, _, _, _ in turn:
            answers.labels("c", event.served.role, event.action).inc()
            tenants.labels("c", event.tenant).inc()
            latency.labels("c", event.served.role).observe(event.served.latency_ms / 1000.0)
            for stage, spent_us in zip(names, (*event.stages_us, 90), strict=True):
                stages.labels("c", stage).observe(spent_us / 1e6)

    return cpu_us(count, 2_000 // len(turn)) / len(turn)


def _tracing() -> Iterator[Row]:
    with _collector() as url:
        rare, never = OtlpTracer(url, share=0.01), OtlpTracer(url, share=0.0)
        unsampled = cpu_us(lambda: never.begin(HEADERS, "c", "/v2/models/{model}/infer"), 50_000)
        sampled = cpu_us(lambda: _traced(never, [*HEADERS, PARENT]), 400)
        usual = cpu_us(lambda: _traced(rare, HEADERS), 20_000)
        for tracer in (rare, never):
            tracer.close()
    yield at_most(
        "tracing, a request that is not sampled",
        unsampled,
        1.0,
        "µs",
        note="the look for traceparent, and a subtraction",
    )
    yield at_most("tracing, 1 % sampled, a request on average", usual, 6.0, "µs")
    yield at_most("tracing, a request that is sampled: a span, 7 stages, sent", sampled, 600.0, "µs")


def _traced(tracer: OtlpTracer, headers: list[tuple[bytes, bytes]]) -> None:
    span = tracer.begin(headers, "c", "/v2/models/{model}/infer")
    if span is not None:
        span.answered(STAGES_US)
        span.end(200)


@contextmanager
def _collector() -> Iterator[str]:
    """Takes what is sent and keeps nothing."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _logging() -> Iterator[Row]:
    turn, log = [_reply(0)], RequestLog(slow_ms=1_000.0)
    spent = cpu_us(lambda: log.turn(turn, 90.0), 50_000)
    yield at_most("logging, a request that has no line", spent, 1.5, "µs")
