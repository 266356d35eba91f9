"""Sufficient statistics of what was answered: events, what was said beside them, and their outcomes, by block.

The tally reads each record once, in the order of the log, and can be rebuilt from it at any time. It takes many in at once, as
columns, and comes to what it would come to one by one. It keeps counts
per hour for what is judged at once (errors, slow answers) and, for each block, who said what and what turned out.
A block closes when it is over and all its events are labelled, or too old for a label to come; blocks close in
order. Only closed blocks are evidence of quality: the fast half of a day is not the day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain, zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.kernel.columns import EPOCH, MICROSECOND, Columns, Events, spread
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.verdict import Block, Count
from plimsoll.operations.batch import Asked, Part, before_their_events, first_of_each, newest_at_us, parts, places_of
from plimsoll.operations.begun import BegunBlock, BegunBlocks
from plimsoll.operations.closed import ClosedBlock, Floats, answered, measured
from plimsoll.operations.flat import (
    Bools,
    Codes,
    Integers,
    Names,
    Picker,
    Sayings,
    coded,
    flags,
    floats,
    integers,
    sayings,
)
from plimsoll.operations.hours import Hours, hour_of
from plimsoll.operations.shown import numbered
from plimsoll.operations.waiting import CLOSED, WaitingRows
from plimsoll.stats.metrics import COST, Metric, found

OVER_AFTER = timedelta(hours=24)
"""A block is over when a later one has begun, or after this long without an event."""
_OVER_AFTER_US = OVER_AFTER // MICROSECOND
KEPT_BLOCKS = 400
"""Closed blocks that are kept at least: more than a year of days."""


class Tally:
    """Everything counted so far of one capability. Not thread-safe: the loop owns it.

    ``duplicates``: outcomes of what had one. ``late``: those that came when their block was due to close.
    ``unknown``: those of no open block's event: never ours, or long closed.
    ``stragglers``: events whose block had closed already: they count for errors and latency, not for quality.
    ``group``: the one of ``columns`` that names a row's query, where rows are ranked. ``shown``: keep who was shown whose
    answer, and these numbers of its outcome; None where nobody asks for it.
    """

    def __init__(
        self,
        *,
        task: str,
        maturity: timedelta,
        limits_ms: Iterable[float] = (),
        latencies: bool = False,
        columns: Iterable[str] = (),
        metrics: Iterable[Metric] = (),
        shown: Iterable[str] | None = None,
        group: str = "",
        keep_blocks: int = KEPT_BLOCKS,
    ) -> None:
        self.task, self.maturity, self.group = task, maturity, group
        self._maturity_us = maturity // MICROSECOND
        self.columns = tuple(sorted(set(columns)))
        self.metrics = tuple(metrics)
        self.shown = None if shown is None else tuple(sorted(set(shown) - {COST}))
        self.keep_blocks = keep_blocks
        self.closed: list[ClosedBlock] = []
        self.events = self.outcomes = self.duplicates = self.late = self.unknown = self.stragglers = 0
        self.served: dict[str, int] = defaultdict(int)
        self.tainted: set[tuple[str, str]] = set()  # (release, block) whose features were wrong
        self._begun = BegunBlocks()
        self._rows = WaitingRows(self.columns, self.shown)
        self._pick = Picker(self.columns)
        self._actions = Names()
        self._shut: set[str] = set()  # names of closed blocks
        self._hours = Hours(limits_ms, latencies=latencies)
        self._cache: dict[tuple[Any, ...], dict[str, Block | None]] = {}

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, columns: Sequence[Columns]) -> None:
        """Take in the next records of the log: all together, or in parts where their order makes a difference."""
        if columns and not self._together(columns):
            middle = len(columns) // 2
            self.read(columns[:middle])
            self.read(columns[middle:])

    def _together(self, batch: Sequence[Columns]) -> bool:
        """Take the records in; False where that is not what they come to in their order: then nothing is counted. One record
        has only one kind of rows, whose order is kept."""
        events, said, told = parts(batch)
        asked = self._asked(events)
        order = events.order
        places_said, places_told = (places_of(part, asked, self._rows.index) for part in (said, told))
        if asked.twice and (said.records or told.records):
            return False
        if before_their_events(asked, order, said, places_said) or before_their_events(asked, order, told, places_told):
            return False
        last_us = self._begun.last_with(asked.numbers, asked.at_us)
        at_us, numbers = integers([o.at_us for o in told.records], told.sizes), self._numbers(asked, places_told)
        late, late_at_first = (at_us - last[numbers] >= self._maturity_us for last in (last_us, self._begun.last_us))
        if ((late != late_at_first) & (numbers != CLOSED)).any():
            return False
        self._take_asked(events, asked, last_us)
        self._take_said(said, places_said, asked, order)
        self._take_told(told, places_told, numbers, late)
        self._begun.read_last_us[asked.numbers] = asked.at_us  # where a block comes again, the last one stays
        return True

    def _asked(self, events: Part) -> Asked:
        at_us = integers([e.at_us for e in events.records], events.sizes)
        numbers = self._begun.numbers([e.blocks for e in events.records], events.sizes, at_us, self._shut)
        ids = list(chain.from_iterable(e.ids for e in events.records))
        kept, begin = np.flatnonzero(numbers != CLOSED), self._rows.end
        if len(kept) < len(ids):
            ids = [ids[row] for row in kept.tolist()]
        return Asked(begin, ids, dict(zip(ids, range(begin, begin + len(ids)), strict=True)), at_us, numbers, kept)

    def _numbers(self, asked: Asked, places: Integers) -> Codes:
        """The number of the block at each place, of those that are about to be taken in, too."""
        numbers = np.full(len(places), CLOSED, np.int32)
        old, new = np.flatnonzero((places >= 0) & (places < asked.begin)), np.flatnonzero(places >= asked.begin)
        numbers[old] = self._rows.block[places[old]]
        numbers[new] = asked.numbers[asked.kept][places[new] - asked.begin]
        return numbers

    def _take_asked(self, events: Part, asked: Asked, last_us: Integers) -> None:
        records, sizes, kept = events.records, events.sizes, asked.kept
        if not records:
            return
        codes = {c: values[kept] for c, values in self._sliced(records, sizes).items()}
        self._rows.add(asked.places, asked.numbers[kept], codes)
        self._begun.last_us = last_us
        self._begun.sizes += np.bincount(asked.numbers, minlength=len(last_us))
        said = sayings([e.served for e in records], sizes)
        waiting = asked.numbers != CLOSED
        place = asked.begin - 1 + np.cumsum(waiting)
        for release, rows, scores in said.by_release():
            there = waiting[rows]
            self._rows.say(release, place[rows[there]], scores[there])
        if self.shown is not None:
            names = np.array([self._rows.releases[name] for name in said.names], np.int32)
            costs_usd = np.array([cost for e in records for cost in spread(e.costs_usd, len(e), 0.0)])
            self._rows.show(asked.begin, names[said.releases[kept]], numbered(records)[kept], costs_usd[kept])
        cached = flags([e.cached for e in records], sizes, default=False)
        # what was said before tells nothing of how the release does now
        self._hours.answered(said, asked.at_us, np.logical_not(cached) if cached.any() else None)
        actions = coded([e.actions for e in records], sizes, self._actions, "answer")
        self._hours.got(said, asked.at_us, list(self._actions), actions)
        self.events += len(actions)
        self.stragglers += len(actions) - len(kept)
        self._count_served(said, actions)

    def _sliced(self, records: Sequence[Events], sizes: Integers) -> dict[str, Codes]:
        if not self.columns:
            return {}
        texts = zip(*map(self._pick.texts, records), strict=True)
        n = int(sizes.sum())
        return {
            column: np.fromiter(map(names.__getitem__, chain.from_iterable(of_column)), np.int32, n)
            for (column, names), of_column in zip(self._rows.names.items(), texts, strict=True)
        }

    def _count_served(self, said: Sayings, actions: Codes) -> None:
        """By release; what stood in for an answer counts as the fallback's."""
        counts = np.bincount(said.releases * len(self._actions) + actions)
        names = [FALLBACK if action == "fallback" else name for name in said.names for action in self._actions]
        for name, count in zip(names, counts.tolist(), strict=False):
            if count:
                self.served[name] += count

    def _take_said(self, part: Part, places: Integers, asked: Asked, order: Integers) -> None:
        if not part.records:
            return
        known = self._known(places)
        self.unknown += int(len(known) - known.sum())
        numbers = self._rows.block[np.where(known, places, 0)] if known.any() else np.zeros(len(places), np.int32)
        at_us = newest_at_us(asked, order, self._begun.read_last_us, numbers, part.order)
        scores: dict[str, list[tuple[Integers, Floats]]] = defaultdict(list)
        for nth in range(max(len(record.answers) for record in part.records)):
            having = [len(record.answers) > nth for record in part.records]
            rows = np.flatnonzero(np.repeat(having, part.sizes))
            answers = [record.answers[nth] for record in part.records if len(record.answers) > nth]
            said = sayings(answers, part.sizes[having])
            self._hours.answered(said, at_us[rows], known[rows])
            for release, of_release, its_scores in said.by_release():
                there = known[rows[of_release]]
                scores[release].append((rows[of_release[there]], its_scores[there]))
        for release, pieces in scores.items():
            rows, its_scores = (np.concatenate(values) for values in zip(*pieces, strict=True))
            if len(pieces) > 1:  # it was the first to answer some, the second to answer others: the last word counts
                order = np.argsort(rows, kind="stable")
                rows, its_scores = rows[order], its_scores[order]
            self._rows.say(release, places[rows], its_scores)

    def _known(self, places: Integers) -> Bools:
        """Whether there is a row of an open block at each place."""
        if not self._rows.end:
            return np.zeros(len(places), np.bool_)
        known: Bools = (places >= 0) & (self._rows.block[places] != CLOSED)
        return known

    def _take_told(self, part: Part, places: Integers, numbers: Codes, late: Bools) -> None:
        if not part.records:
            return
        known = numbers != CLOSED
        self.unknown += int(len(known) - known.sum())
        labels = floats([o.labels for o in part.records], part.sizes)[known]
        places, numbers, late = places[known], numbers[known], late[known]
        bare = np.isnan(self._rows.labels[places])
        first, behind = first_of_each(places, bare & ~late)
        again = ~bare | behind
        self._rows.labels[places[first]] = labels[first]
        for name in self.shown or ():
            self._tell(name, part, np.flatnonzero(known)[first], places[first])
        self._begun.labelled += np.bincount(numbers[first], minlength=len(self._begun.labelled))
        self.outcomes += int(first.sum())
        self.duplicates += int(again.sum())
        self.late += int((late & ~again).sum())

    def _tell(self, name: str, part: Part, rows: Integers, places: Integers) -> None:
        """A number of these outcomes, where they have it."""
        every = [v.get(name, np.nan) for o in part.records for v in spread(o.values, len(o), {})]
        values = np.array(every, np.float64)[rows]
        self._rows.tell(name, places, values)

    # ── closing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def close(self, now: datetime) -> list[str]:
        """Close, in order, the blocks that may be closed by ``now``; their names."""
        begun, now_us = self._begun, (now - EPOCH) // MICROSECOND
        due: list[BegunBlock] = []
        blocks = begun.ordered()
        for block, following in zip_longest(blocks, blocks[1:]):
            since_us = now_us - int(begun.last_us[block.number])
            over = following is not None or since_us > _OVER_AFTER_US
            mature = begun.labelled[block.number] == begun.sizes[block.number] or since_us >= self._maturity_us
            if not (over and mature):
                break
            due.append(block)
        if due:
            self._close(due)
        return [block.name for block in due]

    def _close(self, due: Sequence[BegunBlock]) -> None:
        taken = self._rows.take([block.number for block in due], self._begun.count)
        for block, rows in zip(due, taken, strict=True):
            last_at = EPOCH + int(self._begun.last_us[block.number]) * MICROSECOND
            self.closed.append(ClosedBlock(block.name, block.first_at, last_at, self.task, *rows, self.group))
            del self._begun.by_name[block.name]
            self._shut.add(block.name)
        if self._rows.tidy([block.number for block in self._begun.by_name.values()]):
            self._begun.renumber()
        self._forget()

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
        since_us = (since - EPOCH) // MICROSECOND
        last_us = self._begun.last_us
        self.tainted |= {(release, b.name) for b in self._begun.by_name.values() if last_us[b.number] >= since_us}

    @property
    def closed_until(self) -> str:
        """The newest closed block's place in time; blocks close in order, so it only grows."""
        return self.closed[-1].first_at.isoformat() if self.closed else ""

    @property
    def open_since(self) -> list[datetime]:
        """When each block that is not closed yet began."""
        return [block.first_at for block in self._begun.by_name.values()]

    def blocks_since(self, since: datetime, after: str = "") -> list[ClosedBlock]:
        """Closed blocks that began at or after ``since``, and after the place ``after``."""
        return [b for b in self.closed if b.first_at >= since and b.first_at.isoformat() > after]

    # ── evidence ─────────────────────────────────────────────────────────────────────────────────────────────────

    def counts(self, requirement: Requirement, release: str, *, after: str, until: str) -> tuple[Count, ...]:
        """Hits and events per hour in (after, until] of an operational requirement; hours as in HOUR. Where quantiles are
        compared, of all these hours by edge."""
        if requirement.compares_quantiles:
            return self._hours.over_edges(release, after=after, until=until)
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
