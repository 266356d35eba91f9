"""Asking again without making it worse: a budget for retries, and how long to wait before each.

Retries multiply: where every caller tries three times, a service that has just begun to fail gets three times its load.
A budget allows them as a share of the requests (Google, *Site Reliability Engineering*, 2016, chapter 22, names 10 %;
Finagle's RetryBudget keeps it as a token bucket, as here). The waits are drawn from the whole span up to an
exponentially growing bound ("full jitter": Brooker 2015, *Exponential backoff and jitter*, AWS Architecture Blog), so
that callers who failed together do not come back together.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable


class RetryBudget:
    """May this request be sent again? Each request pays in ``share`` of a retry; each retry takes a whole one.

    ``spare`` retries are there at the start, so that a client that asks once in an hour may still retry; no more than
    that is ever saved up. Threads may share it.
    """

    def __init__(self, *, share: float = 0.1, spare: float = 10.0) -> None:
        self._share = share
        self._most = self._saved = spare
        self._one_at_a_time = threading.Lock()

    def asked(self) -> None:
        """A first attempt is made."""
        with self._one_at_a_time:
            self._saved = min(self._most, self._saved + self._share)

    def take(self) -> bool:
        """Whether one more attempt may be made; if so, it is paid for."""
        with self._one_at_a_time:
            if self._saved < 1.0:
                return False
            self._saved -= 1.0
            return True


def wait_s(
    attempt: int,
    *,
    first_s: float = 0.05,
    most_s: float = 2.0,
    at_least_s: float = 0.0,
    draw: Callable[[], float] = random.random,
) -> float:
    """How long to wait after failed attempt ``attempt`` (0 is the first), in seconds.

    ``at_least_s``: what the other side asked for (``Retry-After``); the jitter comes on top, and ``most_s`` bounds the
    sum. ``draw`` gives a number in [0, 1).
    """
    return min(most_s, at_least_s + draw() * min(most_s, first_s * 2.0 ** min(attempt, 30)))
