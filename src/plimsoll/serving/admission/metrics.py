"""What admission counts, for Prometheus; read when somebody asks. Nothing is labelled by key or tenant: both are unbounded."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from plimsoll.serving.admission.overload import Overload
from plimsoll.serving.admission.sharing import SharedLimits


class AdmissionMetrics(Collector):
    """How full the house is, all capabilities together. How many were refused, and why, the server's metrics say by status."""

    def __init__(self, overload: Overload, shared: SharedLimits | None) -> None:
        self._overload, self._shared = overload, shared

    def collect(self) -> Iterator[Metric]:
        overload = self._overload
        inside = GaugeMetricFamily("plimsoll_requests_inside", "Requests let in and not answered yet")
        inside.add_metric((), overload.inside)
        said = "How long a request that came now would be inside, at the last throughput"
        wait = GaugeMetricFamily("plimsoll_expected_wait_seconds", said)
        wait.add_metric((), overload.expected_wait_s)
        shed = CounterMetricFamily("plimsoll_requests_shed", "Requests that would have waited too long")
        shed.add_metric((), overload.shed)
        away = CounterMetricFamily("plimsoll_limits_away", "Calls of Redis about limits that failed")
        away.add_metric((), self._shared.failures if self._shared is not None else 0)
        yield from (inside, wait, shed, away)
