"""One prediction for the same question that several threads ask at once: the first asks, the others wait for it.

The first one's failure is nobody else's: who waited then asks by itself. A wait is bounded. Nobody waits who has
questions of its own in flight, so no two can wait for each other; and nobody waits on an event loop.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

from plimsoll.kernel.records import Answer


class _Flight:
    """A question that somebody waits for."""

    __slots__ = ("answer", "landed")

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.answer: Answer | None = None


class Flights:
    """Questions that are being asked now, by key. Most are met by nobody: those are a key and nothing else."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._flying: dict[bytes, _Flight | None] = {}

    def board(self, keys: Sequence[bytes]) -> Sequence[Answer | None]:
        """What others are just finding out about ``keys``; None for what the caller has to ask, and then to ``land``."""
        flying = self._flying
        with self._lock:
            alone = flying.keys().isdisjoint(keys)
            if alone or not all(key in flying for key in keys) or not _may_wait():
                flying.update(dict.fromkeys(keys) if alone else {key: None for key in keys if key not in flying})
                return [None] * len(keys)
            awaited = [flying[key] or self._met(key) for key in keys]
        ends_s = time.monotonic() + self._wait_s
        return [
            flight.answer if flight.landed.wait(max(0.0, ends_s - time.monotonic())) else None for flight in awaited
        ]

    def _met(self, key: bytes) -> _Flight:
        """Under the lock."""
        flight = self._flying[key] = _Flight()
        return flight

    def land(self, keys: Sequence[bytes], answers: Sequence[Answer | None]) -> None:
        """The answers, or None where there was none. A key that is not in flight is passed over."""
        with self._lock:
            met = [self._flying.pop(key, None) for key in keys]
        if any(met):
            for flight, answer in zip(met, answers, strict=True):
                if flight is not None:
                    flight.answer = answer
                    flight.landed.set()

    def __len__(self) -> int:
        return len(self._flying)


def _may_wait() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False
