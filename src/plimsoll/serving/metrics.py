"""What the server counts, for Prometheus. Labels are bounded: roles, actions and findings, never a release or a unit."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector

from plimsoll.serving.outcomes import Counts
from plimsoll.serving.pipeline import Reply

_LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """One server's counters, in a registry of their own."""

    def __init__(self, capability: str) -> None:
        self._registry = registry = CollectorRegistry()
        label = ("capability",)
        answers = Counter("plimsoll_answers", "Answers given", (*label, "role", "action"), registry=registry)
        errors = Counter("plimsoll_release_errors", "Answers that failed", (*label, "role"), registry=registry)
        latency = Histogram(
            "plimsoll_release_latency_seconds",
            "Features and engine, of the batch that answered",
            (*label, "role"),
            registry=registry,
            buckets=_LATENCY_BUCKETS_S,
        )
        outcomes = Counter("plimsoll_outcomes", "Outcomes received", (*label, "finding"), registry=registry)
        lost = Counter("plimsoll_exposures_lost", "Answers that nothing ran beside", label, registry=registry)
        unrecorded = Counter("plimsoll_unrecorded", "Answers given without a record", label, registry=registry)
        refused = Counter("plimsoll_requests_refused", "Requests refused", (*label, "status"), registry=registry)
        waiting = Gauge("plimsoll_beside_waiting", "Events that wait for the others", label, registry=registry)
        ready = Gauge("plimsoll_ready", "1 if this replica answers", label, registry=registry)
        version = Gauge("plimsoll_deployment_version", "Of the deployment served", label, registry=registry)
        self._capability = capability
        self._answers, self._errors, self._latency, self._outcomes = answers, errors, latency, outcomes
        self._refused = refused
        self.lost = lost.labels(capability)
        self.unrecorded = unrecorded.labels(capability)
        self.waiting = waiting.labels(capability)
        self.ready = ready.labels(capability)
        self.version = version.labels(capability)

    def answered(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            served, name = reply.event.served, self._capability
            self._answers.labels(name, served.role, reply.event.action).inc()
            self._latency.labels(name, served.role).observe(served.latency_ms / 1000.0)
            if served.error:
                self._errors.labels(name, served.role).inc()
            if not reply.recorded:
                self.unrecorded.inc()

    def told(self, counts: Counts) -> None:
        for finding in counts.__struct_fields__:
            self._outcomes.labels(self._capability, finding).inc(getattr(counts, finding))

    def refused(self, status: int) -> None:
        self._refused.labels(self._capability, str(status)).inc()

    def also(self, collector: Collector) -> None:
        """Show what ``collector`` counts beside our own."""
        self._registry.register(collector)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self._registry)
