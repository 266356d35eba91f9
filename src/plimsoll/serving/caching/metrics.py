"""What the response cache saved, for Prometheus; read when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from plimsoll.serving.caching.answers import AnswerCache


class CacheMetrics(Collector):
    """The hit rate is ``hit`` and ``waited`` over all findings; what was saved in money the server's metrics say."""

    def __init__(self, capability: str, cache: AnswerCache) -> None:
        self._capability, self._cache = capability, cache

    def collect(self) -> Iterator[Metric]:
        counts, label = self._cache.counts, ("capability",)
        looked = CounterMetricFamily("plimsoll_cache_lookups", "Questions looked up", labels=(*label, "finding"))
        for finding, count in (
            ("hit", counts.hits - counts.waited),
            ("waited", counts.waited),
            ("miss", counts.misses),
        ):
            looked.add_metric((self._capability, finding), count)
        saved = CounterMetricFamily("plimsoll_cache_saved_seconds", "Features and engine, not run again", labels=label)
        saved.add_metric((self._capability,), counts.saved_s)
        held = GaugeMetricFamily("plimsoll_cache_bytes", "Held in this process", labels=label)
        held.add_metric((self._capability,), self._cache.used_bytes)
        yield from (looked, saved, held)
