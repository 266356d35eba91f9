"""Offline/online skew: the features that a release saw, compared with their offline recomputation.

By construction they are equal, so any difference is a fault of a feed, a unit or a clock, and evidence gathered
under it is inadmissible, whatever the quality looks like. What is compared is each question's whole row.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import PlimsollError
from plimsoll.features import mismatches
from plimsoll.kernel.digest import short
from plimsoll.kernel.records import FALLBACK, Answer, Beside, Event, Record
from plimsoll.stats.interval import exact_rate

Recompute = Callable[[str, Sequence[dict[str, Any]], Sequence[datetime]], NDArray[np.float32]]
"""(release, questions' inputs, when they were asked) → the offline feature rows, in the release's schema."""

TOLERATED_SHARE = 0.01
"""Of questions with another value online than offline: rounding and late corrections are not skew."""
ALPHA = 1e-4
"""Of calling skew falsely at one look. A fault of a feed touches far more than the tolerated share."""
WAITING = 10_000
"""Questions of a release that are kept for later while its features cannot be recomputed."""


@dataclass(slots=True)
class _Seen:
    """What one release saw: rows still to compare, and the comparisons of the trailing window."""

    waiting: list[tuple[datetime, dict[str, Any], bytes]] = field(default_factory=list)
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
        self._questions: dict[str, Event] = {}

    def watch(self, releases: Collection[str]) -> None:
        """Compare these from now on, and forget the others."""
        wanted = set(releases) - {FALLBACK}
        self._seen = {r: self._seen.get(r) or _Seen() for r in wanted}

    def see(self, records: Iterable[Record]) -> None:
        """Take the feature rows out of the next records of the log."""
        if not self._seen:
            return
        for record in records:
            if isinstance(record, Event):
                self._questions[record.id] = record
                if not record.cached:  # else its features are those of an earlier time of asking
                    self._take(record.id, record.served)
            elif isinstance(record, Beside):
                for answer in record.answers:
                    self._take(record.event, answer)

    def _take(self, event: str, answer: Answer) -> None:
        if not answer.features:
            return
        seen, asked = self._seen.get(answer.release), self._questions.get(event)
        if seen is not None and asked is not None:
            seen.waiting.append((asked.at, asked.inputs, answer.features))

    def compare(self, now: datetime) -> None:
        """Recompute what waits, offline, and move the window on.

        Features that cannot be recomputed are a problem like wrong ones: nobody knows whether they were right. It
        stops no pass, so that errors and latency still take a release back; what waits is tried again.
        """
        self._questions.clear()
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

    def _mismatching(
        self, release: str, rows: list[tuple[datetime, dict[str, Any], bytes]]
    ) -> tuple[int, int, Counter[str]]:
        online = np.frombuffer(b"".join(f for _, _, f in rows), dtype="<f4").reshape(len(rows), -1)
        offline = self.recompute(release, [q for _, q, _ in rows], [at for at, _, _ in rows])
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
