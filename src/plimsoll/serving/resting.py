"""Connections that were turned away, and rest: what they send next stays in the kernel until their turn comes.

Refusing a request costs about half as much as answering one, so a server that refuses whoever comes back at once does
little else (receive livelock: Mogul & Ramakrishnan, *Eliminating receive livelock in an interrupt-driven kernel*, ACM
TOCS 15(3), 1997). Here a refusal is followed by a pause in reading, long enough that refusals stay few; TCP's own flow
control then holds back whoever goes on sending. Who honours ``Retry-After`` does not notice.

What lies there when a connection's rest is over was sent too early, and is the oldest there is. While the queue stands
it is refused in its turn, and whoever comes just now goes first, because it can still be answered in time (adaptive
LIFO; Maurer, *Fail at scale*, ACM Queue 13(8), 2015).
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Protocol

MOST_PER_S = 5_000
"""Refusals to those that rest: a few per cent of a core."""
LONGEST_S = 1.0
"""That a connection rests: no longer than the shortest ``Retry-After``."""
TICK_S = 0.01


class Connection(Protocol):
    def wake(self) -> None:
        """It is read from again."""
        ...


class Resting:
    """The connections of one event loop that rest, longest first. ``ticks``: how often some were woken."""

    def __init__(self) -> None:
        self.ticks = 0
        self._connections: deque[Connection] = deque()

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Connection) -> None:
        """It is not read from any more; it is woken within ``LONGEST_S``."""
        self._connections.append(connection)
        if len(self._connections) == 1:
            asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self.ticks += 1
        share = TICK_S * max(MOST_PER_S, len(self._connections) / LONGEST_S)
        for _ in range(min(len(self._connections), math.ceil(share))):
            self._connections.popleft().wake()
        if self._connections:
            asyncio.get_running_loop().call_later(TICK_S, self._tick)
