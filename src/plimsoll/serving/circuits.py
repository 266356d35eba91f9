"""A circuit for each loaded release: one that is too slow, or whose features are away, is left alone for a while.

What an engine *raises* trips nothing: it costs no time, and a caller who sends what no engine can read must not take the
release from everybody else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from plimsoll.circuit import Breaker, Limits
from plimsoll.kernel.digest import short
from plimsoll.kernel.records import Answer
from plimsoll.serving.policy import why_of

MOST = 64
"""Releases that are remembered; the one that was asked longest ago goes."""
_SLOW = ("timeout", "unavailable")


class Circuits:
    """By release. Clocks are passed in; a rehearsal has none of this, since nothing there takes time."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic, limits: Limits | None = None) -> None:
        self._now_s, self._limits = now_s, limits
        self._of: dict[str, Breaker] = {}

    def why_not(self, release: str) -> str:
        """``""`` where it may be asked, else the answer's error."""
        breaker = self._of.get(release)
        if breaker is None or not breaker.troubled or breaker.allows():
            return ""
        return f"circuit open: {short(release)} has been failing"

    def told(self, release: str, answers: Sequence[Answer]) -> None:
        """How a turn went: badly where every answer was too late, or wanted something that was away."""
        breaker = self._of.get(release)
        if breaker is None and answers and not answers[0].error:  # the usual turn
            return
        if answers and all(answer.error and why_of(answer.error) in _SLOW for answer in answers):
            if breaker is None:
                breaker = self._new(release)
            breaker.failed()
        elif breaker is not None:
            breaker.succeeded()

    @property
    def worst(self) -> str:
        """The state of the release that is worst off: what the metric ``engine`` shows."""
        states = {breaker.state for breaker in self._of.values()}
        return next((state for state in ("open", "half_open") if state in states), "closed")

    def _new(self, release: str) -> Breaker:
        while len(self._of) >= MOST:
            del self._of[next(iter(self._of))]
        self._of[release] = breaker = Breaker(self._now_s, self._limits)
        return breaker
