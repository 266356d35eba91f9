"""How often, and how long: one deadline for a call and all its attempts, and a budget for asking again."""

from __future__ import annotations

from plimsoll.errors import Unavailable
from plimsoll.retry import RetryBudget, wait_s

TIMEOUT_HEADER = "x-request-timeout-ms"
"""Tells the server how long its caller will wait, so that it begins nothing that nobody will read."""


class Attempts:
    """The attempts of one call that began at ``now_s`` and must end within ``timeout_s``. Clocks are passed in."""

    def __init__(self, budget: RetryBudget, *, timeout_s: float, retries: int, now_s: float) -> None:
        self._budget = budget
        self._until_s = now_s + timeout_s
        self._timeout_s = timeout_s
        self._retries = retries
        self._failed = 0
        budget.asked()

    def left_s(self, now_s: float) -> float:
        """Seconds until the deadline. Raises Unavailable where there are none."""
        left_s = self._until_s - now_s
        if left_s <= 0.0:
            raise Unavailable(
                f"no answer within {self._timeout_s:g} s",
                hint="give it longer: timeout_s=…, or see why the server is slow: its /metrics",
                retry_after_s=0.0,
            )
        return left_s

    def after(self, error: Unavailable, now_s: float) -> float:
        """Seconds to wait before the next attempt. Raises ``error`` where there shall be none: all are used up, the
        budget is spent, or the wait would end after the deadline."""
        attempt, self._failed = self._failed, self._failed + 1
        pause_s = wait_s(attempt, at_least_s=error.retry_after_s, most_s=max(2.0, error.retry_after_s + 1.0))
        if self._failed > self._retries or now_s + pause_s >= self._until_s or not self._budget.take():
            raise error
        return pause_s


def timeout_header(left_s: float) -> dict[str, str]:
    return {TIMEOUT_HEADER: str(max(1, int(left_s * 1000)))}
