"""What a server counts, for Prometheus. Every family is declared here once, with its labels; the reference is made from it.

Labels are bounded: roles, actions, stages, views and reasons are the declaration's, tenants the first twenty, and never
a release, a unit or an input. Counting is a few additions a turn (``tallies``); the exposition is made when it is
scraped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from plimsoll.kernel.records import STAGES as EVENT_STAGES
from plimsoll.serving.cost import Prices
from plimsoll.serving.logs import RequestLog
from plimsoll.serving.outcomes import Counts
from plimsoll.serving.reply import Reply
from plimsoll.serving.tallies import Buckets, ByLabels, ByName, Cell, Spent

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Family(NamedTuple):
    """One metric: its name without a suffix, its kind, what it means, and its labels after ``capability``."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The name that a query uses."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


ANSWERS = Family("plimsoll_answers", "counter", "Answers given", ("role", "action"))
REASONS = Family("plimsoll_reasons", "counter", "Answers that are not the release's own, by why", ("reason",))
TENANTS = Family("plimsoll_tenant_answers", "counter", "Answers by tenant: the first twenty, then other", ("tenant",))
ERRORS = Family("plimsoll_release_errors", "counter", "Answers that failed", ("role",))
LATENCY = Family(
    "plimsoll_release_latency_seconds", "histogram", "Features and engine, of the batch that answered", ("role",)
)
STAGES = Family("plimsoll_stage_seconds", "histogram", "Time that a question spent in a stage", ("stage",))
OUTCOMES = Family("plimsoll_outcomes", "counter", "Outcomes received", ("finding",))
LOST = Family("plimsoll_exposures_lost", "counter", "Answers that nothing ran beside")
UNRECORDED = Family("plimsoll_unrecorded", "counter", "Answers given without a record")
REFUSED = Family("plimsoll_requests_refused", "counter", "Requests refused", ("status",))
QUEUES = Family("plimsoll_waiting", "gauge", "Questions that wait in a queue now", ("queue",))
READY = Family("plimsoll_ready", "gauge", "1 if this replica answers")
VERSION = Family("plimsoll_deployment_version", "gauge", "Of the deployment served")
CIRCUITS = Family(
    "plimsoll_circuit_state", "gauge", "1 for the state that a dependency's circuit is in", ("dependency", "state")
)
HITS = Family("plimsoll_cache_hits", "counter", "Answers that came out of the response cache")
SAVED = Family("plimsoll_cache_saved_usd", "counter", "What those answers would have cost, at the mean of the others")
COST = Family("plimsoll_answers_cost_usd", "counter", "CPU time of answering, at the declared price")
PROCESS_COST = Family(
    "plimsoll_process_cost_usd", "counter", "CPU time of the whole process, and the GPU that it holds"
)
PER_1K = Family("plimsoll_cost_per_1k_usd", "gauge", "Whole process, for each 1,000 answers since it started")

FAMILIES = (
    ANSWERS, REASONS, TENANTS, ERRORS, LATENCY, STAGES, OUTCOMES, LOST, UNRECORDED, REFUSED, QUEUES, READY, VERSION,
    CIRCUITS, HITS, SAVED, COST,
)  # fmt: skip
"""Those of one capability. The two of the process have no capability: PROCESS_COST and PER_1K."""
OF_PROCESS = (PROCESS_COST, PER_1K)

CIRCUIT_STATES = ("closed", "open", "half_open")


class Metrics:
    """One capability's counters. ``text`` writes them; ``exposition`` writes several capabilities' together.

    ``circuits`` and ``queues`` are asked at each scrape; a server sets those that it has.
    ``requests``: who writes lines about some of them.
    """

    def __init__(self, capability: str, *, prices: Prices | None = None, requests: RequestLog | None = None) -> None:
        self.capability = capability
        self.prices = prices or Prices()
        self.lost, self.unrecorded, self.waiting, self.ready, self.version = (Cell() for _ in range(5))
        self.circuits: Callable[[], Mapping[str, str]] = dict
        self.queues: Callable[[], Mapping[str, int]] = dict
        self.answers: ByLabels[tuple[str, str]] = ByLabels()
        self.tenants = ByName()
        self.hits, self.cost_usd = 0, 0.0
        self._requests = requests
        self._reasons: ByLabels[str] = ByLabels()
        self._errors: ByLabels[str] = ByLabels()
        self._outcomes: ByLabels[str] = ByLabels()
        self._refused: ByLabels[str] = ByLabels()
        self._others: list[Collector] = []
        self._latency: dict[str, Buckets] = {}
        self._stages = Spent((*EVENT_STAGES, "record"))

    def answered(self, replies: Sequence[Reply], *, record_us: float = 0.0, plain: bool = False) -> None:
        """A turn's replies, and how long it took to record them. What each has for itself is counted one by one, and no
        label is looked up; the stages are the turn's. ``plain``: see ``Decided``; it holds of recorded ones."""
        if plain:
            self._plainly(replies)
        else:
            self._one_by_one(replies)
        if replies and (stages_us := replies[0].event.stages_us):
            self._stages.note((*stages_us, record_us), len(replies))
        if replies and self._requests is not None:
            self._requests.turn(replies, record_us)

    def _plainly(self, replies: Sequence[Reply]) -> None:
        """What is the same for all of them is counted once."""
        first, count = replies[0].event, len(replies)
        latency = self._latency_of(first.served.role)
        self.answers[first.served.role, first.action] += count
        self.cost_usd += first.cost_usd * count
        latencies_ms = [reply.given.latency_ms for reply in replies]
        for latency_ms in set(latencies_ms):
            latency.add(latency_ms * 0.001, latencies_ms.count(latency_ms))
        tenants = [reply.tenant for reply in replies]
        for tenant in dict.fromkeys(tenants):  # in order: the first ones keep a label
            if tenant:
                self.tenants.add(tenant, tenants.count(tenant))

    def _one_by_one(self, replies: Sequence[Reply]) -> None:
        answers, reasons, tenants = self.answers, self._reasons, self.tenants
        for reply in replies:
            event = reply.event
            served = event.served
            answers[served.role, event.action] += 1
            if event.cached:
                self.hits += 1
            else:
                self._latency_of(served.role).add(served.latency_ms * 0.001)
            if event.tenant:
                tenants.add(event.tenant)
            if event.reason:
                reasons[event.reason] += 1
            if served.error:
                self._errors[served.role] += 1
            if event.cost_usd:
                self.cost_usd += event.cost_usd
            if not reply.recorded:
                self.unrecorded.value += 1

    def _latency_of(self, role: str) -> Buckets:
        return self._latency.get(role) or self._latency.setdefault(role, Buckets())

    def told(self, counts: Counts) -> None:
        for finding in counts.__struct_fields__:
            self._outcomes[finding] += getattr(counts, finding)

    def refused(self, status: int) -> None:
        self._refused[str(status)] += 1

    def also(self, collector: Collector) -> None:
        """Show what ``collector`` counts beside our own."""
        self._others.append(collector)

    @property
    def others(self) -> Sequence[Collector]:
        return self._others

    def text(self) -> bytes:
        """The exposition format."""
        return exposition([self])

    def values(self) -> Iterator[tuple[Family, tuple[str, ...], float | Buckets]]:
        """(family, its labels' values, the value) of all that was counted."""
        for key, count in self.answers.items():
            yield ANSWERS, key, count
        by_one: tuple[tuple[Family, Mapping[str, float | Buckets]], ...] = (
            (REASONS, self._reasons),
            (TENANTS, self.tenants),
            (ERRORS, self._errors),
            (OUTCOMES, self._outcomes),
            (REFUSED, self._refused),
            (QUEUES, {"beside": self.waiting.value, **self.queues()}),
            (LATENCY, self._latency),
            (STAGES, self._stages.histograms()),
        )
        for family, counts in by_one:
            yield from ((family, (label,), value) for label, value in counts.items())
        for dependency, state in self.circuits().items():
            for each in CIRCUIT_STATES:
                yield CIRCUITS, (dependency, each), float(each == state)
        yield LOST, (), self.lost.value
        yield UNRECORDED, (), self.unrecorded.value
        yield READY, (), self.ready.value
        yield VERSION, (), self.version.value
        yield HITS, (), self.hits
        if self.prices.known:
            computed = self.given - self.hits
            yield COST, (), self.cost_usd
            yield SAVED, (), self.hits * self.cost_usd / computed if computed else 0.0

    @property
    def given(self) -> int:
        """Answers since the start."""
        return sum(self.answers.values())


class Elsewhere:
    """What was counted about no capability that is here: requests refused, whatever they were about, and what the
    process has only one of."""

    capability = ""
    given = 0

    def __init__(self) -> None:
        self.prices = Prices()
        self._refused: ByLabels[str] = ByLabels()
        self._outcomes: ByLabels[str] = ByLabels()
        self._others: list[Collector] = []

    def told(self, counts: Counts) -> None:
        """Outcomes of events that nobody knows."""
        for finding in counts.__struct_fields__:
            self._outcomes[finding] += getattr(counts, finding)

    def refused(self, status: int) -> None:
        self._refused[str(status)] += 1

    def also(self, collector: Collector) -> None:
        """Show what ``collector`` counts, too."""
        self._others.append(collector)

    @property
    def others(self) -> Sequence[Collector]:
        return self._others

    def values(self) -> Iterator[tuple[Family, tuple[str, ...], float | Buckets]]:
        yield from ((REFUSED, (status,), count) for status, count in self._refused.items())
        yield from ((OUTCOMES, (finding,), count) for finding, count in self._outcomes.items() if count)


def exposition(all_metrics: Sequence[Metrics | Elsewhere]) -> bytes:
    """What ``GET /metrics`` says of these capabilities and of the process they run in."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Scrape(all_metrics))
    return generate_latest(registry)


class _Scrape(Collector):
    def __init__(self, all_metrics: Sequence[Metrics | Elsewhere]) -> None:
        self._all = all_metrics

    def collect(self) -> Iterable[Metric]:
        made = {family: _made(family, ("capability", *family.labels)) for family in FAMILIES}
        for one in self._all:
            for family, labels, value in one.values():
                _add(made[family], (one.capability, *labels), value)
        yield from (metric for metric in made.values() if metric.samples)
        yield from _merged(other for one in self._all for other in one.others)
        yield from _of_process(self._all)


def _merged(collectors: Iterable[Collector]) -> Iterable[Metric]:
    """What they say, each family once: the format allows no second one of the same name."""
    made: dict[str, Metric] = {}
    for collector in collectors:
        for metric in collector.collect():
            made.setdefault(metric.name, metric)
            if made[metric.name] is not metric:
                made[metric.name].samples.extend(metric.samples)
    return made.values()


def _made(family: Family, labels: Sequence[str]) -> Metric:
    if family.kind == "counter":
        return CounterMetricFamily(family.name, family.help, labels=labels)
    kind = GaugeMetricFamily if family.kind == "gauge" else HistogramMetricFamily
    return kind(family.name, family.help, labels=labels)


def _add(metric: Metric, labels: Sequence[str], value: float | Buckets) -> None:
    if isinstance(value, Buckets):
        metric.add_metric(labels, buckets=value.cumulative(), sum_value=value.total_s)  # type: ignore[attr-defined]
    else:
        metric.add_metric(labels, value)  # type: ignore[attr-defined]


def _of_process(all_metrics: Sequence[Metrics | Elsewhere]) -> Iterator[Metric]:
    prices = next((one.prices for one in all_metrics if one.prices.known), None)
    if prices is None:
        return
    cost = prices.process_usd(cpu_s=time.process_time(), lived_s=time.monotonic() - _BEGAN_S)
    whole = _made(PROCESS_COST, ())
    _add(whole, (), cost)
    yield whole
    if given := sum(one.given for one in all_metrics):
        each = _made(PER_1K, ())
        _add(each, (), 1_000.0 * cost / given)
        yield each


_BEGAN_S = time.monotonic()
