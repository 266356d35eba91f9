"""A rehearsal's account as rows to draw: how good the answers were, and how sure one could be, over time.

Nothing is judged here: the numbers that decided stand in the ledger's verdicts, and are read from there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from plimsoll.kernel.records import FALLBACK
from plimsoll.operations.closed import ClosedBlock, measured
from plimsoll.operations.story.account import Account, verdict_of
from plimsoll.operations.story.series import Row, iso
from plimsoll.operations.story.wording import ROUTINE
from plimsoll.stats import METRICS, t_interval

Floats = NDArray[np.float64]
TRAILING = 28
"""Blocks in the trailing mean of a chart, for the eye: long enough to see past single days."""
FEWEST = 7


def metric_of(a: Account) -> str:
    """The metric that releases are compared by: that of the gate's first comparison by one of ours, or the first row metric."""
    compared = [f.metric for v in a.gates.values() for f in v.findings if f.comparator and f.metric in METRICS]
    return (
        compared[0]
        if compared
        else next(m.name for m in METRICS.values() if (m.rows or m.per_query) and m.defined_for(a.task))
    )


class Reign(NamedTuple):
    """Who held the lease, whom it had taken over from, and from when to when."""

    release: str
    predecessor: str
    since: datetime
    until: datetime


def reigns(a: Account) -> list[Reign]:
    """The leases in order."""
    found: list[Reign] = []
    for line, d in a.history:
        live = d.lease.release if d.lease else ""
        if found and found[-1].release == live:
            continue
        if found:
            found[-1] = found[-1]._replace(until=line.entry.at)
        if live or found:
            found.append(Reign(live, d.predecessor or "", line.entry.at, a.until))
    return [r for r in found if r.release]


def judged_blocks(a: Account, since: datetime, until: datetime) -> list[ClosedBlock]:
    """Blocks that began within and have most of their outcomes: the others speak for neither side."""
    return [b for b in a.blocks if since <= b.first_at < until and b.missing_share <= 0.2]


def differences(a: Account) -> list[Row]:
    """Per block, how much worse the live release did than the fallback and than its predecessor (below zero: better),
    with the trailing mean and its 95 % interval within one reign."""
    metric, found = METRICS[metric_of(a)], []
    for reign in reigns(a):
        for against in filter(None, (FALLBACK, reign.predecessor)):
            pairs = [
                (b, lost.mean)
                for b in judged_blocks(a, reign.since, reign.until)
                if (reign.release, b.name) not in a.tainted and (against, b.name) not in a.tainted
                if (lost := measured(b, metric, reign.release, against, None, "")[""]) is not None
            ]
            found += list(_trailing(a, reign, against, pairs))
    return found


def _trailing(a: Account, reign: Reign, against: str, pairs: Sequence[tuple[ClosedBlock, float]]) -> Iterator[Row]:
    values = [v for _, v in pairs]
    to = "the fallback" if against == FALLBACK else "its predecessor"
    for i, (block, value) in enumerate(pairs):
        row = {
            "at": iso(block.first_at),
            "who": a.name(reign.release),
            "to": to,
            "value": value,
            "reign": iso(reign.since),
        }
        window = values[max(0, i + 1 - TRAILING) : i + 1]
        if len(window) >= FEWEST:
            bound = t_interval(window, alpha_low=0.025, alpha_high=0.025)
            row |= {"mean": bound.estimate, "low": bound.low, "high": bound.high}
        yield row


_MONTHLY = ("auc", "calibration_error", "rmse")
"""Ranking, honesty, size of the error: what a month's rows are asked, of all that could be."""


class Monthly(NamedTuple):
    """A metric by calendar month: of the live releases as they answered, and of the fallback on the same rows."""

    metric: str
    unit: str
    rows: list[Row]


def monthly(a: Account) -> list[Monthly]:
    """What a month's rows say about ranking, honesty and the base rate."""
    months = _months(a)
    whole = [METRICS[name] for name in _MONTHLY if METRICS[name].defined_for(a.task)]
    found = []
    for m in whole:
        assert m.whole is not None
        found.append(Monthly(m.name, m.unit, _measured(months, m.whole)))
    base = {"binary": "share of outcomes that happened", "regression": "mean outcome"}.get(a.task)
    if base:
        rows = [
            {"month": month, "who": "what happened", "value": float(y.mean())} for month, (_, _, y) in months.items()
        ]
        found.append(Monthly("base rate" if a.task == "binary" else "outcome", base, rows))
    return [m for m in found if len(m.rows) > 1]


def _measured(months: dict[str, tuple[Floats, Floats, Floats]], whole: Callable[[Any, Any], float]) -> list[Row]:
    found = []
    for month, (ours, fallback, y) in months.items():
        for who, scores in (("live", ours), ("fallback", fallback)):
            known = ~np.isnan(scores)
            if known.sum() >= 500 and len(np.unique(y[known])) > 1:
                found.append({"month": month, "who": who, "value": float(whole(scores[known], y[known]))})
    return found


def _months(a: Account) -> dict[str, tuple[Floats, Floats, Floats]]:
    """month → (live scores, fallback scores, labels) of the labelled rows while somebody held the lease."""
    parts: dict[str, list[tuple[Floats, Floats, Floats]]] = defaultdict(list)
    zone = ZoneInfo(a.timezone)
    for reign in reigns(a):
        for b in (b for b in a.blocks if reign.since <= b.first_at < reign.until):
            ours = b.scores.get(reign.release)
            if ours is None or ours.ndim > 1 or (reign.release, b.name) in a.tainted:
                continue
            known = ~np.isnan(b.labels)
            theirs = b.scores.get(FALLBACK, np.full(len(b.labels), np.nan))
            month = b.first_at.astimezone(zone).strftime("%Y-%m-01T00:00:00Z")
            parts[month].append((ours[known], theirs[known], b.labels[known]))
    joined = {m: tuple(np.concatenate(column) for column in zip(*p, strict=True)) for m, p in sorted(parts.items())}
    return {m: (x[0], x[1], x[2]) for m, x in joined.items() if len(x[2]) >= 500}


# ── how sure one could be ─────────────────────────────────────────────────────────────────────────────────────────


def trials(a: Account) -> list[Row]:
    """For each release on trial: the comparison with its champion at each look, and the sequence around it."""
    found: list[Row] = []
    for line, d in a.history:
        entry = line.entry
        if entry.subject not in a.labels or entry.kind not in ROUTINE | {"advanced", "live", "held", "rolled_back"}:
            continue
        verdict = verdict_of(entry.body)
        if verdict is None or (entry.kind == "renewed") or (entry.kind == "look" and d.rollout is None):
            continue
        for f in verdict.findings:
            if f.comparator and f.estimate is not None and f.slice == "all":
                found.append(
                    {"who": a.labels[entry.subject], "to": a.name(f.comparator), "blocks": f.blocks,
                     "estimate": f.estimate, "low": f.low, "high": f.high, "limit": f.limit, "metric": f.metric,
                     "kind": entry.kind, "requirement": f.requirement}
                )  # fmt: skip
                break
    long = {who for who in a.labels.values() if sum(r["who"] == who for r in found) >= 3}
    return [r for r in found if r["who"] in long]
