"""What was measured and looked into, as sections of Markdown: the report's, with its plots as characters.

Each section is a title and its lines; none where there is nothing to say.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from plimsoll.evaluation.cells import cell, code, table_of
from plimsoll.evaluation.curve import RELEASE, Bar, Curves
from plimsoll.evaluation.measurement import ALL, Evaluation, Measure
from plimsoll.evaluation.selection import Selection
from plimsoll.evaluation.sheet import interval, number, percent, signed
from plimsoll.evaluation.strokes import bar, ends_of, sparkline, whisker
from plimsoll.evaluation.views import by_block, by_slice, overall
from plimsoll.stats.metrics import known_by_id
from plimsoll.stats.selective import Risk

_FEW_SLICES = 15
_ALARMS, _FOUND = (0.05, 0.1, 0.2, 0.5), (0.1, 0.25, 0.5, 0.75)
_COVERED = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.3, 0.1)


class Section(NamedTuple):
    """``title``: what is to be seen, before it is opened."""

    title: str
    lines: Sequence[str]


def metrics(evaluation: Evaluation) -> Iterator[Section]:
    """Each metric over all rows, alone and against each comparator."""
    heads = ["metric", "this release", *(f"against the {role}" for role in evaluation.comparators), "unit"]
    rows = [
        [
            metric,
            f"{number(by[''].estimate)} {interval(by[''])}",
            *(f"{signed(by[role].estimate)} {interval(by[role])}" for role in evaluation.comparators),
            known_by_id(metric).unit,
        ]
        for metric, by in overall(evaluation)
    ]
    said = (
        "Mean over blocks with a 95 % interval. Against a comparator: the loss, paired row by row; above zero is worse."
    )
    if rows:
        yield Section("Metrics", [said, "", *table_of(heads, rows, right=heads[1:-1])])


def blocks(evaluation: Evaluation) -> Iterator[Section]:
    """The headline metric block by block, as lines of characters."""
    rows = [
        [
            f"{m.metric} lost against the {m.comparator}" if m.comparator else m.metric,
            code(sparkline([b.mean for b in m.blocks])),
            _range([b.mean for b in m.blocks]),
        ]
        for group in by_block(evaluation)
        for m in group
    ]
    if rows:
        first, last = evaluation.blocks[0], evaluation.blocks[-1]
        said = f"{len(evaluation.blocks)} blocks, {cell(str(first))} to {cell(str(last))}; each line has its own scale."
        yield Section("Block by block", [said, "", *table_of(("what", "by block", "least to most"), rows)])


def slices(evaluation: Evaluation) -> Iterator[Section]:
    """The headline metric by slice, the worst first: against each comparator where there is one."""
    found = [m for m in by_slice(evaluation) if m.slice != ALL]
    for role in dict.fromkeys(m.comparator for m in found):
        of = sorted((m for m in found if m.comparator == role), key=_badness, reverse=True)
        ends = ends_of(*(v for m in of[:_FEW_SLICES] for v in (m.low, m.high)), 0.0 if role else None)
        rows = [
            [
                m.slice + ("" if m.judged else " (not judged)"),
                (signed if role else number)(m.estimate),
                interval(m),
                code(whisker(m.low, m.estimate, m.high, 0.0 if role else None, ends)),
                f"{m.rows:,}",
            ]
            for m in of[:_FEW_SLICES]
        ]
        what = f"{of[0].metric} lost against the {role}" if role else of[0].metric
        left = [f"And {len(of) - _FEW_SLICES} that are better."] if len(of) > _FEW_SLICES else []
        heads = ("slice", "estimate", "95 % interval", "┃ zero" if role else "", "rows")
        yield Section(f"Slices: {what}", [*table_of(heads, rows, right=("estimate", "rows")), "", *left])


def _badness(m: Measure) -> float:
    assert m.estimate is not None
    return m.estimate if m.comparator or not known_by_id(m.metric).higher_is_better else -m.estimate


def curves(found: Curves) -> Iterator[Section]:
    """Ranking, reliability and where the scores lie."""
    lines: list[str] = []
    if found.roc:
        heads = ["found at so many false alarms", *(f"{x:.0%}" for x in _ALARMS)]
        ranked = [[c.who, *(percent(_at(c.false_alarms, c.found, x)) for x in _ALARMS)] for c in found.roc]
        lines += [*table_of(heads, ranked, right=heads[1:]), ""]
    if found.precision:
        heads = ["right, where so much is found", *(f"{x:.0%}" for x in _FOUND)]
        exact = [[c.who, *(percent(_at(c.found, c.right, x)) for x in _FOUND)] for c in found.precision]
        lines += [*table_of(heads, exact, right=heads[1:]), ""]
    if found.bars:
        lines += [_histogram("where the answers lie" if len(_kinds(found.bars)) > 1 else "errors", found.bars), ""]
    if lines:
        yield Section("Ranking and scores", lines)
    yield from _reliability(found)
    yield from _shift(found)


def _reliability(found: Curves) -> Iterator[Section]:
    bins = [b for b in found.reliability if b.who == RELEASE]
    title = "Reliability: what was said, and what happened"
    if all(0.0 <= b.said <= 1.0 and 0.0 <= b.low <= b.high <= 1.0 for b in bins):
        heads = ["said", "happened", "95 % interval", "● happened, ┃ said", "rows"]
        rates = [
            [
                number(b.said),
                number(b.happened),
                f"[{number(b.low)}, {number(b.high)}]",
                code(whisker(b.low, b.happened, b.high, b.said, (0.0, 1.0))),
                f"{b.n:,}",
            ]
            for b in bins
        ]
        said = "Intervals as if rows were independent, for the eye only; verdicts count blocks."
        lines = [said, "", *table_of(heads, rates, right=[*heads[:2], heads[4]])]
    else:  # means, which have no interval here
        heads = ["said", "happened", "rows"]
        lines = table_of(heads, [[number(b.said), number(b.happened), f"{b.n:,}"] for b in bins], right=heads)
    if bins:
        yield Section(title, lines)


def _shift(found: Curves) -> Iterator[Section]:
    for moved in found.shift:
        other = "" if moved.other_class is None else f", {percent(moved.other_class)} of the rows with another class"
        title = f"Moved against the {moved.who}: by {number(moved.mean_size)} on average{other}"
        yield Section(title, [_histogram("how far", moved.bars)])


def _histogram(what: str, bars: Sequence[Bar]) -> str:
    """A line for each kind, from the least to the largest value."""
    ends = f"{number(min(b.start for b in bars))} to {number(max(b.end for b in bars))}"
    lines = [f"{kind} {code(sparkline([b.n for b in bars if b.kind == kind]))}".strip() for kind in _kinds(bars)]
    return f"{what}, {ends}: {', '.join(lines)}"


def _kinds(bars: Sequence[Bar]) -> list[str]:
    return list(dict.fromkeys(b.kind for b in bars))


def _at(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """The curve at ``x``, straight between its points."""
    i = min(len(xs) - 1, max(1, bisect_left(xs, x)))
    step = xs[i] - xs[i - 1]
    return ys[i] if step <= 0 else ys[i - 1] + (ys[i] - ys[i - 1]) * min(1.0, max(0.0, (x - xs[i - 1]) / step))


def answered(selection: Selection | None) -> Iterator[Section]:
    """Risk over coverage: how wrong the answers are against how much is answered."""
    points = [p for p in selection.curve if not math.isnan(p.risk)] if selection else []
    if selection is None or not points:
        return
    rows = [
        [f"{p.threshold:.2f}", percent(p.coverage), percent(p.risk), code(bar(p.risk)), percent(p.high)]
        for p in _near_to(_COVERED, points)
    ]
    if (chosen := selection.chosen) is None:
        title, said = "What is answered: no threshold keeps the promise", [f"{cell(selection.why)}."]
    else:
        title, said = f"What is answered: {percent(chosen.coverage)}, {percent(chosen.risk)} of that wrong", []
    if selection.promise:
        said = [f"Promised: {cell(str(selection.promise))}.", *said]
    heads = ("from this confidence on", "answered", "wrong of those", "", "at most")
    yield Section(title, [*said, "", *table_of(heads, rows, right=(*heads[:3], heads[4]))])


def _near_to(coverages: Sequence[float], points: Sequence[Risk]) -> list[Risk]:
    """Of each coverage the point that comes nearest, once."""
    return list(dict.fromkeys(min(points, key=lambda p: abs(p.coverage - wanted)) for wanted in coverages))


def changed(differences: Mapping[str, tuple[str, str]] | None) -> Iterator[Section]:
    """Every part of the manifest that differs from the champion's."""
    if differences is None:
        return
    rows = [[path, old, new] for path, (old, new) in differences.items()]
    said = table_of(("part", "champion", "this release"), rows) if rows else ["Nothing: the manifests are equal."]
    yield Section(f"What changed against the champion: {len(rows)} parts", said)


def _range(values: Sequence[float]) -> str:
    low, high = ends_of(*values)
    return f"{number(low)} to {number(high)}"
