"""The evaluation report's plots: one chart, one question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from plimsoll.evaluation.curve import RELEASE, Bar, Precision, Reliability, Roc
from plimsoll.evaluation.look import BLUE, GREEN, GREY, MUTED, OCHRE, data, level
from plimsoll.evaluation.measurement import ALL, OTHER, Evaluation, Measure
from plimsoll.evaluation.rows import VALUES
from plimsoll.evaluation.spans import spans

if TYPE_CHECKING:
    from plimsoll.evaluation.selection import Selection

_SIDE = 250
_WIDE = 860
_MOST_SLICES = 60
_FEW = 10


def roc(lines: Sequence[Roc]) -> Any:
    """How many of the positives are found at the price of how many false alarms."""
    curve = _trade(
        [(line.who, line.false_alarms, line.found) for line in lines],
        "false alarms, share of what did not happen",
        "found, share of what happened",
    )
    return (_diagonal(0.0, 1.0) + curve).properties(width=_SIDE, height=_SIDE)


def precision(lines: Sequence[Precision]) -> Any:
    """How much of what is called so is, when so much of it is found; guessing is the base rate, dashed."""
    curve = _trade(
        [(line.who, line.found, line.right) for line in lines],
        "found, share of what happened",
        "right, share of what is called so",
    )
    return (level(lines[0].right[-1]) + curve).properties(width=_SIDE, height=_SIDE)


def _trade(lines: Sequence[tuple[str, Sequence[float], Sequence[float]]], x_title: str, y_title: str) -> Any:
    import altair as alt

    points = [
        {"who": who, "x": x, "y": y, "step": i}
        for who, xs, ys in lines
        for i, (x, y) in enumerate(zip(xs, ys, strict=True))
    ]
    share, whole = alt.Axis(format=".0%", tickCount=5), alt.Scale(domain=[0, 1])
    return (
        alt.Chart(data(points))
        .mark_line(strokeWidth=1.8, interpolate="linear")
        .encode(
            x=alt.X("x:Q", title=x_title, axis=share, scale=whole),
            y=alt.Y("y:Q", title=y_title, axis=share, scale=whole),
            color=_who([who for who, _, _ in lines]),
            order="step:Q",
        )
    )


def reliability(bins: Sequence[Reliability], *, share: bool) -> Any:
    """What was said against what happened; on the diagonal a forecast keeps its word. Bins of a few rows are left out,
    they would draw the eye to nothing."""
    import altair as alt

    bins = [b for b in bins if b.n >= _FEW] or bins
    values = [
        {"who": b.who, "said": b.said, "happened": b.happened, "low": b.low, "high": b.high, "n": b.n} for b in bins
    ]
    ends = [0.0, 1.0] if share else _ends([b.said for b in bins] + [b.happened for b in bins])
    axis = alt.Axis(format=".0%" if share else "~g", tickCount=5)
    scale = alt.Scale(domain=ends, nice=False)
    base = alt.Chart(data(values)).encode(color=_who(list(dict.fromkeys(b.who for b in bins))))
    x = alt.X("said:Q", title="said", axis=axis, scale=scale)
    rules = base.mark_rule(strokeWidth=1, opacity=0.6).encode(x=x, y="low:Q", y2="high:Q")
    line = base.mark_line(strokeWidth=1.2, opacity=0.7).encode(
        x=x, y=alt.Y("happened:Q", title="happened", axis=axis, scale=scale)
    )
    dots = base.mark_point(filled=True, size=34, opacity=1).encode(x=x, y="happened:Q")
    layers = (rules, line, dots) if share else (line, dots)
    return alt.layer(_diagonal(*ends), *layers).properties(width=_SIDE, height=_SIDE)


def histogram(bars: Sequence[Bar], title: str) -> Any:
    """Where the scores lie, by what happened."""
    import altair as alt

    values = [{"start": b.start, "end": b.end, "kind": b.kind, "n": b.n} for b in bars]
    kinds = list(dict.fromkeys(b.kind for b in bars))
    colours = alt.Scale(domain=kinds, range=[GREY, BLUE] if len(kinds) > 1 else [BLUE])
    return (
        alt.Chart(data(values))
        .mark_bar(opacity=0.65)
        .encode(
            x=alt.X("start:Q", bin="binned", title=title, axis=alt.Axis(tickCount=5)),
            x2="end:Q",
            y=alt.Y("n:Q", title="rows", stack=None, axis=alt.Axis(format="~s", tickCount=5)),
            color=alt.Color("kind:N", scale=colours, title=None),
        )
        .properties(width=_SIDE, height=_SIDE)
    )


def over_blocks(measures: Sequence[Measure], unit: str) -> Any:
    """A metric's value in each block, with what missing outcomes could make of it."""
    import altair as alt

    compared = bool(measures[0].comparator)
    order = [b.name for b in max(measures, key=lambda m: len(m.blocks)).blocks]
    values = [
        {"who": m.comparator or RELEASE, "block": b.name, "mean": b.mean, "low": b.low, "high": b.high}
        for m in measures
        for b in m.blocks
    ]
    who = [m.comparator or RELEASE for m in measures]
    title = f"{measures[0].metric} lost against …, {unit}" if compared else f"{measures[0].metric}, {unit}"
    every = max(1, len(order) // 24)
    x = alt.X(
        "block:N",
        sort=order,
        title=None,
        axis=alt.Axis(labelAngle=-45, labelOverlap=True, values=order[::every], grid=False),
    )
    base = alt.Chart(data(values)).encode(x=x, color=_who(who), xOffset=alt.XOffset("who:N"))
    y = alt.Y("low:Q", title=title, scale=alt.Scale(zero=False))
    rules = base.mark_rule(strokeWidth=1.2, opacity=0.7).encode(y=y, y2="high:Q")
    dots = base.mark_point(filled=True, size=40, opacity=1).encode(y="mean:Q")
    layers = [level(0.0), rules, dots] if compared else [rules, dots]
    return alt.layer(*layers).properties(width=_WIDE, height=190)


def forest(measures: Sequence[Measure], unit: str) -> Any:
    """Each slice's estimate and 95 % interval, all rows on top; hollow where a slice is not judged."""
    shown = [m for m in measures if m.estimate is not None and m.low is not None and m.high is not None]
    names = sorted(dict.fromkeys(m.slice for m in shown), key=_by_number)[:_MOST_SLICES]
    values = [
        {"name": m.slice, "who": m.comparator or RELEASE, "mean": m.estimate, "low": m.low, "high": m.high,
         "judged": m.judged}
        for m in shown
        if m.slice in names
    ]  # fmt: skip
    compared = bool(shown[0].comparator)
    title = f"{shown[0].metric} lost against …, {unit} (right of zero is worse)" if compared else shown[0].metric
    overall = [m.estimate for m in shown if m.slice == ALL]
    lines = [level(0.0, vertical=True)] if compared else [level(v, vertical=True) for v in overall if v is not None]
    who = _who(list(dict.fromkeys(m.comparator or RELEASE for m in shown)))
    return spans(values, order=names, title=title, colour=who, lines=lines)


def _by_number(name: str) -> tuple[bool, str, bool, float, str]:
    """All rows first, then column by column: numbers by size, words as they come, what was pooled at the end."""
    column, _, value = name.partition("=")
    is_number = value.replace(".", "", 1).removeprefix("-").isdecimal()
    return name != ALL, column, value == OTHER, float(value) if is_number else 0.0, value


def risk_coverage(selection: Selection) -> Any:
    """How wrong the answers are against how much is answered: the promise, and where the threshold stands."""
    import altair as alt

    points = [
        {"coverage": p.coverage, "risk": p.risk, "high": p.high, "threshold": p.threshold, "step": i}
        for i, p in enumerate(selection.curve)
        if not math.isnan(p.risk)
    ]
    top = max(p["risk"] for p in points) * 1.6 + 0.02
    if selection.promise is not None:
        top = max(top, selection.promise.at_most * 1.2)
    share = alt.Axis(format=".0%", tickCount=6)
    base = alt.Chart(data([{**p, "high": min(p["high"], top)} for p in points])).encode(
        x=alt.X("coverage:Q", title="answered, share of what is asked", axis=share, scale=alt.Scale(domain=[0, 1])),
    )
    scale = alt.Scale(domain=[0, top], nice=False)
    y = alt.Y("risk:Q", title="wrong, share of what is answered", axis=share, scale=scale)
    band = base.mark_area(opacity=0.16, color=BLUE).encode(y=y, y2="high:Q")
    layers = [band, base.mark_line(strokeWidth=1.8, color=BLUE).encode(y=y, order="step:Q")]
    if selection.promise is not None:
        layers.append(level(selection.promise.at_most))
    if (at := selection.chosen) is not None and not math.isnan(at.risk):
        dot = alt.Chart(data([{"coverage": at.coverage, "risk": at.risk}]))
        layers.append(dot.mark_point(filled=True, size=90, color=OCHRE, opacity=1).encode(x="coverage:Q", y="risk:Q"))
    return alt.layer(*layers).properties(width=_WIDE, height=230)


def drawn(evaluation: Evaluation) -> list[Any]:
    """(title, chart) of every curve that the evaluation has."""
    found = evaluation.curves
    classes = evaluation.task not in VALUES
    charts: list[Any] = []
    if found.roc:
        charts.append(("Ranking (ROC)", roc(found.roc)))
    if found.precision:
        charts.append(("Precision over recall", precision(found.precision)))
    if found.reliability:
        charts.append(("Reliability", reliability(found.reliability, share=classes)))
    if found.bars:
        charts.append(("Scores" if classes else "Errors", histogram(found.bars, "score" if classes else "error")))
    for shift in found.shift:
        charts.append((f"Moved against the {shift.who}", histogram(shift.bars, _moved(evaluation.task))))
    return charts


def _moved(task: str) -> str:
    return {"multiclass": "total variation of the classes' probabilities"}.get(task, "score − its score")


def _who(names: Sequence[str], *, legend: bool = True) -> Any:
    """One colour for each scorer: the release first."""
    import altair as alt

    others = [OCHRE, GREY, GREEN]
    ordered = list(dict.fromkeys(names))
    colours = [BLUE if n == RELEASE else others.pop(0) if others else MUTED for n in ordered]
    scale = alt.Scale(domain=ordered, range=colours)
    if not legend or ordered == [RELEASE]:
        return alt.Color("who:N", scale=scale, legend=None, title=None)
    return alt.Color("who:N", scale=scale, title=None)


def _diagonal(low: float, high: float) -> Any:
    import altair as alt

    return (
        alt.Chart(data([{"a": low, "b": low}, {"a": high, "b": high}]))
        .mark_line(color=MUTED, strokeDash=[3, 3], strokeWidth=1, opacity=0.6)
        .encode(x="a:Q", y="b:Q")
    )


def _ends(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    pad = 0.04 * (high - low) or 1.0
    return [low - pad, high + pad]
