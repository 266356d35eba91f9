"""What is counted while requests go by: plain numbers in plain cells, since a metric with labels costs a lookup each time.

One thread writes (the event loop's); a scrape reads them where they stand.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeVar

Key = TypeVar("Key")

BOUNDS_S = (
    0.00005,
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
)
"""Upper bounds of every latency histogram: 50 µs to 5 s. Fixed, so that servers and releases add up."""

MOST_NAMES = 20
"""Names that a caller chooses (tenants) get a label of their own up to this many; all others are one."""
OTHER = "other"


class Cell:
    """One number."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, by: float = 1.0) -> None:
        self.value += by

    def set(self, value: float) -> None:
        self.value = value


class Buckets:
    """A latency histogram. A turn's questions waited equally long, so they are added at once."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.total_s = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        self.counts[bisect_left(BOUNDS_S, seconds)] += times
        self.total_s += seconds * times

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, how many are at or below it), the last one without a bound."""
        found, so_far = [], 0
        for bound, count in zip((*BOUNDS_S, float("inf")), self.counts, strict=True):
            so_far += count
            found.append(("+Inf" if bound == float("inf") else str(bound), float(so_far)))
        return found


class ByLabels(dict[Key, int]):
    """A counter for each combination of labels; one that was never seen counts zero. The caller bounds the keys."""

    def __missing__(self, key: Key) -> int:
        return 0


class ByName(dict[str, float]):
    """A counter for each name that strangers choose: the first ``most`` that come keep a label, the rest share one.

    The first and not the largest: a counter whose label changes hands would go backwards.
    """

    def __init__(self, most: int = MOST_NAMES) -> None:
        super().__init__()
        self._most = most

    def add(self, name: str, by: float = 1.0) -> None:
        if name not in self:
            if len(self) >= self._most:
                name = OTHER
            self.setdefault(name, 0.0)
        self[name] += by
