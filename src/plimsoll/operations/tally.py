"""Sufficient statistics of what was answered: events, what was said beside them, and their outcomes, by block.

The tally reads each record once, in the order of the log, and can be rebuilt from it at any time. It keeps counts
per hour for what is judged at once (errors, slow answers) and, for each block, who said what and what turned out.
A block closes when it is over and all its events are labelled, or too old for a label to come; blocks close in
order. Only closed blocks are evidence of quality: the fast half of a day is not the day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.evaluation import blockwise, rowset
from plimsoll.kernel.promise import ENDS
from plimsoll.kernel.records import Answer, Beside, Event, Outcome, Record
from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.verdict import Block, Count
from plimsoll.stats.metrics import Metric, found

Floats = NDArray[np.float64]
OVER_AFTER = timedelta(hours=24)
"""A block is over when a later one has begun, or after this long without an event."""

KEPT_BLOCKS = 400
"""Closed blocks that are kept at least: more than a year of days."""


def hour_of(at: datetime) -> str:
    """The name of the hour that ``at`` (in UTC) lies in."""
    return at.isoformat()[:13]


class _OpenBlock:
    """A block that still waits: rows in the order they were asked."""

    __slots__ = ("columns", "first_at", "hour", "labelled", "labels", "last_at", "name", "scores", "size")

    def __init__(self, name: str, at: datetime, columns: Sequence[str]) -> None:
        self.name, self.first_at, self.last_at = name, at, at
        self.size = self.labelled = 0
        self.hour = ""  # of its newest event
        self.labels: list[float] = []
        self.scores: dict[str, dict[int, float | tuple[float, ...]]] = defaultdict(dict)
        self.columns: dict[str, list[Any]] = {c: [] for c in columns}


class ClosedBlock:
    """A block that is evidence. ``labels`` is NaN where the outcome never came."""

    __slots__ = ("columns", "first_at", "labels", "name", "scores", "task")

    def __init__(self, block: _OpenBlock, task: str) -> None:
        self.name, self.first_at, self.task = block.name, block.first_at, task
        self.labels: Floats = np.array(block.labels)
        self.scores = {r: _column(by_row, block.size) for r, by_row in block.scores.items()}
        self.columns = {c: np.array([str(v) for v in values]) for c, values in block.columns.items()}

    @property
    def missing_share(self) -> float:
        return float(np.isnan(self.labels).mean())


def _column(by_row: dict[int, float | tuple[float, ...]], size: int) -> Floats:
    """One score a row, NaN where this release said nothing (or an error)."""
    first = next(iter(by_row.values()), 0.0)
    shape = (size, len(first)) if isinstance(first, tuple) else (size,)
    scores = np.full(shape, np.nan)
    if by_row:
        scores[np.fromiter(by_row, np.int64, len(by_row))] = np.array(list(by_row.values()), dtype=np.float64)
    return scores


class Tally:
    """Everything counted so far of one capability. Not thread-safe: the loop owns it.

    ``duplicates``: outcomes of what had one. ``late``: those that came when their block was due to close.
    ``unknown``: those of no open block's event: never ours, or long closed.
    ``stragglers``: events whose block had closed already: they count for errors and latency, not for quality.
    """

    def __init__(
        self,
        *,
        task: str,
        maturity: timedelta,
        limits_ms: Iterable[float] = (),
        columns: Iterable[str] = (),
        metrics: Iterable[Metric] = (),
        keep_blocks: int = KEPT_BLOCKS,
    ) -> None:
        self.task, self.maturity = task, maturity
        self.limits_ms = tuple(sorted(set(limits_ms)))
        self.columns = tuple(sorted(set(columns)))
        self.metrics = tuple(metrics)
        self.keep_blocks = keep_blocks
        self.closed: list[ClosedBlock] = []
        self.events = self.outcomes = self.duplicates = self.late = self.unknown = self.stragglers = 0
        self.served: dict[str, int] = defaultdict(int)
        self.tainted: set[tuple[str, str]] = set()  # (release, block) whose features were wrong
        self._open: dict[str, _OpenBlock] = {}
        self._rows: dict[str, tuple[_OpenBlock, int]] = {}
        self._shut: set[str] = set()  # names of closed blocks
        self._counts: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(dict)
        self._cache: dict[tuple[Any, ...], tuple[Block, ...]] = {}

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, records: Iterable[Record]) -> None:
        """Take in the next records of the log."""
        for record in records:
            if isinstance(record, Event):
                self._event(record)
            elif isinstance(record, Outcome):
                self._outcome(record)
            else:
                self._beside(record)

    def _event(self, event: Event) -> None:
        hour = hour_of(event.at)
        self.events += 1
        if event.block in self._shut:
            self.stragglers += 1
        else:
            block, row = self._asked(event)
            block.hour = hour
            self._score(event.served, block, row)
        if not event.cached:  # what was said before tells nothing of how the release does now
            self._measure(event.served, hour)
        self.served[event.served.release if event.action != "fallback" else "fallback"] += 1
        for metric, actions in (("abstention_rate", ENDS), ("fallback_rate", ("fallback",))):
            self._count(event.served.release, metric, hour, hit=event.action in actions)

    def _asked(self, event: Event) -> tuple[_OpenBlock, int]:
        """A new row of the event's block."""
        block = self._open.get(event.block)
        if block is None:
            block = self._open[event.block] = _OpenBlock(event.block, event.at, self.columns)
        row = block.size
        block.size += 1
        block.last_at = max(block.last_at, event.at)
        block.labels.append(np.nan)
        for column, values in block.columns.items():
            values.append(event.inputs.get(column))
        self._rows[event.id] = (block, row)
        return block, row

    def _beside(self, record: Beside) -> None:
        found = self._rows.get(record.event)
        if found is None:
            self.unknown += 1
            return
        block, row = found
        for answer in record.answers:
            self._score(answer, block, row)
            self._measure(answer, block.hour)

    @staticmethod
    def _score(answer: Answer, block: _OpenBlock, row: int) -> None:
        if answer.score is not None:
            block.scores[answer.release][row] = answer.score

    def _measure(self, answer: Answer, hour: str) -> None:
        """Errors and slow answers, which are judged whatever the block."""
        self._count(answer.release, "error_rate", hour, hit=bool(answer.error))
        for limit in self.limits_ms:
            self._count(answer.release, f">{limit:g}ms", hour, hit=answer.latency_ms > limit)

    def _count(self, release: str, what: str, hour: str, *, hit: bool) -> None:
        hours = self._counts[release, what]
        bucket = hours.get(hour)
        if bucket is None:
            bucket = hours[hour] = [0, 0]
        bucket[0] += hit
        bucket[1] += 1

    def _outcome(self, outcome: Outcome) -> None:
        found = self._rows.get(outcome.event)
        if found is None:
            self.unknown += 1
            return
        block, row = found
        if not np.isnan(block.labels[row]):
            self.duplicates += 1
            return
        if outcome.at - block.last_at >= self.maturity:  # so that reading the log again later gives the same blocks
            self.late += 1
            return
        block.labels[row] = outcome.label
        block.labelled += 1
        self.outcomes += 1

    # ── closing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def close(self, now: datetime) -> list[str]:
        """Close, in order, the blocks that may be closed by ``now``; their names."""
        names = []
        blocks = sorted(self._open.values(), key=lambda b: (b.first_at, b.name))
        for block, following in zip_longest(blocks, blocks[1:]):
            over = following is not None or now - block.last_at > OVER_AFTER
            mature = block.labelled == block.size or now - block.last_at >= self.maturity
            if not (over and mature):
                break
            self.closed.append(ClosedBlock(block, self.task))
            del self._open[block.name]
            self._shut.add(block.name)
            names.append(block.name)
        if names:
            self._forget()
        return names

    def _forget(self) -> None:
        """Bound what is kept: rows of closed blocks, and blocks and counts beyond the window."""
        still_open = set(map(id, self._open.values()))
        self._rows = {k: v for k, v in self._rows.items() if id(v[0]) in still_open}
        if len(self.closed) > self.keep_blocks:
            gone = {b.name for b in self.closed[: -self.keep_blocks]}
            del self.closed[: -self.keep_blocks]
            self._shut -= gone
            self.tainted = {(release, name) for release, name in self.tainted if name not in gone}
            self._cache = {k: v for k, v in self._cache.items() if k[0] not in gone}
            oldest = hour_of(self.closed[0].first_at)
            for hours in self._counts.values():
                for hour in [h for h in hours if h < oldest]:
                    del hours[hour]

    def taint(self, release: str, since: datetime) -> None:
        """The features that ``release`` saw since then are wrong: the blocks still asked in are no evidence of quality."""
        self.tainted |= {(release, b.name) for b in self._open.values() if b.last_at >= since}

    @property
    def closed_until(self) -> str:
        """The newest closed block's place in time; blocks close in order, so it only grows."""
        return self.closed[-1].first_at.isoformat() if self.closed else ""

    @property
    def open_since(self) -> list[datetime]:
        """When each block that is not closed yet began."""
        return [block.first_at for block in self._open.values()]

    def blocks_since(self, since: datetime, after: str = "") -> list[ClosedBlock]:
        """Closed blocks that began at or after ``since``, and after the place ``after``."""
        return [b for b in self.closed if b.first_at >= since and b.first_at.isoformat() > after]

    # ── evidence ─────────────────────────────────────────────────────────────────────────────────────────────────

    def counts(self, requirement: Requirement, release: str, *, after: str, until: str) -> tuple[Count, ...]:
        """Hits and events per hour in (after, until] of an operational requirement; hours as in HOUR."""
        what = requirement.metric if requirement.definition.quantile is None else f">{requirement.limit:g}ms"
        hours = self._counts.get((release, what), {})
        seen: list[Count] = []
        for hour in reversed(hours):  # they are opened in the order of the log, so the newest are at the end
            if hour <= after:
                break
            if hour <= until:
                seen.append(Count(hour, *hours[hour]))
        return tuple(reversed(seen))

    def definition(self, requirement: Requirement) -> Metric:
        """How its metric is measured. Raises UsageError if that is no longer what it was when it was required."""
        return found(requirement.metric, self.metrics)

    def blocks(
        self,
        requirement: Requirement,
        release: str,
        comparator: str,
        closed: Iterable[ClosedBlock],
        value: str | None = None,
    ) -> tuple[Block, ...]:
        """The requirement's metric on each of ``closed``: on its own, or as the loss against ``comparator``, paired
        on the rows that both answered. ``value`` restricts to the rows of one slice of ``requirement.by``. Raises
        UsageError where it cannot be measured."""
        definition = self.definition(requirement)
        seen: list[Block] = []
        for block in closed:
            if (release, block.name) in self.tainted or (comparator, block.name) in self.tainted:
                continue
            key = (block.name, requirement.metric, release, comparator, requirement.by, value)
            if key not in self._cache:
                self._cache[key] = _measured(block, definition, requirement.by, release, comparator, value)
            seen += self._cache[key]
        return tuple(seen)

    def rows(self, release: str, closed: Iterable[ClosedBlock]) -> tuple[Floats, Floats, NDArray[np.str_]]:
        """(scores, labels, block names) of the rows that ``release`` answered; NaN where the outcome never came."""
        scores, labels, names = [], [], []
        for block in closed:
            if release in block.scores and (release, block.name) not in self.tainted:
                there = _there(block.scores[release])
                scores.append(block.scores[release][there])
                labels.append(block.labels[there])
                names.append(np.full(int(there.sum()), block.name))
        if not scores:
            return np.empty(0), np.empty(0), np.empty(0, dtype=np.str_)
        return np.concatenate(scores), np.concatenate(labels), np.concatenate(names)


def _there(scores: Floats) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = np.isnan(scores)
    return np.logical_not(missing.any(axis=1) if missing.ndim == 2 else missing)


def _measured(
    block: ClosedBlock, metric: Metric, by: str | None, release: str, comparator: str, value: str | None
) -> tuple[Block, ...]:
    """One Block, or none where nobody of the pair answered."""
    ours = block.scores.get(release)
    theirs = block.scores.get(comparator) if comparator else None
    if ours is None or (comparator and theirs is None):
        return ()
    rows = _there(ours) if theirs is None else _there(ours) & _there(theirs)
    if value is not None and by:
        rows &= block.columns[by] == value
    if not rows.any():
        return ()
    others = {} if theirs is None else {comparator: theirs[rows]}
    cut = rowset(block.task, ours[rows], block.labels[rows], [block.name] * int(rows.sum()), others)
    return blockwise(metric, cut, comparator, None).blocks
