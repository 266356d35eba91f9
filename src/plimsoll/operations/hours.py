"""Counts by release and hour, of what is judged at once: errors, slow answers, and what callers got instead of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np

from plimsoll.kernel.promise import ENDS
from plimsoll.kernel.records import Answer, Event

HOUR = timedelta(hours=1)
_NEVER = datetime.min


def hour_of(at: datetime) -> str:
    """The name of the hour that ``at`` (in UTC) lies in."""
    return at.isoformat()[:13]


class Hours:
    """``counts``: (release, what) → hour → [hits, events]. What is taken in counts from the next ``settle`` on: hits are
    found of all answers of an hour together."""

    __slots__ = ("_actions", "_answers", "_errors", "_from", "_name", "_until", "counts", "limits_ms")

    def __init__(self, limits_ms: Iterable[float]) -> None:
        self.limits_ms = tuple(sorted(set(limits_ms)))
        self.counts: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(dict)
        self._answers: dict[tuple[str, str], list[float]] = defaultdict(list)  # (release, hour) → milliseconds
        self._errors: dict[tuple[str, str], int] = defaultdict(int)
        self._actions: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._from = self._until = _NEVER
        self._name = ""

    def of(self, at: datetime) -> str:
        """``hour_of(at)``; most events lie in the hour of the one before."""
        if self._name and self._from <= at < self._until:
            return self._name
        self._from = at.replace(minute=0, second=0, microsecond=0)
        self._until, self._name = self._from + HOUR, hour_of(at)
        return self._name

    def answered(self, answer: Answer, hour: str) -> None:
        """Errors and slow answers, which are judged whatever the block."""
        key = (answer.release, hour)
        self._answers[key].append(answer.latency_ms)
        if answer.error:
            self._errors[key] += 1

    def got(self, event: Event, hour: str) -> None:
        """What the caller got."""
        self._actions[event.served.release, hour].append(event.action)

    def settle(self) -> None:
        """Count what was taken in."""
        for (release, hour), latencies in self._answers.items():
            n, took = len(latencies), np.array(latencies)
            self._add(release, "error_rate", hour, self._errors.get((release, hour), 0), n)
            for limit in self.limits_ms:
                self._add(release, f">{limit:g}ms", hour, int((took > limit).sum()), n)
        for (release, hour), actions in self._actions.items():
            for what, counted in (("abstention_rate", ENDS), ("fallback_rate", ("fallback",))):
                self._add(release, what, hour, sum(map(actions.count, counted)), len(actions))
        for taken in (self._answers, self._errors, self._actions):
            taken.clear()

    def forget(self, before: str) -> None:
        """Drop the hours before this one."""
        for hours in self.counts.values():
            for hour in [h for h in hours if h < before]:
                del hours[hour]

    def _add(self, release: str, what: str, hour: str, hits: int, n: int) -> None:
        bucket = self.counts[release, what].setdefault(hour, [0, 0])
        bucket[0] += hits
        bucket[1] += n
