"""Shedding what could not be answered in time, before any work is done for it.

Whether there is too much is judged as CoDel does (RFC 8289): a queue is a standing one when even the luckiest request
of an interval was in the house for longer than the target. Bursts that drain are none of that. While the queue stands,
as many are let in as can be answered within the target: the throughput is then the capacity, and what is inside over
the throughput is how long the next one would wait (Little, 1961). Batch requests are let in to half of that.

A model that takes longer than the target by itself would look like a queue for ever, and be let starve; so the target
is never less than twice the shortest stay that was seen lately.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from plimsoll.errors import Unavailable
from plimsoll.kernel.access import Priority
from plimsoll.serving.refusals import TooLate

_INTERVAL_S = 0.1
_BATCH_SHARE = 0.5
_SMOOTHING = 0.5
_FORGOTTEN = 1.001
"""An interval: a stay that is no longer reached is half forgotten in about a minute."""


class Overload:
    """Counts who is inside. ``target_s`` is the longest wait that is tolerated, ``most`` the most that fit at all."""

    def __init__(self, *, target_s: float, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self.target_s, self.most = target_s, most
        self.shed = 0
        self._inside: deque[None] = deque()  # counted by its length: append, pop and len are atomic, and need no lock
        self.standing = False  # the queue, not the server
        self.per_s = 0.0
        self._now = now
        self._lock = threading.Lock()
        self._shortest_s = math.inf
        self._since_s, self._least_s, self._finished = now(), math.inf, 0

    def enter(self, priority: Priority, now_s: float, deadline_s: float = 0.0) -> None:
        """Take one in. ``deadline_s`` of 0.0 is none. Raises Unavailable with the time after which it may fit, or TooLate."""
        if deadline_s and now_s >= deadline_s:
            raise TooLate("the request's deadline had passed when it came")
        inside = self._inside
        if not inside:  # an interval covers no time in which nobody asked
            self._since_s, self._least_s, self._finished = now_s, math.inf, 0
        elif len(inside) >= self.most or (self.standing and not self._fits(priority, now_s, deadline_s)):
            raise self._full()
        inside.append(None)

    def _full(self) -> Unavailable:
        self.shed += 1
        return Unavailable(
            f"{self.inside} requests are inside, and one more would wait too long",
            hint="try again after the time that Retry-After says, or send fewer",
            retry_after_s=min(max(self.expected_wait_s, 1.0), 30.0),
        )

    @property
    def inside(self) -> int:
        return len(self._inside)

    @property
    def expected_wait_s(self) -> float:
        """How long one that came now would be inside, at the throughput that was measured last."""
        return self.inside / self.per_s if self.per_s > 0.0 else 0.0

    @property
    def _tolerated_s(self) -> float:
        return self.target_s if self._shortest_s == math.inf else max(self.target_s, 2.0 * self._shortest_s)

    def _fits(self, priority: Priority, now_s: float, deadline_s: float) -> bool:
        share = _BATCH_SHARE if priority == "batch" else 1.0
        if self.inside >= max(1.0, self.per_s * self._tolerated_s * share):
            return False
        return not deadline_s or now_s + self.expected_wait_s < deadline_s

    def leave(self, began_s: float) -> None:
        """One that came at ``began_s`` is answered, or given up."""
        now_s = self._now()
        self._inside.pop()
        self._finished += 1
        stay_s = now_s - began_s
        if stay_s < self._least_s:
            self._least_s = stay_s
        if now_s - self._since_s >= _INTERVAL_S:
            with self._lock:
                self._judge(now_s)
        elif not self._inside:
            self.standing = False

    def withdraw(self) -> None:
        """One that was taken in is not let in after all: it says nothing about how long an answer takes."""
        self._inside.pop()

    def _judge(self, now_s: float) -> None:
        """An interval is over, unless another thread has just said so."""
        elapsed_s = now_s - self._since_s
        if elapsed_s < _INTERVAL_S:
            return
        measured = self._finished / elapsed_s
        self.per_s = measured if self.per_s == 0.0 else self.per_s + _SMOOTHING * (measured - self.per_s)
        self._shortest_s = min(self._shortest_s * (1.0 if self.standing else _FORGOTTEN), self._least_s)
        self.standing = self._least_s > self._tolerated_s and self.inside > 0
        self._since_s, self._least_s, self._finished = now_s, math.inf, 0
