"""How long an answer took: measured on the wall, or made up on a virtual clock.

A rehearsal must give the same numbers on every machine, so no measured time may enter it; its latencies are drawn
from a hash of the seed, the event and the release.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from statistics import NormalDist
from typing import Protocol

from plimsoll.serving.drill import Drill


class Timing(Protocol):
    """Times one release's answers to a batch of questions."""

    def now_ms(self) -> float:
        """A moment, in milliseconds since any beginning; only differences mean something."""
        ...

    def cpu_s(self) -> float:
        """Processor time of this thread, in seconds since any beginning."""
        ...

    def hold(self, drill: Drill) -> None:
        """Be as late as the drill says."""
        ...

    def latencies_ms(self, release: str, events: Sequence[str], elapsed_ms: float, drill: Drill) -> list[float]:
        """The latency of each event's answer, when the batch took ``elapsed_ms``."""
        ...

    def stages_us(self, before_us: tuple[int, ...], *parts_ms: float) -> tuple[int, ...]:
        """The stages as an event records them: those before the pipeline, then its own. None if none is measured."""
        ...


class WallTiming:
    """The time that a batch took is the latency of each of its answers: that is how long each caller waited."""

    def now_ms(self) -> float:
        return time.perf_counter() * 1000.0

    def cpu_s(self) -> float:
        return time.thread_time()

    def hold(self, drill: Drill) -> None:
        if drill.latency_ms > 0.0:
            time.sleep(drill.latency_ms / 1000.0)

    def latencies_ms(self, release: str, events: Sequence[str], elapsed_ms: float, drill: Drill) -> list[float]:
        return [int(elapsed_ms * 1000.0 + 0.5) / 1000.0] * len(events)  # to the µs; round() takes five times as long

    def stages_us(self, before_us: tuple[int, ...], *parts_ms: float) -> tuple[int, ...]:
        return (*before_us, *[int(part * 1000.0 + 0.5) for part in parts_ms])


_MEDIAN_MS = 6.0
_SIGMA = 0.4
_STEPS = 4096


@cache
def _table_ms() -> tuple[float, ...]:
    """Made when it is first drawn from: a server never does, and it would cost its start 10 ms."""
    normal = NormalDist()
    return tuple(round(_MEDIAN_MS * math.exp(_SIGMA * normal.inv_cdf((i + 0.5) / _STEPS)), 3) for i in range(_STEPS))


class VirtualTiming:
    """Latencies of a service in good health: lognormal, median 6 ms, p95 11.6 ms; a drill's delay on top."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def now_ms(self) -> float:
        return 0.0

    def cpu_s(self) -> float:
        return 0.0

    def hold(self, drill: Drill) -> None:
        """Nobody waits on a virtual clock."""

    def latencies_ms(self, release: str, events: Sequence[str], elapsed_ms: float, drill: Drill) -> list[float]:
        key = blake2b(f"{self._seed}\0{release}".encode(), digest_size=16).digest()
        return [_drawn(key, event) + drill.latency_ms for event in events]

    def stages_us(self, before_us: tuple[int, ...], *parts_ms: float) -> tuple[int, ...]:
        return ()


def _drawn(key: bytes, event: str) -> float:
    found = blake2b(event.encode(), digest_size=2, key=key).digest()
    return _table_ms()[int.from_bytes(found) % _STEPS]
