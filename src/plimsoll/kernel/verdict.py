"""The verdict: a pure function of requirements and evidence. Replayable for as long as the ledger is kept.

Evidence holds sufficient statistics, never conclusions: one row per closed block (or counts), from which the
bounds are computed again at every replay. How they are computed depends on where the evidence comes from:

=============== ============================== ==================================
source          comparisons, quality           rates (errors, slow answers)
=============== ============================== ==================================
gate            Student's t over blocks        Clopper-Pearson; of rows that fail a behaviour, at
                                               as many events as the blocks are worth
shadow, canary  anytime-valid sequence         anytime-valid bets, levels that move
live            e-detector, promised run length e-detector, promised run length
=============== ============================== ==================================

Two arms that answered different units, because the answer changes what happens, are compared by the same sequence over
blocks, with what the blocks cannot show of who is in which arm added to its variance.

A requirement passes when the bound that speaks against it clears the limit, fails when the other bound misses
it, and is inconclusive in between. ``fail`` is a union over requirements, so its error is split over them; ``pass``
is an intersection, so each is tested at the full level (Berger 1982, Technometrics 24:295).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Literal

import msgspec

from plimsoll.kernel.digest import digest, rounded
from plimsoll.kernel.requirement import Requirement
from plimsoll.stats.change import mean_detector, rate_detector
from plimsoll.stats.clustered_rate import clustered_rate
from plimsoll.stats.interval import Interval, exact_rate, t_interval
from plimsoll.stats.metrics import known_by_id
from plimsoll.stats.moving_rate import log_evidence_above, moving_rate
from plimsoll.stats.onset import SHARE, starts
from plimsoll.stats.sequence import START, mean_sequence
from plimsoll.stats.two_quantiles import Over, Values, quantile_difference
from plimsoll.stats.two_rates import Arm, difference_sequence

KERNEL_VERSION = 6
"""Written into every verdict: another version replays with its differences shown."""

Source = Literal["gate", "shadow", "canary", "live"]


class Ruling(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


class Block(msgspec.Struct, frozen=True, array_like=True):
    """One closed block: ``n`` events, the mean of the metric (or of the loss against the comparator, positive =
    worse), the same mean if every missing outcome had turned out for the best (``low``) or for the worst (``high``)
    for us, ``floor``, the least the mean could have been before any label was known, and how many are ``missing``."""

    name: str
    n: int
    mean: float
    low: float
    high: float
    floor: float
    missing: int = 0


class Count(msgspec.Struct, frozen=True, array_like=True):
    """``hits`` (errors, answers over the limit) among ``n`` events of one time bucket. For a lease, an hour. For a rollout, a
    block, since a rate's level moves from block to block; the last may still be open. In order of time."""

    name: str
    hits: int
    n: int


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A requirement's metric measured for one release. Either ``blocks`` or ``counts`` is filled; ``against`` are the
    comparator's counts of the same hours, where a rate is compared. Where a quantile is compared, each count is named by an
    edge in milliseconds, and says how many of all answers took longer.

    ``arms`` is not empty where two arms are compared that answered different units (how many: ours, theirs), and ``hidden``
    is then the variance of the blocks' mean that they cannot show: who is in which arm (``stats.two_arms``).

    ``problems`` make it inadmissible. ``carry`` is a live detector's state before these blocks. ``waits_for`` says,
    when there is too little, what is missing and until when.
    """

    requirement: Requirement
    release: str
    source: Source
    comparator: str = ""
    slice: str = "all"
    blocks: tuple[Block, ...] = ()
    counts: tuple[Count, ...] = ()
    against: tuple[Count, ...] = ()
    arms: tuple[int, ...] = ()
    hidden: float = 0.0
    carry: tuple[float, ...] = ()
    problems: tuple[str, ...] = ()
    waits_for: str = ""

    @property
    def id(self) -> str:
        fields = msgspec.structs.asdict(self)
        for later in ("against", "arms", "hidden"):
            if not fields[later]:  # it is as it was before there was such a field, and is called the same
                del fields[later]
        return digest(fields)

    @property
    def events(self) -> int:
        if self.requirement.compares_quantiles:
            return self.counts[0].n if self.counts else 0
        return sum(b.n for b in self.blocks) or sum(c.n for c in self.counts)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The error rates that a capability promises.

    ``alpha``: the chance of a false pass of one requirement, and of a false fail of all of them together.
    ``run_length_blocks``: mean number of blocks between two false alarms on a live lease (365 days: one a year);
    ``looks_per_block``: how many count buckets a block has. ``start_blocks``: no sequence over blocks fails before.
    ``planned_blocks``: where a sequence over blocks is narrowest; take about as many as a decision should need.
    ``max_missing_share``: a block that lacks more of its outcomes than this speaks for neither side and is named in
    the finding; what is judged is then the days on which outcomes come. Below it, every missing outcome is bounded.
    """

    alpha: float = 0.05
    run_length_blocks: float = 365.0
    looks_per_block: int = 24
    start_blocks: int = 5
    planned_blocks: int = 20
    min_gate_blocks: int = 7
    max_missing_share: float = 0.2


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement judged on one slice, with the numbers it was judged on."""

    requirement: str
    ruling: Ruling
    reason: str
    release: str
    metric: str
    slice: str
    comparator: str
    limit: float
    estimate: float | None
    low: float | None
    high: float | None
    method: str
    blocks: int
    events: int
    state: tuple[float, ...] = ()
    evidence: str = (
        ""  # the evidence's id; filled in when the verdict is written down (hashing it costs more than judging)
    )

    @property
    def operational(self) -> bool:
        """About the machinery, not about being right."""
        return known_by_id(self.metric).operational


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is decided from findings. ``pass`` with no finding does not exist: nothing shown is inconclusive.

    ``policy``, ``minimum_blocks`` and ``requirements`` are what ``judge`` was given beside the evidence: with them it
    gives this verdict again.
    """

    ruling: Ruling
    findings: tuple[Finding, ...]
    at: datetime
    policy: Policy
    minimum_blocks: int = 0
    requirements: int = 0
    kernel_version: int = KERNEL_VERSION

    @property
    def reasons(self) -> tuple[str, ...]:
        """The sentences of the findings that made the ruling."""
        return tuple(f.reason for f in self.findings if f.ruling is self.ruling)


def identified(verdict: Verdict, evidence: Sequence[Evidence]) -> Verdict:
    """The verdict with each finding naming the evidence that it was judged on; ``evidence`` as ``judge`` got it."""
    found = zip(verdict.findings, evidence, strict=True)
    return msgspec.structs.replace(verdict, findings=tuple(msgspec.structs.replace(f, evidence=e.id) for f, e in found))


def combine(rulings: Iterable[Ruling]) -> Ruling:
    """Any fail → fail; else any invalid → invalid; else any inconclusive (or nothing at all) → inconclusive; else pass."""
    found = set(rulings)
    for worst in (Ruling.FAIL, Ruling.INVALID, Ruling.INCONCLUSIVE):
        if worst in found:
            return worst
    return Ruling.PASS if found else Ruling.INCONCLUSIVE


def judge(
    evidence: Sequence[Evidence], policy: Policy, now: datetime, *, minimum_blocks: int = 0, requirements: int = 0
) -> Verdict:
    """The verdict over all ``evidence``. ``minimum_blocks``: below it nothing over blocks passes (it may fail).

    The error of failing is split over the requirements, and each one's share over its slices. ``requirements`` is how
    many there are over all looks, where a look may have evidence for fewer: a share that changed from look to look
    would promise each look another error, and all of them together more than ``alpha``.
    """
    shares = fail_alphas(evidence, policy, requirements)
    findings = tuple(
        find(e, policy, fail_alpha=share, minimum_blocks=minimum_blocks)
        for e, share in zip(evidence, shares, strict=True)
    )
    return Verdict(
        ruling=combine(f.ruling for f in findings),
        findings=findings,
        at=now,
        policy=policy,
        minimum_blocks=minimum_blocks,
        requirements=requirements,
    )


def fail_alphas(evidence: Sequence[Evidence], policy: Policy, requirements: int = 0) -> tuple[float, ...]:
    """Each piece's share of the error of failing, as ``judge`` splits it."""
    slices = Counter(e.requirement for e in evidence)
    share = policy.alpha / max(1, requirements, len(slices))
    return tuple(share / slices[e.requirement] for e in evidence)


def find(e: Evidence, policy: Policy, *, fail_alpha: float, minimum_blocks: int = 0) -> Finding:
    """Judge one piece of evidence: admissible? enough? then the bounds against the limit."""
    if e.problems:
        return _finding(e, Ruling.INVALID, "; ".join(e.problems))
    if not _usable(e):
        return _finding(e, Ruling.INVALID, f"{e.requirement}: a measured value is not a usable number")
    judged = tuple(b for b in e.blocks if b.missing <= policy.max_missing_share * b.n)
    finding = _found(msgspec.structs.replace(e, blocks=judged), policy, fail_alpha, minimum_blocks)
    if left_out := [b.name for b in e.blocks if b not in judged]:
        why = f"{', '.join(left_out)} not judged: more than {policy.max_missing_share:.0%} of the outcomes never came"
        return msgspec.structs.replace(finding, reason=f"{finding.reason} ({why})")
    return finding


def _usable(e: Evidence) -> bool:
    """A measuring error is invalid: it is neither a pass nor an exception that stops the loop."""
    numbers = (x for b in e.blocks for x in (b.mean, b.low, b.high, b.floor))
    return all(map(math.isfinite, numbers)) and all(0 <= c.hits <= c.n for c in (*e.counts, *e.against))


def _found(e: Evidence, policy: Policy, fail_alpha: float, minimum_blocks: int) -> Finding:
    """The finding on admissible evidence, whose blocks are all judged."""
    if not e.blocks and not sum(c.n for c in e.counts):
        return _finding(e, Ruling.INCONCLUSIVE, e.waits_for or f"{e.requirement}: no evidence yet")
    if e.source == "live":
        return _live(e, policy, fail_alpha)
    if e.source == "gate" or e.arms or e.requirement.compares_quantiles:
        # one look; of who is in which arm no block has its part for good; and edges are no times
        return _from_the_beginning(e, policy, fail_alpha, minimum_blocks)
    whole = _from_the_beginning(e, policy, (1.0 - SHARE) * fail_alpha, minimum_blocks)
    return whole if whole.ruling is Ruling.FAIL else next(_failing_since(e, policy, fail_alpha), whole)


def _from_the_beginning(
    e: Evidence, policy: Policy, fail_alpha: float, minimum_blocks: int, before: Sequence[Count] | None = None
) -> Finding:
    """On all that ``e`` has. ``before``: the counts in front of it, where it is a part."""
    if e.counts and e.requirement.compares:
        if not sum(c.n for c in e.against):
            return _finding(e, Ruling.INCONCLUSIVE, f"{e.requirement}: the {e.requirement.than} has not answered yet")
        between = _of_quantiles if e.requirement.compares_quantiles else _difference
        if e.requirement.kind == "equivalent":
            return _within(e, partial(between, e), e.requirement.limit, policy.alpha, fail_alpha)
        difference = between(e, alpha_low=fail_alpha, alpha_high=policy.alpha)
        return _bounded(e, difference, e.requirement.limit)
    if e.counts:
        return _bounded(e, _count_interval(e, policy, fail_alpha, before), _rate_limit(e.requirement))
    return _over_blocks(e, policy, fail_alpha, minimum_blocks)


def _failing_since(e: Evidence, policy: Policy, fail_alpha: float) -> Iterator[Finding]:
    """The fails of sequences that begin later than the evidence does, each with its part of the error: what was good before a
    fault began does not speak for it (``stats.onset``). They never pass anybody."""
    steps, length = (e.blocks, START) if e.blocks else (e.counts, 1)
    for j, share in starts(len(steps) // length):
        alpha, first = share * fail_alpha, j * length
        since, before = steps[first].name, e.counts[:first]
        part = msgspec.structs.replace(
            e,
            blocks=e.blocks[first:],
            counts=e.counts[first:],
            against=tuple(c for c in e.against if c.name >= since),
        )
        if e.counts and not e.requirement.compares and not _speaks_against(part, before, alpha):
            continue
        found = _from_the_beginning(part, policy, alpha, 0, before)
        if (
            found.ruling is Ruling.FAIL and found.low != found.high
        ):  # a few equal blocks among many are chance, no constant
            yield _ruled(found, Ruling.FAIL, f"{found.reason} since {since.partition('…')[0]}")


def _speaks_against(e: Evidence, before: Sequence[Count], alpha: float) -> bool:
    """Whether the rate exceeds its limit; to know it costs a twentieth of the bounds."""
    log = log_evidence_above(_pairs(e.counts), _rate_limit(e.requirement), before=_pairs(before))
    return log >= -math.log(alpha)


def _over_blocks(e: Evidence, policy: Policy, fail_alpha: float, minimum_blocks: int) -> Finding:
    sign, limit = e.requirement.sign, e.requirement.sign * e.requirement.limit
    worst, best = _oriented(e.blocks, sign)
    sequence = partial(mean_sequence, planned=policy.planned_blocks, hidden=e.hidden)
    bounds = t_interval if e.source == "gate" else sequence
    mean = sum(sign * b.mean for b in e.blocks) / len(e.blocks)

    def around(*, alpha_low: float, alpha_high: float, low: Sequence[float], high: Sequence[float]) -> Interval:
        if e.source == "gate" and e.requirement.definition.of == "behaviour":
            return clustered_rate(high, [b.n for b in e.blocks], alpha_low=alpha_low, alpha_high=alpha_high)
        upper, lower = (bounds(values, alpha_low=alpha_low, alpha_high=alpha_high) for values in (high, low))
        problem = upper.problem or lower.problem
        method = f"{upper.method}, two arms" if e.arms else upper.method
        return msgspec.structs.replace(upper, estimate=mean, low=lower.low, problem=problem, method=method)

    if e.requirement.kind == "equivalent":  # the missing outcomes could lie on either side
        finding = _within(e, partial(around, low=best, high=worst), limit, policy.alpha, fail_alpha)
    else:  # the worst must clear the limit to pass, the best must miss it to fail
        finding = _bounded(e, around(alpha_low=fail_alpha, alpha_high=policy.alpha, low=best, high=worst), limit)
    needed = max(minimum_blocks, policy.min_gate_blocks if e.source == "gate" else 0)
    if finding.ruling is Ruling.PASS and len(e.blocks) < needed:
        return _ruled(
            finding,
            Ruling.INCONCLUSIVE,
            f"{e.requirement}: so far so good, {len(e.blocks)} of {needed} blocks closed",
        )
    if finding.ruling is Ruling.FAIL and len(e.blocks) < policy.start_blocks:
        return _ruled(
            finding,
            Ruling.INCONCLUSIVE,
            f"{e.requirement}: looks bad, but {len(e.blocks)} blocks are too few to say so",
        )
    return finding


def _live(e: Evidence, policy: Policy, fail_alpha: float) -> Finding:
    """Change detection: the lease is renewed unless the evidence against it, however long the good past, is too strong.

    A union of k detectors has its alarms split like an error rate: each gets k times the run length.
    """
    split = policy.alpha / fail_alpha
    sign, limit = e.requirement.sign, e.requirement.sign * e.requirement.limit
    if e.counts:
        limit = _rate_limit(e.requirement)
        found = rate_detector(
            e.carry,
            [(c.hits, c.n) for c in e.counts],
            limit=limit,
            run_length=policy.run_length_blocks * policy.looks_per_block * split,
        )
        n = e.events
        estimate = sum(c.hits for c in e.counts) / n
    else:
        _, best = _oriented(e.blocks, sign)
        floors = [min(b.floor, x) for b, x in zip(e.blocks, best, strict=True)]
        found = mean_detector(
            e.carry,
            list(zip(best, floors, strict=True)),
            limit=limit,
            run_length=policy.run_length_blocks * split,
        )
        estimate = sum(sign * b.mean for b in e.blocks) / len(e.blocks)
    ruling = Ruling.FAIL if found.alarm else Ruling.PASS
    odds = f"evidence of change e^{found.log_e:.1f}"
    said = (
        f"{e.requirement}: no longer holds, latest {_shown(e, estimate)} ({odds})"
        if found.alarm
        else (f"{e.requirement}: holds, latest {_shown(e, estimate)} ({odds})")
    )
    finding = _finding(
        e,
        ruling,
        said,
        Interval(estimate=estimate, low=-math.inf, high=math.inf, method=found.method, n=e.events),
    )
    return msgspec.structs.replace(finding, state=tuple(rounded(x) for x in found.state))


def _bounded(e: Evidence, interval: Interval, limit: float) -> Finding:
    if interval.problem:
        return _finding(e, Ruling.INVALID, f"{e.requirement}: {interval.problem}", interval)
    superior = e.requirement.kind == "better"
    if interval.high < limit or (interval.high == limit and not superior):
        ruling, word = Ruling.PASS, "holds"
    elif interval.low > limit or (superior and interval.low >= limit):
        ruling, word = Ruling.FAIL, "does not hold"
    else:
        ruling, word = Ruling.INCONCLUSIVE, "is not shown either way"
    return _finding(e, ruling, f"{e.requirement}: {word}, {_said(e, interval)}", interval)


def _within(e: Evidence, around: Callable[..., Interval], margin: float, alpha: float, fail_alpha: float) -> Finding:
    """Equivalence by two one-sided tests (Schuirmann 1987). Inside on both sides, each at ``alpha``, to pass; outside on
    one, whose error is half of ``fail_alpha``, to fail."""
    inside, outside = (around(alpha_low=a, alpha_high=a) for a in (alpha, fail_alpha / 2.0))
    if inside.problem:
        return _finding(e, Ruling.INVALID, f"{e.requirement}: {inside.problem}", inside)
    if -margin < inside.low and inside.high < margin:
        ruling, word = Ruling.PASS, "holds"
    elif outside.low > margin or outside.high < -margin:
        ruling, word = Ruling.FAIL, "does not hold"
    else:
        ruling, word = Ruling.INCONCLUSIVE, "is not shown either way"
    return _finding(e, ruling, f"{e.requirement}: {word}, {_said(e, inside)}", inside)


def _count_interval(e: Evidence, policy: Policy, fail_alpha: float, before: Sequence[Count] | None) -> Interval:
    if e.requirement.definition.of == "cases":  # all there are: nothing was sampled
        share = sum(c.hits for c in e.counts) / e.events
        return Interval(share, share, share, "every case", e.events)
    if e.source == "gate":
        return exact_rate(sum(c.hits for c in e.counts), e.events, alpha_low=fail_alpha, alpha_high=policy.alpha)
    known = None if before is None else _pairs(before)
    return moving_rate(_pairs(e.counts), alpha_low=fail_alpha, alpha_high=policy.alpha, before=known)


def _pairs(counts: Sequence[Count]) -> list[tuple[int, int]]:
    return [(c.hits, c.n) for c in counts]


def _difference(e: Evidence, *, alpha_low: float, alpha_high: float) -> Interval:
    """Of the two rates. Where both answered the same requests, what fails one may fail the other; of what is seen only
    where it was shown, each has its own."""
    paired = not e.requirement.definition.of_shown
    ours, theirs = (Arm(sum(c.hits for c in counts), sum(c.n for c in counts)) for counts in (e.counts, e.against))
    return difference_sequence(ours, theirs, alpha_low=alpha_low, alpha_high=alpha_high, paired=paired)


def _of_quantiles(e: Evidence, *, alpha_low: float, alpha_high: float) -> Interval:
    """Of the two quantiles."""
    quantile = e.requirement.definition.quantile
    assert quantile is not None
    ours, theirs = (
        Values([Over(float(c.name), c.hits) for c in counts], counts[0].n) for counts in (e.counts, e.against)
    )
    return quantile_difference(ours, theirs, quantile, alpha_low=alpha_low, alpha_high=alpha_high)


def _rate_limit(requirement: Requirement) -> float:
    """A quantile's requirement is a rate's: p95 ≤ 50 ms says that at most 5 % of the answers take longer."""
    quantile = requirement.definition.quantile
    return requirement.limit if quantile is None else 1.0 - quantile


def _oriented(blocks: Sequence[Block], sign: int) -> tuple[list[float], list[float]]:
    """(worst case, best case) of each block, more meaning worse."""
    if sign > 0:
        return [b.high for b in blocks], [b.low for b in blocks]
    return [-b.low for b in blocks], [-b.high for b in blocks]


def _said(e: Evidence, interval: Interval) -> str:
    low, high = sorted((e.requirement.sign * interval.low, e.requirement.sign * interval.high))
    bounds = f"[{low:.4g}, {high:.4g}]" if math.isfinite(low) or math.isfinite(high) else "(no bounds yet)"
    return f"{_shown(e, interval.estimate)} {bounds} on {_amount(e)}"


def _shown(e: Evidence, estimate: float) -> str:
    value = round(e.requirement.sign * estimate, 9) or 0.0  # what is left of zero after summing is not worth showing
    if e.requirement.compares:
        return f"{value:+.4g} against {e.comparator[:12]}"
    if e.requirement.definition.quantile is not None:
        return f"{value:.2%} of answers over {e.requirement.limit:g} ms"
    return f"{value:.4g}"


def _amount(e: Evidence) -> str:
    if e.arms:
        return f"{len(e.blocks)} blocks, {e.arms[0]:,} against {e.arms[1]:,} units"
    return f"{len(e.blocks)} blocks, {e.events:,} events" if e.blocks else f"{e.events:,} events"


def _finding(e: Evidence, ruling: Ruling, reason: str, interval: Interval | None = None) -> Finding:
    sign = e.requirement.sign
    bounds = sorted((sign * interval.low, sign * interval.high)) if interval else (math.nan, math.nan)
    return Finding(
        requirement=str(e.requirement),
        ruling=ruling,
        reason=reason if e.slice == "all" else f"{e.slice}: {reason}",
        release=e.release,
        metric=e.requirement.metric,
        slice=e.slice,
        comparator=e.comparator,
        limit=e.requirement.limit,
        estimate=_finite(sign * interval.estimate) if interval else None,
        low=_finite(bounds[0]),
        high=_finite(bounds[1]),
        method=interval.method if interval else "",
        blocks=len(e.blocks),
        events=e.events,
    )


def _ruled(finding: Finding, ruling: Ruling, reason: str) -> Finding:
    return msgspec.structs.replace(finding, ruling=ruling, reason=reason)


def _finite(value: float) -> float | None:
    return rounded(value) if math.isfinite(value) else None
