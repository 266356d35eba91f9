"""What admission counts, for Prometheus; read when somebody asks. Nothing is labelled by key or tenant: both are unbounded."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from plimsoll.serving.admission.overload import Overload
from plimsoll.serving.admission.sharing import SharedLimits


class AdmissionMetrics(Collector):
    """How full the house is. How many were refused, and why, the server's metrics say by status."""

    def __init__(self, capability: str, overload: Overload, shared: SharedLimits | None) -> None:
        self._capability, self._overload, self._shared = capability, overload, shared

    def collect(self) -> Iterator[Metric]:
        overload, label, of = self._overload, ("capability",), (self._capability,)
        inside = GaugeMetricFamily("plimsoll_requests_inside", "Requests let in and not answered yet", labels=label)
        inside.add_metric(of, overload.inside)
        said = "How long a request that came now would be inside, at the last throughput"
        wait = GaugeMetricFamily("plimsoll_expected_wait_seconds", said, labels=label)
        wait.add_metric(of, overload.expected_wait_s)
        shed = CounterMetricFamily("plimsoll_requests_shed", "Requests that would have waited too long", labels=label)
        shed.add_metric(of, overload.shed)
        away = CounterMetricFamily("plimsoll_limits_away", "Calls of Redis about limits that failed", labels=label)
        away.add_metric(of, self._shared.link.failures if self._shared is not None else 0)
        yield from (inside, wait, shed, away)
