"""From the threads that gRPC calls us on to the event loop that the desk belongs to, and back.

A coroutine for each call, awaited across threads, cost more than the answer: two futures, a task and three wake-ups.
Here a call is put into a line that the loop empties in one go, so that what waits together is answered together, and its
thread sleeps on a lock until it is told.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import wait
from typing import Any, TypeVar

from plimsoll.serving.refusals import TooLate

T = TypeVar("T")
LONGEST_WAIT_S = 60.0
"""For a caller that set no deadline: a thread that waits is a thread that answers nobody else."""


class Bridge:
    """Runs functions on ``loop``'s thread, in the order in which they came. They must not raise."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._line: deque[Callable[[], None]] = deque()
        self._told = False

    def run(self, work: Callable[[], None]) -> None:
        """Any thread may call it. Append, then look; the loop looks away, then empties: so nothing is left behind."""
        self._line.append(work)
        if not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self._empty)

    def wait_for(self, work: Coroutine[Any, Any, T], remaining_s: float | None) -> T:
        """The result of ``work``, run on the loop: for what is rare. Raises what it raises, and TooLate when the time is
        up first."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        done, _ = wait([future], _within(remaining_s))
        if not done:
            future.cancel()
            raise TooLate("it was not done in time")
        return future.result()

    def _empty(self) -> None:
        self._told = False
        while self._line:
            self._line.popleft()()


class Wait:
    """What one thread waits for and another one says, once."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open = threading.Lock()
        self._open.acquire()

    def over(self) -> None:
        self._open.release()

    def until(self, remaining_s: float | None) -> None:
        """Returns when it is over. Raises TooLate when the time is up first."""
        wait_s = _within(remaining_s)
        if not self._open.acquire(timeout=wait_s):
            raise TooLate(f"there was no answer within {wait_s:.3g} s")


def _within(remaining_s: float | None) -> float:
    return LONGEST_WAIT_S if remaining_s is None else min(max(remaining_s, 0.0), LONGEST_WAIT_S)
