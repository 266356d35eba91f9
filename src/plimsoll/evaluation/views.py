"""Which measures a reader is shown first, whatever the page is made of."""

from __future__ import annotations

from plimsoll.evaluation.measurement import ALL, Evaluation, Measure
from plimsoll.stats import METRICS


def overall(evaluation: Evaluation | None) -> list[tuple[str, dict[str, Measure]]]:
    """Each metric over all rows: comparator ("" for none) → measure."""
    rows: dict[str, dict[str, Measure]] = {}
    for m in evaluation.measures if evaluation else ():
        if m.slice == ALL:
            rows.setdefault(m.metric, {})[m.comparator] = m
    return list(rows.items())


def headliner(evaluation: Evaluation) -> str:
    """The metric that the plots over blocks and slices show: the first with a value per row."""
    taken = list(dict.fromkeys(m.metric for m in evaluation.measures))
    return next((name for name in taken if name in METRICS and METRICS[name].rows), taken[0])


def by_block(evaluation: Evaluation) -> list[list[Measure]]:
    """The release's own values, then its losses against the comparators, where there are any."""
    metric = headliner(evaluation)
    found = [m for m in evaluation.measures if m.metric == metric and m.slice == ALL and m.blocks]
    groups = [[m for m in found if not m.comparator], [m for m in found if m.comparator]]
    return [g for g in groups if g]


def by_slice(evaluation: Evaluation) -> list[Measure]:
    """Slices with an interval: the losses against the comparators, or without any the release's own values."""
    metric = headliner(evaluation)
    found = [m for m in evaluation.measures if m.metric == metric and m.low is not None and m.high is not None]
    if not any(m.slice != ALL for m in found):
        return []
    return [m for m in found if m.comparator] or found
