"""From statistics to evidence: what the loop's next decision may rest on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

import numpy as np
from msgspec.structs import replace

from plimsoll.errors import UsageError
from plimsoll.evaluation import blockwise, rowset
from plimsoll.kernel.block import began
from plimsoll.kernel.case import Observation, Terms, carry_key
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.rollout import Deployment, Rollout
from plimsoll.kernel.verdict import Block, Count, Evidence, Ruling, Source, find
from plimsoll.operations import arms
from plimsoll.operations.closed import ClosedBlock
from plimsoll.operations.exposure import ExposureWatch
from plimsoll.operations.hours import HOUR, hour_of
from plimsoll.operations.skew import SkewWatch
from plimsoll.operations.tally import Tally
from plimsoll.stats.metric import Metric

RECENT_BLOCKS = 14
"""The window on which a lapsing release and its rivals are scored against each other."""
RETRAIN_BLOCKS = 28
"""The window on which the retrain requirements are measured."""
MINIMUM_SLICE_EVENTS = 200
DAY = timedelta(days=1)


class Observer:
    """Reads evidence off a tally and a skew watch. Pure but for what these two hold."""

    def __init__(
        self,
        tally: Tally,
        skew: SkewWatch,
        exposure: ExposureWatch,
        terms: Terms,
        *,
        retrain: Iterable[Requirement] = (),
        block_length: timedelta | None = timedelta(days=1),
    ) -> None:
        self.tally, self.skew, self.exposure, self.terms = tally, skew, exposure, terms
        self.block_length = block_length
        self.retrain = tuple(retrain)
        self._arms: dict[tuple[str | None, ...], tuple[tuple[str, ...], Evidence]] = {}

    def observe(self, d: Deployment, now: datetime) -> Observation:
        """Everything known at ``now`` about what is deployed."""
        counted_until = hour_of(now - timedelta(hours=1))
        news = bool(d.lease) and self.tally.closed_until > (d.lease.judged_until if d.lease else "")
        trial, stage_blocks, late = self._trial(d.rollout, now) if d.rollout else ((), 0, False)
        keep = self._keep(d, d.lease, counted_until if news else hour_of(now)) if d.lease else ()
        watched = d.rollout.release if d.rollout and not self._lease_in_doubt(d) else d.lease and d.lease.release
        return Observation(
            now=now,
            trial=trial,
            stage_blocks=stage_blocks,
            deadline_passed=late,
            keep=keep,
            recent=self._recent(d, d.lease) if d.lease and d.lease.standing == "held" else (),
            rivals=self._rivals(d, d.lease) if d.lease and (news or d.lease.proof) else {},
            proof=self._proof(d.lease, now) if d.lease else (),
            retrain=self._retrain(d.lease) if d.lease and news else (),
            checked=self.skew.checked(watched) if watched else 0,
            shared=self._shared(d, (*trial, *keep)),
            closed_until=self.tally.closed_until,
            counted_until=counted_until,
        )

    @staticmethod
    def _lease_in_doubt(d: Deployment) -> bool:
        return d.lease is not None and d.lease.standing in ("grace", "safe")

    # ── the rollout ──────────────────────────────────────────────────────────────────────────────────────────────

    def _trial(self, r: Rollout, now: datetime) -> tuple[tuple[Evidence, ...], int, bool]:
        source: Source = "canary" if r.current.kind == "canary" else "shadow"
        problems = (*self._problems(r.release, r.champion), *self.exposure.problems(r))
        evidence = self._paired(
            r.current.requires, r.release, r.champion, r.evidence_since, source, now, problems=problems
        )
        closed = self.tally.blocks_since(r.since)
        stage_blocks = sum(b.missing_share <= self.terms.policy.max_missing_share for b in closed)
        allowed = r.current.deadline_blocks
        length = self.block_length
        timed_out = length is not None and now - r.since > (allowed + 1) * length + self.terms.maturity
        return evidence, stage_blocks, len(closed) >= allowed or timed_out

    def _paired(
        self,
        requires: Iterable[Requirement],
        release: str,
        champion: str,
        since: datetime,
        source: Source,
        now: datetime,
        *,
        problems: tuple[str, ...],
        until: datetime | None = None,
    ) -> tuple[Evidence, ...]:
        closed = [b for b in self.tally.blocks_since(since) if until is None or b.last_at < until]
        found: list[Evidence] = []
        for requirement in requires:
            comparator = self._named(requirement, champion, champion)
            if requirement.by_hour:
                counted = partial(self._by_block, requirement, since=since, until=hour_of(now))
                found.append(
                    Evidence(
                        requirement=requirement,
                        release=release,
                        source=source,
                        comparator=comparator,
                        counts=counted(release),
                        against=counted(comparator) if comparator else (),
                        problems=problems,
                        waits_for=f"{requirement}: no answers yet",
                    )
                )
                continue
            for value in self._slices(requirement, closed):
                bare = Evidence(
                    requirement=requirement,
                    release=release,
                    source=source,
                    comparator=comparator,
                    slice=f"{requirement.by}={value}" if value else "all",
                    problems=problems,
                    waits_for=self._due(requirement, since),
                )
                found.append(self._measured(bare, closed, value))
        return tuple(found)

    def _due(self, requirement: Requirement, since: datetime) -> str:
        hours = self.terms.maturity.total_seconds() / 3600
        return f"{requirement}: no closed block since {since:%Y-%m-%d %H:%M}; labels may take {hours:g} hours"

    def _slices(self, requirement: Requirement, closed: Sequence[ClosedBlock]) -> Sequence[str | None]:
        """The slices large enough to be judged; the rest is not."""
        if not requirement.by:
            return (None,)
        sizes: Counter[str] = Counter()
        for block in closed:
            sizes.update(block.columns[requirement.by].sizes())
        return tuple(sorted(name for name, size in sizes.items() if size >= MINIMUM_SLICE_EVENTS))

    # ── the lease ────────────────────────────────────────────────────────────────────────────────────────────────

    def _keep(self, d: Deployment, lease: Lease, until: str) -> tuple[Evidence, ...]:
        problems = self._problems(lease.release)
        closed = self.tally.blocks_since(lease.granted_at, lease.judged_until)
        found: list[Evidence] = []
        for requirement in lease.keep:
            if requirement.by_hour:
                after = max(lease.counted_until, hour_of(lease.granted_at - timedelta(hours=1)))
                e = Evidence(
                    requirement=requirement,
                    release=lease.release,
                    source="live",
                    counts=self.tally.counts(requirement, lease.release, after=after, until=until),
                    problems=problems,
                    waits_for=f"{requirement}: no answers since the last look",
                )
                found.append(_carried(e, lease))
                continue
            comparator = self._named(requirement, "", d.predecessor or "")
            if requirement.compares and not comparator:
                continue  # the first release has no predecessor: there is nothing to compare with
            for value in self._slices(requirement, closed):
                e = Evidence(
                    requirement=requirement,
                    release=lease.release,
                    source="live",
                    comparator=comparator,
                    slice=f"{requirement.by}={value}" if value else "all",
                    problems=problems,
                    waits_for=f"{requirement}: no block has closed since the last look",
                )
                found.append(_carried(self._measured(e, closed, value), lease))
        return tuple(found)

    def _recent_blocks(self, lease: Lease) -> list[ClosedBlock]:
        return self.tally.blocks_since(lease.granted_at)[-RECENT_BLOCKS:]

    def _recent(self, d: Deployment, lease: Lease) -> tuple[Evidence, ...]:
        since = max(lease.granted_at, lease.since or lease.granted_at)
        closed = self.tally.blocks_since(since)[-RECENT_BLOCKS:]
        if len(closed) < RECENT_BLOCKS:
            return ()
        return tuple(
            self._measured(Evidence(requirement=r, release=lease.release, source="gate", comparator=comparator), closed)
            for r in lease.keep
            if not r.operational and (comparator := self._named(r, "", d.predecessor or ""))
        )

    def _rivals(self, d: Deployment, lease: Lease) -> dict[str, tuple[Evidence, ...]]:
        closed = self._recent_blocks(lease)
        metrics = dict.fromkeys(r.metric for r in lease.keep if r.compares and not r.operational)
        names = [p for p in d.predecessors if p not in d.known_bad] + ([FALLBACK] if d.has_fallback else [])
        rivals = {
            name: tuple(
                seen
                for r in (Requirement(kind="better", metric=m, limit=0.0, than="champion") for m in metrics)
                if (seen := self._measured(_against(r, name, lease.release), closed)).blocks or seen.problems
            )
            for name in names
        }
        return {name: evidence for name, evidence in rivals.items() if evidence}

    def _proof(self, lease: Lease, now: datetime) -> tuple[Evidence, ...]:
        if lease.proof is None or lease.provisional_until is None or now < lease.provisional_until:
            return ()
        p = lease.proof
        quality = tuple(r for r in p.requires if not r.operational)
        problems = self._problems(lease.release, p.champion)
        until = lease.granted_at if self.terms.unpaired else None  # from then on the champion was shown to nobody
        return self._paired(quality, lease.release, p.champion, p.since, "canary", now, problems=problems, until=until)

    def _retrain(self, lease: Lease) -> tuple[Evidence, ...]:
        closed = self.tally.blocks_since(lease.granted_at)[-RETRAIN_BLOCKS:]
        if len(closed) < RECENT_BLOCKS:
            return ()
        return tuple(
            self._measured(
                Evidence(requirement=r, release=lease.release, source="gate", problems=self._problems(lease.release)),
                closed,
            )
            for r in self.retrain
        )

    def _level(
        self, r: Requirement, release: str, closed: Sequence[ClosedBlock], value: str | None
    ) -> tuple[Block, ...]:
        definition = self.tally.definition(r)
        if definition.whole is None:
            return self.tally.blocks(r, release, "", closed, value)
        scores, labels, names = self.tally.rows(release, closed)
        if len(np.unique(names)) < 2:
            return ()
        rows = rowset(self.tally.task, scores, labels, names.tolist(), {})
        return blockwise(definition, rows, "", None).blocks

    def _measured(self, e: Evidence, closed: Sequence[ClosedBlock], value: str | None = None) -> Evidence:
        """``e`` with its blocks. A metric that raises, or is no longer what was required, makes it inadmissible: that is
        neither a pass nor an exception which stops the loop."""
        try:
            definition = self.tally.definition(e.requirement)
            if (self.terms.unpaired and definition.whole is None) or definition.reads:
                return self._of_arms(e, definition, closed, value)
            if e.comparator:
                blocks = self.tally.blocks(e.requirement, e.release, e.comparator, closed, value)
            else:
                blocks = self._level(e.requirement, e.release, closed, value)
        except UsageError as error:
            return replace(e, problems=(*e.problems, f"{e.requirement}: {error}"))
        return replace(e, blocks=blocks)

    def _of_arms(self, e: Evidence, metric: Metric, closed: Sequence[ClosedBlock], value: str | None) -> Evidence:
        """Measured anew when a block has closed: who comes back is in many blocks, so no block has its part for good."""
        tainted = self.tally.tainted
        untainted = [b for b in closed if not {(e.release, b.name), (e.comparator, b.name)} & tainted]
        if not untainted:
            return e
        asked = (metric.id, e.requirement.by, value, e.release, e.comparator, e.source)
        names = tuple(b.name for b in untainted)
        known = self._arms.get(asked)
        if known is None or known[0] != names:
            known = self._arms[asked] = names, arms.measured(e, metric, untainted, value)
        seen = known[1]
        return replace(e, blocks=seen.blocks, arms=seen.arms, hidden=seen.hidden, waits_for=seen.waits_for)

    # ── shared ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _problems(self, *releases: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p for r in releases if (p := self.skew.problem(r))))

    @staticmethod
    def _named(requirement: Requirement, champion: str, predecessor: str) -> str:
        """The release behind a comparator's word."""
        return {"champion": champion, "predecessor": predecessor, "fallback": FALLBACK}.get(requirement.than or "", "")

    def _shared(self, d: Deployment, evidence: Sequence[Evidence]) -> frozenset[str]:
        """Operational metrics that another release fails on the same hours too: nobody is to blame for those."""
        others = [r for r in (d.lease and d.lease.release, d.predecessor) if r]
        found: set[str] = set()
        for e in evidence:
            if not e.requirement.operational or e.requirement.compares or not any(c.hits for c in e.counts):
                continue
            if find(e, self.terms.policy, fail_alpha=self.terms.policy.alpha).ruling is not Ruling.FAIL:
                continue
            for other in others:
                if other != e.release and self._fails_too(e, other):
                    found.add(e.requirement.metric)
        return frozenset(found)

    def _fails_too(self, e: Evidence, other: str) -> bool:
        since = datetime.fromisoformat(f"{e.counts[0].name.partition('…')[0]}:00")
        counts = self._by_block(e.requirement, other, since=since, until=e.counts[-1].name.rpartition("…")[2])
        twin = Evidence(requirement=e.requirement, release=other, source="shadow", counts=counts)
        return find(twin, self.terms.policy, fail_alpha=self.terms.policy.alpha).ruling is Ruling.FAIL

    def _by_block(self, requirement: Requirement, release: str, *, since: datetime, until: str) -> tuple[Count, ...]:
        """Hits and events of each block from ``since`` to the hour ``until``; of each day where a block is no time. Where
        quantiles are compared, of all of them by edge."""
        counts = self.tally.counts(requirement, release, after=hour_of(since - HOUR), until=until)
        if requirement.compares_quantiles:
            return counts
        return _blocks_of_time(counts, max(HOUR, self.block_length or DAY), hour_of(since))


def _against(requirement: Requirement, release: str, other: str) -> Evidence:
    return Evidence(requirement=requirement, release=release, source="gate", comparator=other)


def _carried(e: Evidence, lease: Lease) -> Evidence:
    return replace(e, carry=lease.carry.get(carry_key(e), ()))


def _blocks_of_time(counts: Sequence[Count], length: timedelta, first: str) -> tuple[Count, ...]:
    """One row for the hours of each block of ``length``, named by its first hour (not before ``first``) and the last seen."""

    def begun(count: Count) -> str:
        return max(first, hour_of(began(datetime.fromisoformat(f"{count.name}:00+00:00"), length)))

    found = []
    for name, hours in groupby(counts, begun):
        there = list(hours)
        found.append(Count(f"{name}…{there[-1].name}", sum(c.hits for c in there), sum(c.n for c in there)))
    return tuple(found)
