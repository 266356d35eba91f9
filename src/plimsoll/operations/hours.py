"""Counts by release and hour, of what is judged at once: errors, slow answers, and what callers got instead of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from plimsoll.kernel.columns import EPOCH
from plimsoll.kernel.promise import ENDS
from plimsoll.kernel.verdict import Count
from plimsoll.operations.flat import Bools, Codes, Floats, Integers, Sayings
from plimsoll.stats.two_quantiles import edges

HOUR = timedelta(hours=1)
_HOUR_US = 3_600_000_000
_DENSE = 64
GRID_MS = np.array(edges())


def hour_of(at: datetime) -> str:
    """The name of the hour that ``at`` (in UTC) lies in."""
    return at.isoformat()[:13]


class Hours:
    """``counts``: (release, what) → hour → [hits, events], hours in their order. ``spreads``: how many answers of a release and
    hour lie between the edges of a grid, where ``latencies`` are compared."""

    __slots__ = ("counts", "limits_ms", "spreads")

    def __init__(self, limits_ms: Iterable[float], *, latencies: bool = False) -> None:
        self.spreads: dict[str, dict[str, Integers]] | None = {} if latencies else None
        self.limits_ms = tuple(sorted(set(limits_ms)))
        self.counts: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(dict)

    def answered(self, said: Sayings, at_us: Integers, rows: Bools | None = None) -> None:
        """Errors and slow answers, which are judged whatever the block, of these rows; of all without ``rows``."""
        releases, latencies, failed = said.releases, said.latencies_ms, said.failed
        if rows is not None:
            releases, latencies, failed, at_us = releases[rows], latencies[rows], failed[rows], at_us[rows]
        self._spread(said.names, releases, at_us, latencies)
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
        for of_release in self.counts.values():
            for hour in [h for h in of_release if h < before]:
                del of_release[hour]
        for spreads in (self.spreads or {}).values():
            for hour in [h for h in spreads if h < before]:
                del spreads[hour]

    def over_edges(self, release: str, *, after: str, until: str) -> tuple[Count, ...]:
        """How many answers of (after, until] took longer than each edge of the grid: from one that all of them exceed to one
        that none does, and of edges that as many exceed, the first."""
        kept = [spread for hour, spread in (self.spreads or {}).get(release, {}).items() if after < hour <= until]
        if not kept:
            return ()
        within = np.sum(kept, axis=0).cumsum()
        over = within[-1] - within[:-1]
        first = np.flatnonzero(np.diff(over, prepend=-1))
        return tuple(Count(f"{GRID_MS[i]:.6g}", int(over[i]), int(within[-1])) for i in first.tolist())

    def _spread(self, names: Sequence[str], releases: Codes, at_us: Integers, latencies: Floats) -> None:
        """Count the rows of each release and hour that lie at or below an edge of the grid and above the one before."""
        if self.spreads is None or not len(releases):
            return
        pairs, place = np.unique(np.stack([releases, at_us // _HOUR_US]), axis=1, return_inverse=True)
        width = len(GRID_MS) + 1
        cells = place.reshape(-1) * width + np.searchsorted(GRID_MS, latencies)
        table = np.bincount(cells, minlength=pairs.shape[1] * width).reshape(-1, width)
        for (release, hour), row in zip(pairs.T.tolist(), table, strict=True):
            hours, name = self.spreads.setdefault(names[release], {}), hour_of(EPOCH + hour * HOUR)
            hours[name] = hours[name] + row if name in hours else row

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
