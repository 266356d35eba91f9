"""The plots of a deep evaluation: one chart, one question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from plimsoll.evaluation.deep.attribution import Attributed
from plimsoll.evaluation.deep.document import Deep
from plimsoll.evaluation.deep.loss import Loss
from plimsoll.evaluation.deep.perturbation import how
from plimsoll.evaluation.deep.words.ablation import ranked
from plimsoll.evaluation.deep.words.attribution import largest
from plimsoll.evaluation.deep.words.robustness import by_kind
from plimsoll.evaluation.look import BLUE, GREY, OCHRE, data, level
from plimsoll.evaluation.spans import WIDE, spans
from plimsoll.kernel.figure import share

BETWEEN = "#c3c8cc"
"""Between the colours of low and high."""
FEATURES, MOST = 14, 16
"""Troubles in a plot: those that cost most. The table has all."""


def charts(deep: Deep) -> Iterator[tuple[str, Any]]:
    """(part, chart) of what there is a plot of."""
    if deep.robustness and (drawn := _robustness(deep)) is not None:
        yield "robustness", drawn
    if deep.ablation and (drawn := _ablation(deep)) is not None:
        yield "ablation", drawn
    if any(c.flips is not None and c.flips.low is not None for c in deep.stability):
        yield "stability", _stability(deep)
    if drawn := _attribution(deep):
        yield "attribution", drawn


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


def _attribution(deep: Deep) -> Any:
    features = largest(deep, "feature")[:FEATURES]
    if any(a.points for a in features):
        return _swarm(features)
    values = [
        {"name": a.name, "who": "", "mean": a.size, "low": a.low, "high": a.high, "judged": True}
        for a in features
        if a.low is not None and a.high is not None
    ]
    names = [a.name for a in features]
    lines = [level(0.0, vertical=True)]
    return spans(values, order=names, title=features[0].unit, lines=lines) if values else None


def _swarm(features: Sequence[Attributed]) -> Any:
    """A row of dots a feature: where many have the same part they stand side by side."""
    import altair as alt

    spread = max(abs(part) for a in features for _, part in a.points) or 1.0
    values = [point for a in features for point in _dodged(a, spread)]
    names = [a.name for a in features]
    colour = alt.Color(
        "value:Q",
        scale=alt.Scale(domain=[0, 0.5, 1], range=[BLUE, BETWEEN, OCHRE], interpolate="rgb"),
        legend=None,
    )
    title = f"part in the answer, {features[0].unit or 'in the unit of the label'}"
    base = alt.Chart(data(values)).encode(
        x=alt.X("part:Q", title=title, axis=alt.Axis(orient="top")),
        y=alt.Y("name:N", sort=names, title=None, axis=alt.Axis(grid=False, labelLimit=300)),
        yOffset=alt.YOffset("aside:Q", scale=alt.Scale(domain=[-1, 1])),
    )
    known = base.mark_circle(size=16, opacity=0.85).encode(color=colour).transform_filter("datum.value !== null")
    others = base.mark_circle(size=16, opacity=0.7, color=GREY).transform_filter("datum.value === null")
    return alt.layer(level(0.0, vertical=True), others, known).properties(width=WIDE, height=alt.Step(24))


def _dodged(a: Attributed, spread: float) -> Iterator[dict[str, Any]]:
    """The points, each as far from the line as there are others at its place before it."""
    seen: Counter[int] = Counter()
    for value, part in a.points:
        at = round(100 * part / spread)
        n, seen[at] = seen[at], seen[at] + 1
        aside = (n + 1) // 2 * (1 if n % 2 else -1) / 8
        yield {"name": a.name, "part": part, "value": value, "aside": max(-0.9, min(0.9, aside))}


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
