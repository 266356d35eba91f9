"""What is counted about looked-up features, for Prometheus. Labels are the declared views' names, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from plimsoll.features import Freshness


class FeatureMetrics(Collector):
    """Read when somebody asks: an answer pays nothing for it."""

    def __init__(
        self, capability: str, freshness: Callable[[], Mapping[str, Freshness]], away: Callable[[], int]
    ) -> None:
        self._capability, self._freshness, self._away = capability, freshness, away

    def collect(self) -> Iterator[Metric]:
        labels = ("capability", "view")
        age = GaugeMetricFamily("plimsoll_feature_age_seconds", "Age of the row that was looked up last", labels=labels)
        bound = GaugeMetricFamily("plimsoll_feature_age_bound_seconds", "The oldest that a row may be", labels=labels)
        stale = CounterMetricFamily("plimsoll_feature_stale", "Rows that were older than their bound", labels=labels)
        missing = CounterMetricFamily(
            "plimsoll_feature_missing", "Questions about an entity without row", labels=labels
        )
        for view, seen in sorted(self._freshness().items()):
            name = (self._capability, view)
            if not math.isnan(seen.last_age_s):
                age.add_metric(name, seen.last_age_s)
            if not math.isinf(seen.bound_s):
                bound.add_metric(name, seen.bound_s)
            stale.add_metric(name, seen.stale)
            missing.add_metric(name, seen.missing)
        yield from (age, bound, stale, missing)
        away = CounterMetricFamily("plimsoll_features_away", "Lookups while the store was away", labels=("capability",))
        away.add_metric((self._capability,), self._away())
        yield away
