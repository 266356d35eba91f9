"""What a process has one of, whatever it serves, for Prometheus: its memory and its event log."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from plimsoll.serving.hold import Hold


class HouseMetrics(Collector):
    """Read when somebody asks. ``log_bytes``: None where nobody knows."""

    def __init__(self, hold: Hold, log_bytes: Callable[[], int | None]) -> None:
        self._hold, self._log_bytes = hold, log_bytes

    def collect(self) -> Iterator[Metric]:
        over = GaugeMetricFamily("plimsoll_memory_over", "1 while over the limit with nothing left to unload")
        over.add_metric((), float(bool(self._hold.over)))
        limit = GaugeMetricFamily("plimsoll_memory_limit_bytes", "Setting server.memory_limit_mb; 0 is without limit")
        limit.add_metric((), self._hold.limit_bytes)
        gone = CounterMetricFamily("plimsoll_releases_unloaded", "Releases that went because memory ran short")
        gone.add_metric((), self._hold.unloaded)
        log = GaugeMetricFamily("plimsoll_event_log_bytes", "Size of the event log on the disk")
        if (size := self._log_bytes()) is not None:
            log.add_metric((), float(size))
        yield from (over, limit, gone, log)
