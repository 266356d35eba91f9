"""A rate limit of this process alone: the generic cell rate algorithm (ITU-T I.371), a token bucket in one number.

The number is the time at which the bucket would be full again. It needs no timer, forgets nothing and rounds nothing.
"""

from __future__ import annotations


class Bucket:
    """``per_s`` requests a second, ``burst`` at once after a pause. Times are seconds of a clock that never goes back."""

    __slots__ = ("_burst_s", "_each_s", "_full_at_s", "burst", "per_s")

    def __init__(self, per_s: float, burst: float) -> None:
        self.per_s, self.burst = per_s, burst
        self._each_s = 1.0 / per_s
        self._burst_s = burst / per_s
        self._full_at_s = 0.0

    def take(self, count: int, now_s: float) -> float:
        """0.0 if ``count`` fit, and are taken; else the seconds until they will. More than the burst never fit."""
        full_at_s = (self._full_at_s if self._full_at_s > now_s else now_s) + count * self._each_s
        wait_s = full_at_s - now_s - self._burst_s
        if wait_s > 1e-9:
            return wait_s
        self._full_at_s = full_at_s
        return 0.0

    def idle(self, now_s: float) -> bool:
        """Whether forgetting it would change nothing."""
        return self._full_at_s <= now_s
