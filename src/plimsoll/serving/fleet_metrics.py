"""What is counted about the releases in memory, for Prometheus. No label is a release: there is no end of those."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from plimsoll.serving.replica import Size


class Stock(NamedTuple):
    """What each loaded release takes, how many of them are only asked for, and how many were refused."""

    sizes: Collection[Size] = ()
    asked: int = 0
    refused: int = 0


class FleetMetrics(Collector):
    """One capability's releases: how many, why they are here, and what they take."""

    def __init__(self, capability: str, stock: Callable[[], Stock]) -> None:
        self._capability, self._stock = capability, stock

    def collect(self) -> Iterator[Metric]:
        (sizes, asked, refused), name = self._stock(), self._capability
        said = "Releases here: needed by the deployment, only asked for, or refused"
        releases = GaugeMetricFamily("plimsoll_releases", said, labels=("capability", "standing"))
        releases.add_metric((name, "needed"), len(sizes) - asked)
        releases.add_metric((name, "asked"), asked)
        releases.add_metric((name, "refused"), refused)
        taken = GaugeMetricFamily(
            "plimsoll_releases_bytes",
            "Of the loaded ones: as stored, and by how much the process grew",
            labels=("capability", "of"),
        )
        taken.add_metric((name, "model"), sum(size.model_bytes for size in sizes))
        taken.add_metric((name, "resident"), sum(size.resident_bytes for size in sizes))
        yield from (releases, taken)
