"""Sufficient statistics of what was answered: events, what was said beside them, and their outcomes, by block.

The tally reads each record once, in the order of the log, and can be rebuilt from it at any time. It keeps counts
per hour for what is judged at once (errors, slow answers) and, for each block, who said what and what turned out.
A block closes when it is over and all its events are labelled, or too old for a label to come; blocks close in
order. Only closed blocks are evidence of quality: the fast half of a day is not the day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.kernel.records import Beside, Event, Outcome, Record
from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.verdict import Block, Count
from plimsoll.operations.closed import ClosedBlock, Floats, OpenBlock, answered, measured
from plimsoll.operations.hours import Hours, hour_of
from plimsoll.operations.shown import OpenShown
from plimsoll.stats.metrics import Metric, found

OVER_AFTER = timedelta(hours=24)
"""A block is over when a later one has begun, or after this long without an event."""
KEPT_BLOCKS = 400
"""Closed blocks that are kept at least: more than a year of days."""
_ROW = 40
"""A row's place is one number: its block's, and these many bits for the row."""


class Tally:
    """Everything counted so far of one capability. Not thread-safe: the loop owns it.

    ``duplicates``: outcomes of what had one. ``late``: those that came when their block was due to close.
    ``unknown``: those of no open block's event: never ours, or long closed.
    ``stragglers``: events whose block had closed already: they count for errors and latency, not for quality.
    ``shown``: keep who was shown whose answer, and these numbers of its outcome; None where nobody asks for it.
    """

    def __init__(
        self,
        *,
        task: str,
        maturity: timedelta,
        limits_ms: Iterable[float] = (),
        columns: Iterable[str] = (),
        metrics: Iterable[Metric] = (),
        shown: Iterable[str] | None = None,
        keep_blocks: int = KEPT_BLOCKS,
    ) -> None:
        self.task, self.maturity = task, maturity
        self.columns = tuple(sorted(set(columns)))
        self.metrics = tuple(metrics)
        self.shown = None if shown is None else tuple(sorted(set(shown)))
        self.keep_blocks = keep_blocks
        self.closed: list[ClosedBlock] = []
        self.events = self.outcomes = self.duplicates = self.late = self.unknown = self.stragglers = 0
        self.served: dict[str, int] = defaultdict(int)
        self.tainted: set[tuple[str, str]] = set()  # (release, block) whose features were wrong
        self._open: dict[str, OpenBlock] = {}
        self._numbered: dict[int, OpenBlock] = {}
        self._begun = 0  # how many blocks were opened
        self._rows: dict[str, int] = {}  # an open event's place: its block's number and its row
        self._shut: set[str] = set()  # names of closed blocks
        self._hours = Hours(limits_ms)
        self._cache: dict[tuple[Any, ...], dict[str, Block | None]] = {}

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
        self._hours.settle()

    def _event(self, event: Event) -> None:
        hours, served = self._hours, event.served
        hour = hours.of(event.at)
        self.events += 1
        block = self._open.get(event.block)
        if block is None and event.block in self._shut:
            self.stragglers += 1
        else:
            block = block or self._opened(event)
            block.hour = hour
            if event.at > block.last_at:
                block.last_at = event.at
            row = block.add(event.id, event.inputs)
            self._rows[event.id] = block.number << _ROW | row
            if block.shown is not None:
                block.shown.add(event)
            if served.score is not None:
                block.scores[served.release][row] = served.score
        if not event.cached:  # what was said before tells nothing of how the release does now
            hours.answered(served, hour)
        self.served[served.release if event.action != "fallback" else "fallback"] += 1
        hours.got(event, hour)

    def _opened(self, event: Event) -> OpenBlock:
        self._begun += 1
        shown = None if self.shown is None else OpenShown(self.shown)
        block = OpenBlock(event.block, self._begun, event.at, self.columns, shown)
        self._open[event.block] = self._numbered[self._begun] = block
        return block

    def _beside(self, record: Beside) -> None:
        place = self._rows.get(record.event)
        if place is None:
            self.unknown += 1
            return
        block, row = self._numbered[place >> _ROW], place & ((1 << _ROW) - 1)
        for answer in record.answers:
            if answer.score is not None:
                block.scores[answer.release][row] = answer.score
            self._hours.answered(answer, block.hour)

    def _outcome(self, outcome: Outcome) -> None:
        place = self._rows.get(outcome.event)
        if place is None:
            self.unknown += 1
            return
        block, row = self._numbered[place >> _ROW], place & ((1 << _ROW) - 1)
        label = block.labels[row]
        if label == label:  # it is a number already
            self.duplicates += 1
            return
        if outcome.at - block.last_at >= self.maturity:  # so that reading the log again later gives the same blocks
            self.late += 1
            return
        block.labels[row] = outcome.label
        if block.shown is not None:
            block.shown.told(row, outcome)
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
            del self._open[block.name], self._numbered[block.number]
            for id in block.ids:
                if self._rows.get(id, 0) >> _ROW == block.number:  # not asked again in a later block
                    del self._rows[id]
            self._shut.add(block.name)
            names.append(block.name)
        if names:
            self._forget()
        return names

    def _forget(self) -> None:
        """Bound what is kept: blocks and counts beyond the window."""
        if len(self.closed) > self.keep_blocks:
            gone = {b.name for b in self.closed[: -self.keep_blocks]}
            del self.closed[: -self.keep_blocks]
            self._shut -= gone
            self.tainted = {(release, name) for release, name in self.tainted if name not in gone}
            self._cache = {k: v for k, v in self._cache.items() if k[0] not in gone}
            self._hours.forget(hour_of(self.closed[0].first_at))

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
        hours = self._hours.counts.get((release, what), {})
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
            key = (block.name, requirement.metric, release, comparator, requirement.by)
            known = self._cache.setdefault(key, {})
            if (value or "") not in known:
                known |= measured(block, definition, release, comparator, requirement.by, value or "")
            one = known[value or ""]
            seen += [one] if one else []
        return tuple(seen)

    def rows(self, release: str, closed: Iterable[ClosedBlock]) -> tuple[Floats, Floats, NDArray[np.str_]]:
        """(scores, labels, block names) of the rows that ``release`` answered, or was to answer where it is kept who that
        was; NaN where the outcome never came."""
        scores, labels, names = [], [], []
        for block in closed:
            if release in block.scores and (release, block.name) not in self.tainted:
                there = answered(block.scores[release])
                if block.shown is not None:
                    there &= block.shown.by(release)
                scores.append(block.scores[release][there])
                labels.append(block.labels[there])
                names.append(np.full(int(there.sum()), block.name))
        if not scores:
            return np.empty(0), np.empty(0), np.empty(0, dtype=np.str_)
        return np.concatenate(scores), np.concatenate(labels), np.concatenate(names)
