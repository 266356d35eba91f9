"""Shedding what could not be answered in time, before any work is done for it.

Whether there is too much is judged as CoDel does (RFC 8289): a queue is a standing one when even the luckiest request
of an interval waited for longer than the target. Bursts that drain are none of that. While the queue stands, as many
are let in as can be answered within the target: the throughput is then the capacity, and what is inside over the
throughput is how long the next one would wait (Little, 1961). Batch requests are let in to half of that. It stands until
an interval has passed in which nobody had to be turned away: what is let in meanwhile says nothing about who would come.

Half of the target is spent in here. The other half is spent outside, where it cannot be seen: while one turn is answered
the next one's requests lie unread in the kernel, and a turn is as long as what is inside takes.

A model that takes longer than the target by itself would look like a queue for ever, and be let starve; so the target
is never less than four times the shortest stay that was seen lately.
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

INTERVAL_S = 0.1
_IN_HERE = 0.5
_BATCH_SHARE = 0.5
_SMOOTHING = 0.5
_FORGOTTEN = 1.001
"""An interval: a stay that is no longer reached is half forgotten in about a minute."""
_PAUSE_S = 0.01
"""With nobody inside for so long, nobody asked: between two turns of a busy loop there is nobody inside, either."""


class Overload:
    """Counts who is inside. ``target_s`` is the longest wait that is tolerated, ``most`` the most that fit at all."""

    def __init__(self, *, target_s: float, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self.target_s, self.most = target_s, most
        self.shed = 0
        self._inside: deque[None] = deque()  # counted by its length: append, pop and len are atomic, and need no lock
        self.standing = False  # the queue, not the server
        self.per_s = 0.0
        self._most_now = math.inf  # as many as were inside when there was no room for the questions of one more
        self._now = now
        self._lock = threading.Lock()
        self._shortest_s = math.inf
        self._since_s = self._emptied_s = now()
        self._least_s, self._finished, self._shed_before = math.inf, 0, 0

    def enter(self, priority: Priority, now_s: float, deadline_s: float = 0.0) -> None:
        """Take one in. ``deadline_s`` of 0.0 is none. Raises Unavailable with the time after which it may fit, or TooLate."""
        if deadline_s and now_s >= deadline_s:
            raise TooLate("the request's deadline had passed when it came")
        inside = self._inside
        if not inside:
            if now_s - self._emptied_s > _PAUSE_S:
                self._begin(now_s)
        elif len(inside) >= self.most or (self.standing and not self._fits(priority, now_s, deadline_s)):
            self.shed += 1
            raise self.refusal()
        inside.append(None)

    def turns_away(self, priority: Priority, *, late: bool) -> bool:
        """Whether one that came now is refused while the queue stands, before it is known who asks. ``late``: it came
        before its time, and has waited outside since."""
        inside = len(self._inside)
        if not inside and self._now() - self._emptied_s > _PAUSE_S:
            return False
        return late or inside >= self._room(priority)

    def overflowed(self) -> None:
        """One that was let in found no room for its questions. While the queue stands no more are let in than are inside
        now: a refusal at the desk comes when all of a request has been read."""
        self.standing, self._most_now = True, min(self._most_now, max(1, len(self._inside) - 1))

    def refusal(self) -> Unavailable:
        """What is said to one that is turned away."""
        return Unavailable(
            "more is asked than can be answered in time",
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
        """In here."""
        tolerated_s = self.target_s * _IN_HERE
        return tolerated_s if self._shortest_s == math.inf else max(tolerated_s, 2.0 * self._shortest_s)

    def _room(self, priority: Priority) -> float:
        room = min(self.per_s * self._tolerated_s, self._most_now)
        return max(1.0, room * (_BATCH_SHARE if priority == "batch" else 1.0))

    def _fits(self, priority: Priority, now_s: float, deadline_s: float) -> bool:
        if self.inside >= self._room(priority):
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
        if now_s - self._since_s >= INTERVAL_S:
            with self._lock:
                self._judge(now_s)
        if not self._inside:
            self._emptied_s = now_s

    def withdraw(self) -> None:
        """One that was taken in is not let in after all: it says nothing about how long an answer takes."""
        self._inside.pop()
        if not self._inside:
            self._emptied_s = self._now()

    def _begin(self, now_s: float) -> None:
        """An interval begins behind a time in which nobody asked."""
        self.standing, self._most_now = False, math.inf
        self._since_s, self._least_s, self._finished, self._shed_before = now_s, math.inf, 0, self.shed

    def _judge(self, now_s: float) -> None:
        """An interval is over, unless another thread has just said so."""
        elapsed_s = now_s - self._since_s
        if elapsed_s < INTERVAL_S:
            return
        measured = self._finished / elapsed_s
        self.per_s = measured if self.per_s == 0.0 else self.per_s + _SMOOTHING * (measured - self.per_s)
        self._shortest_s = min(self._shortest_s * (1.0 if self.standing else _FORGOTTEN), self._least_s)
        turned_away = self.standing and self.shed > self._shed_before
        self.standing = turned_away or (self._least_s > self._tolerated_s and self.inside > 0)
        if not self.standing:
            self._most_now = math.inf
        self._since_s, self._least_s, self._finished, self._shed_before = now_s, math.inf, 0, self.shed
