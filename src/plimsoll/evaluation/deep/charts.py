"""The plots of a deep evaluation: one chart, one question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from plimsoll.evaluation.deep.document import Deep
from plimsoll.evaluation.deep.loss import Loss
from plimsoll.evaluation.deep.perturbation import how
from plimsoll.evaluation.deep.words import by_kind, ranked
from plimsoll.evaluation.look import BLUE, GREY, OCHRE, level
from plimsoll.evaluation.spans import spans
from plimsoll.kernel.figure import share

MOST = 16
"""Troubles in a plot: those that cost most. The table has all."""


def charts(deep: Deep) -> Iterator[tuple[str, Any]]:
    """(part, chart) of what there is a plot of."""
    if deep.robustness and (drawn := _robustness(deep)) is not None:
        yield "robustness", drawn
    if deep.ablation and (drawn := _ablation(deep)) is not None:
        yield "ablation", drawn
    if any(c.flips is not None and c.flips.low is not None for c in deep.stability):
        yield "stability", _stability(deep)


def _robustness(deep: Deep) -> Any:
    """Each trouble's loss at each rate; the one that costs most at its worst first."""
    values: list[dict[str, Any]] = []
    most: dict[str, float] = {}
    for target in deep.robustness:
        for (kind, spread), strains in by_kind(target):
            name = f"{target.name}, {how(kind, spread)}"
            drawn = [_point(name, f"in {share(s.by.rate)}", s.losses, deep.metric) for s in strains]
            found = [point for point in drawn if point is not None]
            values += found
            if found:
                most[name] = max(point["mean"] for point in found)
    order = sorted(most, key=lambda name: -most[name])[:MOST]
    shown = [v for v in values if v["name"] in order]
    return _forest(shown, order, deep, "lost", (GREY, OCHRE, BLUE)) if shown else None


def _ablation(deep: Deep) -> Any:
    values = [p for a in ranked(deep) if (p := _point(a.name, "", a.losses, deep.metric)) is not None]
    return _forest(values, [v["name"] for v in values], deep, "lost without it", (BLUE,)) if values else None


def _stability(deep: Deep) -> Any:
    values = [
        {"name": c.name, "who": "", "mean": c.flips.share, "low": c.flips.low, "high": c.flips.high, "judged": True}
        for c in deep.stability
        if c.flips is not None
    ]
    names = [c.name for c in deep.stability]
    return spans(values, order=names, title="decisions that differ, share of the rows")


def _forest(
    values: Sequence[dict[str, Any]], order: Sequence[str], deep: Deep, what: str, colours: Sequence[str]
) -> Any:
    import altair as alt

    who = list(dict.fromkeys(v["who"] for v in values))
    colour = None
    if len(who) > 1:
        colour = alt.Color("who:N", scale=alt.Scale(domain=who, range=list(colours)), sort=None, title=None)
    title = f"{deep.metric} {what}, {deep.levels[0].unit} (right of zero is worse)"
    return spans(values, order=order, title=title, colour=colour, lines=[level(0.0, vertical=True)])


def _point(name: str, who: str, losses: Sequence[Loss], metric: str) -> dict[str, Any] | None:
    found = next((f for f in losses if f.metric == metric), None)
    if found is None or found.worse_by is None or found.low is None or found.high is None:
        return None
    return {"name": name, "who": who, "mean": found.worse_by, "low": found.low, "high": found.high, "judged": True}
