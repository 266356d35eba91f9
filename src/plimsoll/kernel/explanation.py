"""A verdict that explains itself: each finding in one plain sentence, with how much more it would take.

Made from what the ledger keeps (evidence, policy, findings), so that old lines are explained like new ones and none
holds anything for it. How much more: the same judge is asked again as if the blocks so far came once more, in their
order. It is an estimate that knows the spread, the dependence and the rate that were seen, and no luck.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import cycle, islice
from typing import Literal

import msgspec

from plimsoll.kernel.digest import short
from plimsoll.kernel.figure import figure, share, span
from plimsoll.kernel.records import FALLBACK, ITSELF
from plimsoll.kernel.verdict import Count, Evidence, Finding, Policy, Ruling, Verdict, fail_alphas, find
from plimsoll.stats.change import DEPENDENCE_ALLOWANCE
from plimsoll.stats.metrics import METRICS, called, known_by_id
from plimsoll.stats.planner import first_shown
from plimsoll.stats.sequence import START

MOST_BLOCKS = 400
"""Beyond these nobody waits: the question is too fine for this traffic."""
FEWEST_BLOCKS = 4
"""Fewer say nothing about how blocks spread."""
_HOUR = timedelta(hours=1)


class More(msgspec.Struct, frozen=True, kw_only=True):
    """How much more evidence, like that so far, would decide, and which way. ``hours`` at the present traffic, None
    where the blocks' names are no times."""

    towards: Literal["pass", "fail"]
    blocks: int | None
    events: int
    hours: float | None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as a person asks about it. ``limit`` is the margin where it compares; ``more`` is None where nothing
    more is needed, where it would not help, and where it cannot be said (``says`` tells which)."""

    requirement: str
    slice: str
    ruling: Ruling
    metric: str
    unit: str
    estimate: float | None
    low: float | None
    high: float | None
    limit: float
    comparator: str
    evidence: str
    blocks: int
    events: int
    more: More | None
    says: str


def explained(verdict: Verdict, evidence: Sequence[Evidence]) -> tuple[Explanation, ...]:
    """Each finding of ``verdict`` explained; ``evidence`` as ``judge`` got it (more may follow).

    Costs some thirty judgements for each finding that is inconclusive: about 10 ms.
    """
    judged = evidence[: len(verdict.findings)]
    alphas = fail_alphas(judged, verdict.policy, verdict.requirements)
    return tuple(
        explain(e, f, verdict.policy, fail_alpha=alpha, minimum_blocks=verdict.minimum_blocks)
        for e, f, alpha in zip(judged, verdict.findings, alphas, strict=True)
    )


def explain(e: Evidence, f: Finding, policy: Policy, *, fail_alpha: float, minimum_blocks: int = 0) -> Explanation:
    """``f``, the finding on ``e``, explained."""
    undecided = f.ruling is Ruling.INCONCLUSIVE and e.source != "live"
    known = undecided and e.events and not 0 < len(e.blocks) < FEWEST_BLOCKS and not e.requirement.compares_quantiles
    more = _more(e, policy, fail_alpha, minimum_blocks) if known else None
    return Explanation(
        requirement=f.requirement,
        slice=f.slice,
        ruling=f.ruling,
        metric=called(f.metric),
        unit=known_by_id(f.metric).unit,
        estimate=f.estimate,
        low=f.low,
        high=f.high,
        limit=f.limit,
        comparator=f.comparator,
        evidence=f.evidence,
        blocks=f.blocks,
        events=f.events,
        more=more,
        says=_placed(f.slice, _says(e, f, policy, fail_alpha, minimum_blocks, more)),
    )


# ── how much more ────────────────────────────────────────────────────────────────────────────────────────────────────


def _more(e: Evidence, policy: Policy, fail_alpha: float, minimum_blocks: int) -> More | None:
    def ruling(n: int) -> Ruling:
        return find(_grown(e, n), policy, fail_alpha=fail_alpha, minimum_blocks=minimum_blocks).ruling

    decided = (Ruling.PASS, Ruling.FAIL)
    n = first_shown(lambda n: ruling(n) in decided, MOST_BLOCKS if e.blocks else _most_events(e))
    if n is None:
        return None
    towards: Literal["pass", "fail"] = "pass" if ruling(n) is Ruling.PASS else "fail"
    if e.blocks:
        each = _hours_of_a_block([b.name for b in e.blocks])
        events = round(n * e.events / len(e.blocks))
        return More(towards=towards, blocks=n, events=events, hours=each and round(n * each, 1))
    hours = _hours_of_counts(e.counts)
    return More(towards=towards, blocks=None, events=n, hours=hours and round(n * hours / e.events, 1))


def _most_events(e: Evidence) -> int:
    """What MOST_BLOCKS blocks like those so far have."""
    return math.ceil(MOST_BLOCKS * e.events / len(e.counts))


def _grown(e: Evidence, n: int) -> Evidence:
    """``e`` with ``n`` more blocks, as if those so far came again; with ``n`` more events, where it counts."""
    if e.blocks:
        return msgspec.structs.replace(e, blocks=tuple(islice(cycle(e.blocks), len(e.blocks) + n)))
    more = n * len(e.counts) / e.events
    return msgspec.structs.replace(e, counts=_more_counts(e.counts, more), against=_more_counts(e.against, more))


def _more_counts(counts: Sequence[Count], blocks: float) -> tuple[Count, ...]:
    """With so many ``blocks`` more; what is left after the last whole one is as they all are."""
    if not counts:
        return ()
    whole = int(blocks)
    left = (blocks - whole) / len(counts)
    hits, n = (round(left * sum(column)) for column in ([c.hits for c in counts], [c.n for c in counts]))
    return (*islice(cycle(counts), len(counts) + whole), Count("", min(hits, n), n))


def _hours_of_a_block(names: Sequence[str]) -> float | None:
    """From the first block to the last, by the number of steps: nights and days without traffic count as they come."""
    first, last = _time(names[0]), _time(names[-1])
    if first is None or last is None:
        return None
    if len(names) == 1:
        return 24.0 if len(names[0]) == len("2013-02-08") else 1.0
    return (last - first) / _HOUR / (len(names) - 1)


def _hours_of_counts(counts: Sequence[Count]) -> float | None:
    first, last = _time(counts[0].name.partition("…")[0]), _time(counts[-1].name.rpartition("…")[2])
    return None if first is None or last is None else (last - first) / _HOUR + 1.0


def _time(name: str) -> datetime | None:
    """A block's beginning, where its name is one: a day or an hour."""
    try:
        return datetime.fromisoformat(name.removesuffix("Z")).replace(tzinfo=None)
    except ValueError:
        return None


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _placed(slice: str, sentence: str) -> str:
    return sentence if slice == "all" else f"For {slice} {sentence[0].lower()}{sentence[1:]}"


def _says(e: Evidence, f: Finding, policy: Policy, fail_alpha: float, minimum_blocks: int, more: More | None) -> str:
    if f.ruling is Ruling.INVALID:
        return f"Nothing was judged: {f.reason}. More data does not help; the cause has to be mended."
    least = max(minimum_blocks, policy.min_gate_blocks if e.source == "gate" else START)
    if f.estimate is None:
        wanted = "" if f.metric in _COUNTED or e.source == "live" else f" It takes at least {least} blocks."
        return f"There is no evidence yet: {f.reason}.{wanted}"
    if e.source == "live":
        return _live(e, f, policy, fail_alpha)
    if f.ruling is Ruling.PASS:
        return f"It holds: {_measured(e, f)}."
    if f.ruling is Ruling.FAIL:
        return f"It does not hold: {_measured(e, f)}."
    return f"Not shown either way: {_measured(e, f)}. {_wanted(e, more, least)}"


_COUNTED = frozenset(name for name, metric in METRICS.items() if metric.by_hour)


_WHOM = {FALLBACK: "the fallback", ITSELF: "its untroubled answers"}


def _measured(e: Evidence, f: Finding) -> str:
    """``log_loss is 0.0384 better than the champion, 0.0312 worse at worst; 0.015 worse is allowed``."""
    r = e.requirement
    assert f.estimate is not None
    if r.compares:
        whom = _WHOM.get(f.comparator) or f"{r.than} {short(f.comparator)}"
        if r.kind == "equivalent":
            seen = f"{called(f.metric)} is {_against(f.estimate, f)} than {whom}"
            return f"{seen}, {_either(f)}; {figure(r.limit)} either way is allowed"
        bound = f.low if f.ruling is Ruling.FAIL else f.high
        at = "at best" if f.ruling is Ruling.FAIL else "at worst"
        needed = f"it has to be {figure(-r.limit)} better" if r.limit < 0 else "it has to be better"
        allowed = f"{figure(r.limit)} worse is allowed" if r.limit > 0 else needed
        return f"{called(f.metric)} is {_against(f.estimate, f)} than {whom}, {_bound(bound, at, f)}; {allowed}"
    asked = "at least" if r.kind == "at_least" else "at most"
    near = f.low if (r.kind == "at_least") != (f.ruling is Ruling.FAIL) else f.high
    if r.definition.quantile is not None:
        may = share(1.0 - r.definition.quantile)
        seen = f"{share(f.estimate)} of the answers take longer than {r.limit:g} ms"
        return f"{seen}, {_rate(near)}; at most {may} may"
    if r.definition.counted:
        return f"{called(f.metric)} is {share(f.estimate)}, {_rate(near)}; {asked} {share(r.limit)} is asked for"
    said = "with no bounds yet" if near is None else f"{_end(f, near)} {figure(near, f.limit, f.high)}"
    return (
        f"{called(f.metric)} is {figure(f.estimate, f.limit, f.high)}, {said}; {asked} {figure(f.limit)} is asked for"
    )


def _end(f: Finding, near: float) -> str:
    return "no lower than" if near == f.low else "no higher than"


def _rate(near: float | None) -> str:
    return "with no bounds yet" if near is None else f"and may be {share(near)}"


def _against(value: float, f: Finding) -> str:
    word = "worse" if value > 0 else "better"
    return f"{figure(abs(value), f.limit, f.low, f.high)} {word}"


def _either(f: Finding) -> str:
    if f.low is None or f.high is None:
        return "with no bounds yet"
    return f"between {_against(f.low, f)} and {_against(f.high, f)}"


def _bound(value: float | None, at: str, f: Finding) -> str:
    return "with no bounds yet" if value is None else f"{_against(value, f)} {at}"


def _wanted(e: Evidence, more: More | None, least: int) -> str:
    if 0 < len(e.blocks) < FEWEST_BLOCKS:
        return f"{_blocks(len(e.blocks))} cannot tell how many it takes; at least {least}."
    if more is None:
        many = f"{MOST_BLOCKS} more blocks" if e.blocks else f"{_most_events(e):,} more events"
        return f"Even {many} like those so far would not decide it: what was seen lies too close to the limit."
    amount = _blocks(more.blocks, "more ") if more.blocks is not None else f"{more.events:,} more events"
    beside = [f"{more.events:,} events"] if more.blocks is not None else []
    beside += [span(more.hours)] if more.hours is not None else []
    inside = f" ({', '.join(beside)})" if beside else ""
    outcome = "that it holds" if more.towards == "pass" else "that it does not hold"
    return f"About {amount}{inside} like those so far would show {outcome}."


def _blocks(n: int, more: str = "") -> str:
    return f"{n} {more}block{'s' * (n != 1)}"


def _live(e: Evidence, f: Finding, policy: Policy, fail_alpha: float) -> str:
    """A lease's detector: how near it is to the alarm."""
    run_length = policy.run_length_blocks * policy.alpha / fail_alpha
    run_length *= policy.looks_per_block if e.counts else DEPENDENCE_ALLOWANCE
    seen = math.log(math.fsum(math.exp(x) for x in f.state) / len(f.state)) if f.state else 0.0
    found = msgspec.structs.replace(f, low=None, high=None)
    odds = f"the evidence of a change is e^{seen:.1f}, and the lease ends at e^{math.log1p(run_length):.1f}"
    word = "It no longer holds" if f.ruling is Ruling.FAIL else "It holds"
    return f"{word}: {_measured(e, found).replace(', with no bounds yet', '')} (since the last look); {odds}."


def waiting(explanations: Sequence[Explanation]) -> str:
    """The longest wait among what is undecided, in words; empty where nothing is known to be waited for."""
    undecided = [x.more for x in explanations if x.more is not None]
    if not undecided:
        return ""
    longest = max(undecided, key=lambda m: (m.hours or 0.0, m.blocks or 0))
    amount = _blocks(longest.blocks, "more ") if longest.blocks else f"{longest.events:,} more events"
    wait = f", {span(longest.hours)}" if longest.hours else ""
    return f"about {amount}{wait} like those so far would decide"
