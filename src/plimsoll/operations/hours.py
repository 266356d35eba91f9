"""Counts by release and hour, of what is judged at once: errors, slow answers, and what callers got instead of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from plimsoll.kernel.columns import EPOCH
from plimsoll.kernel.promise import ENDS
from plimsoll.operations.flat import Bools, Codes, Integers, Sayings

HOUR = timedelta(hours=1)
_HOUR_US = 3_600_000_000
_DENSE = 64


def hour_of(at: datetime) -> str:
    """The name of the hour that ``at`` (in UTC) lies in."""
    return at.isoformat()[:13]


class Hours:
    """``counts``: (release, what) → hour → [hits, events], hours in their order."""

    __slots__ = ("counts", "limits_ms")

    def __init__(self, limits_ms: Iterable[float]) -> None:
        self.limits_ms = tuple(sorted(set(limits_ms)))
        self.counts: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(dict)

    def answered(self, said: Sayings, at_us: Integers, rows: Bools | None = None) -> None:
        """Errors and slow answers, which are judged whatever the block, of these rows; of all without ``rows``."""
        releases, latencies, failed = said.releases, said.latencies_ms, said.failed
        if rows is not None:
            releases, latencies, failed, at_us = releases[rows], latencies[rows], failed[rows], at_us[rows]
        slow = {f">{limit:g}ms": latencies > limit for limit in self.limits_ms}
        self._count(said.names, releases, at_us, {"error_rate": failed, **slow})

    def got(self, said: Sayings, at_us: Integers, actions: Sequence[str], codes: Codes) -> None:
        """What the callers got: each row's place among ``actions``."""
        ended, stood_in = (
            np.array([action in which for action in actions], np.bool_)[codes] for which in (ENDS, ("fallback",))
        )
        hits = {"abstention_rate": ended, "fallback_rate": stood_in}
        self._count(said.names, said.releases, at_us, hits)

    def forget(self, before: str) -> None:
        """Drop the hours before this one."""
        for hours in self.counts.values():
            for hour in [h for h in hours if h < before]:
                del hours[hour]

    def _count(self, names: Sequence[str], releases: Codes, at_us: Integers, hits: Mapping[str, Bools]) -> None:
        """Rows and hits of each release and hour."""
        if not len(releases):
            return
        hours = at_us // _HOUR_US
        first = int(hours.min())
        span = int(hours.max()) - first + 1
        keys = releases * span + (hours - first)
        if span * len(names) > _DENSE * len(keys):  # times far apart: as many keys as there are rows, not hours between
            different, keys = np.unique(keys, return_inverse=True)
        else:
            different = np.arange(span * len(names))
        n = np.bincount(keys, minlength=len(different))
        counted = {what: np.bincount(keys[hit], minlength=len(different)) for what, hit in hits.items()}
        for i in np.flatnonzero(n).tolist():
            release, hour = divmod(int(different[i]), span)
            name = hour_of(EPOCH + (first + hour) * HOUR)
            for what, of_what in counted.items():
                self._add(names[release], what, name, int(of_what[i]), int(n[i]))

    def _add(self, release: str, what: str, hour: str, hits: int, n: int) -> None:
        hours = self.counts[release, what]
        if hour not in hours:
            late = bool(hours) and hour < next(reversed(hours))
            hours[hour] = [0, 0]
            if late:
                hours = self.counts[release, what] = dict(sorted(hours.items()))
        hours[hour][0] += hits
        hours[hour][1] += n
