"""Offline/online skew: the features that a release saw, compared with their offline recomputation.

By construction they are equal, so any difference is a fault of a feed, a unit or a clock, and evidence gathered
under it is inadmissible, whatever the quality looks like. What is compared is each question's whole row.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import PlimsollError
from plimsoll.features import mismatches
from plimsoll.kernel.columns import EPOCH, Answers, Besides, Columns, Events, decoded, spread, times
from plimsoll.kernel.digest import short
from plimsoll.kernel.records import FALLBACK
from plimsoll.stats.interval import exact_rate

Recompute = Callable[[str, Sequence[dict[str, Any]], Sequence[datetime]], NDArray[np.float32]]
"""(release, questions' inputs, when they were asked) → the offline feature rows, in the release's schema."""

TOLERATED_SHARE = 0.01
"""Of questions with another value online than offline: rounding and late corrections are not skew."""
ALPHA = 1e-4
"""Of calling skew falsely at one look. A fault of a feed touches far more than the tolerated share."""
WAITING = 10_000
"""Questions of a release that are kept for later while its features cannot be recomputed."""


class _Row(NamedTuple):
    """A question, by its row in what was recorded, and the features that were seen for it."""

    asked: Events
    row: int
    features: bytes


@dataclass(slots=True)
class _Seen:
    """What one release saw: rows still to compare, and the comparisons of the trailing window."""

    waiting: list[_Row] = field(default_factory=list)
    window: deque[tuple[datetime, int, int, Counter[str]]] = field(default_factory=deque)
    fresh: int = 0
    problem: str = ""


class SkewWatch:
    """The comparison for the releases that matter now, over a trailing window of time."""

    def __init__(
        self, recompute: Recompute, names: Callable[[str], Sequence[str]], *, window: timedelta = timedelta(hours=6)
    ) -> None:
        self.recompute, self.names, self.window = recompute, names, window
        self._seen: dict[str, _Seen] = {}
        self._asked: list[Events] = []
        self._rows: dict[str, tuple[Events, int]] = {}  # of the first of them: by id, once somebody asks
        self._indexed = 0

    def watch(self, releases: Collection[str]) -> None:
        """Compare these from now on, and forget the others."""
        wanted = set(releases) - {FALLBACK}
        self._seen = {r: self._seen.get(r) or _Seen() for r in wanted}

    def see(self, columns: Iterable[Columns]) -> None:
        """Take the feature rows out of the next records of the log."""
        if not self._seen:
            return
        for record in columns:
            if isinstance(record, Events):
                self._asked.append(record)
                if not record.served.features:
                    continue
                fresh = spread(record.cached, len(record), False)  # else they are those of an earlier time of asking
                self._take(record.served, [None if c else (record, i) for i, c in enumerate(fresh)])
            elif isinstance(record, Besides) and any(said.features for said in record.answers):
                asked = [self._of(event) for event in record.events]
                for said in record.answers:
                    self._take(said, asked)

    def _of(self, event: str) -> tuple[Events, int] | None:
        """The question of this id."""
        for record in self._asked[self._indexed :]:
            self._rows.update((id, (record, i)) for i, id in enumerate(record.ids))
        self._indexed = len(self._asked)
        return self._rows.get(event)

    def _take(self, said: Answers, asked: Sequence[tuple[Events, int] | None]) -> None:
        if not said.features:
            return
        n = len(asked)
        for row, release, features in zip(asked, spread(said.releases, n, ""), said.rows_of_features(n), strict=True):
            seen = self._seen.get(release)
            if seen is not None and row is not None and features:
                seen.waiting.append(_Row(*row, features))

    def compare(self, now: datetime) -> None:
        """Recompute what waits, offline, and move the window on.

        Features that cannot be recomputed are a problem like wrong ones: nobody knows whether they were right. It
        stops no pass, so that errors and latency still take a release back; what waits is tried again.
        """
        self._asked, self._rows, self._indexed = [], {}, 0
        for release, seen in self._seen.items():
            seen.fresh = 0
            try:
                compared = self._mismatching(release, seen.waiting) if seen.waiting else None
            except PlimsollError as error:
                del seen.waiting[:-WAITING]
                seen.problem = f"the features of {short(release)} cannot be recomputed offline: {error.message}"
                continue
            if compared:
                seen.fresh = len(seen.waiting)
                seen.window.append((now, *compared))
                seen.waiting = []
            while seen.window and now - seen.window[0][0] > self.window:
                seen.window.popleft()
            seen.problem = self._judged(release, seen)

    def _mismatching(self, release: str, rows: Sequence[_Row]) -> tuple[int, int, Counter[str]]:
        online = np.frombuffer(b"".join(row.features for row in rows), dtype="<f4").reshape(len(rows), -1)
        asked = list(_questions(rows))
        offline = self.recompute(release, [inputs for inputs, _ in asked], [at for _, at in asked])
        wrong, n, by_feature = mismatches(online, offline)
        names = self.names(release)
        return wrong, n, Counter({names[i]: int(k) for i, k in enumerate(by_feature) if k})

    def checked(self, release: str) -> int:
        """How many fresh questions of ``release`` the last comparison had."""
        seen = self._seen.get(release)
        return seen.fresh if seen else 0

    def problem(self, release: str) -> str:
        """What is wrong with the features that ``release`` sees, in one sentence; empty when nothing is."""
        seen = self._seen.get(release)
        return seen.problem if seen else ""

    def _judged(self, release: str, seen: _Seen) -> str:
        wrong = sum(k for _, k, _, _ in seen.window)
        n = sum(k for _, _, k, _ in seen.window)
        if wrong == 0 or exact_rate(wrong, n, alpha_low=ALPHA, alpha_high=ALPHA).low <= TOLERATED_SHARE:
            return ""
        worst = sum((c for *_, c in seen.window), Counter()).most_common(3)
        features = ", ".join(f"{name} ({k})" for name, k in sorted(worst, key=lambda pair: (-pair[1], pair[0])))
        hours = self.window.total_seconds() / 3600
        return (
            f"offline/online skew in {short(release)}: {wrong} of {n} questions of the last {hours:g} hours have other "
            f"feature values online than recomputed offline: {features}"
        )


def _questions(rows: Sequence[_Row]) -> Iterator[tuple[dict[str, Any], datetime]]:
    """Each row's inputs, and when it was asked; what was recorded together is decoded once."""
    for _, group in groupby(rows, key=lambda row: id(row.asked)):
        together = list(group)
        events = together[0].asked
        inputs, at = decoded(events.inputs), spread(times(events.at_us), len(events), EPOCH)
        for row in together:
            yield inputs[row.row], at[row.row]
