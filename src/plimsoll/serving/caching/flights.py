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
    """``landed`` is there where somebody waits for it: an event costs more than all else of a flight, and few are met."""

    __slots__ = ("answer", "landed")

    def __init__(self) -> None:
        self.landed: threading.Event | None = None
        self.answer: Answer | None = None


class Flights:
    """Questions that are being asked now, by key."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._flying: dict[bytes, _Flight] = {}

    def board(self, keys: Sequence[bytes]) -> list[Answer | None]:
        """What others are just finding out about ``keys``; None for what the caller has to ask, and then to ``land``."""
        with self._lock:
            flying = [self._flying.get(key) for key in keys]
            if None in flying or not _may_wait():
                for key, flight in zip(keys, flying, strict=True):
                    if flight is None:
                        self._flying[key] = _Flight()
                return [None] * len(keys)
            awaited = [(flight, _landing(flight)) for flight in flying if flight is not None]
        ends_s = time.monotonic() + self._wait_s
        return [
            flight.answer if landed.wait(max(0.0, ends_s - time.monotonic())) else None for flight, landed in awaited
        ]

    def land(self, keys: Sequence[bytes], answers: Sequence[Answer | None]) -> None:
        """The answers, or None where there was none. A key that is not in flight is passed over."""
        with self._lock:
            for key, answer in zip(keys, answers, strict=True):
                flight = self._flying.pop(key, None)
                if flight is not None and flight.landed is not None:
                    flight.answer = answer
                    flight.landed.set()

    def __len__(self) -> int:
        return len(self._flying)


def _landing(flight: _Flight) -> threading.Event:
    """What says that it has landed. Under the lock."""
    if flight.landed is None:
        flight.landed = threading.Event()
    return flight.landed


def _may_wait() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False
