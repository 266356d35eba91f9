"""What is counted while requests go by: plain numbers in plain cells, since a metric with labels costs a lookup each time.

One thread writes (the event loop's); a scrape reads them where they stand.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

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

    def add_each(self, seconds: NDArray[np.float64], times: NDArray[np.int64]) -> None:
        """``add`` of each of them."""
        places = np.searchsorted(BOUNDS_S, seconds)
        found = np.bincount(places, weights=times, minlength=len(self.counts))
        self.counts = [count + int(more) for count, more in zip(self.counts, found.tolist(), strict=True)]
        self.total_s += float(seconds @ times)

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


class Spent:
    """How long turns were in each of their stages. Noted as it comes, and put into histograms many at a time: eight
    histograms a turn would cost as much as writing its record.

    One thread notes; any may read.
    """

    AT_ONCE = 256

    def __init__(self, stages: Sequence[str]) -> None:
        self._stages = tuple(stages)
        self._noted: deque[tuple[tuple[float, ...], int]] = deque()
        self._buckets: dict[str, Buckets] = {}
        self._folding = threading.Lock()

    def note(self, spent_us: tuple[float, ...], questions: int) -> None:
        """``questions`` spent this long, together: µs in each stage."""
        self._noted.append((spent_us, questions))
        if len(self._noted) >= self.AT_ONCE:
            self._fold()

    def histograms(self) -> Mapping[str, Buckets]:
        """By stage; of those where anything was noted."""
        self._fold()
        return self._buckets

    def _fold(self) -> None:
        with self._folding:
            noted = [self._noted.popleft() for _ in range(len(self._noted))]
            if not noted:
                return
            seconds = np.array([spent_us for spent_us, _ in noted]) * 1e-6
            times = np.array([questions for _, questions in noted])
            for place, stage in enumerate(self._stages):
                self._buckets.setdefault(stage, Buckets()).add_each(seconds[:, place], times)
