"""What was looked into beside the measures, as sections of Markdown: behaviours, groups, weak segments, the worst rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plimsoll.evaluation.cells import cell, table_of
from plimsoll.evaluation.detail import Section
from plimsoll.evaluation.sheet import interval, number, percent, signed
from plimsoll.evaluation.suite.behaviour import Behaved
from plimsoll.evaluation.suite.examination import Examination
from plimsoll.evaluation.suite.failures import Case, Failures
from plimsoll.evaluation.suite.fairness import Fairness
from plimsoll.evaluation.suite.weak import Weak

_FEW = 5


def looked_into(examination: Examination | None) -> Iterator[Section]:
    """Every section that there is something to say in."""
    if examination is None:
        return
    yield from _behaviours(examination.behaviours)
    for groups in examination.groups:
        yield _between_groups(groups)
    for weak in examination.weak:
        if weak.looked_at:
            yield _weak(weak)
    if examination.failures:
        yield _worst(examination.failures)


def _behaviours(found: Sequence[Behaved]) -> Iterator[Section]:
    asked = [b for b in found if b.rows]
    over = sum(b.failing > b.fails * b.rows for b in asked)
    rows = [
        [
            b.name,
            b.kind,
            f"{b.rows:,}",
            f"{b.failing:,} ({percent(b.failing / b.rows)})" if b.rows else "–",
            percent(b.fails),
            b.note or "; ".join(f"{t.unit} {number(t.before)} → {number(t.after)}".strip() for t in b.worst),
        ]
        for b in found
    ]
    heads = ("what must be so", "kind", "rows", "failing", "may fail", "the ones that fail by most")
    if rows:
        title = f"Behaviour: {over} of {len(asked)} fail on more of the rows than may"
        yield Section(title, table_of(heads, rows, right=("rows", "failing", "may fail")))


def _between_groups(found: Fairness) -> Section:
    rates = list(found.groups[0].rates) if found.groups else []
    rows = [
        [
            g.name + ("" if g.judged else " (not judged)"),
            f"{g.rows:,}",
            f"{g.missing:,}",
            *("–" if v is None else percent(v) for v in g.rates.values()),
        ]
        for g in found.groups
    ]
    pairs = [
        f"- {cell(p.slice)}: **{number(p.estimate)}** {interval(p)}" if p.judged else f"- {cell(p.note)}"
        for p in found.pairs[:_FEW]
    ]
    heads = ("group", "rows", "outcomes missing", *rates)
    title = f"Between groups: {found.metric} by {found.by} is {number(found.value)}"
    return Section(
        title, [*table_of(heads, rows, right=heads[1:]), "", "The widest pairs, each with 95 % over blocks:", *pairs]
    )


def _weak(weak: Weak) -> Section:
    sure = sum(s.confirmed for s in weak.segments)
    what = f"{weak.metric} lost against the {weak.against}" if weak.against else f"{weak.metric} above all other rows'"
    rows = [
        [
            ", ".join(s.conditions),
            "confirmed" if s.confirmed else "not confirmed",
            f"{s.rows:,} ({percent(s.share)})",
            number(s.inside),
            number(s.elsewhere),
            f"{signed(s.difference)} ({'…' if s.low is None else signed(s.low)})",
        ]
        for s in weak.segments[:_FEW]
    ]
    heads = ("segment", "", "rows", "inside", "elsewhere", "difference (at least)")
    title = f"Weak segments, {what}: {sure} confirmed of {len(weak.segments)} tested, {weak.looked_at:,} looked at"
    said = "Searched for on the earlier blocks, tested on the later ones (5 % for all together). None of them gates."
    return Section(title, [said, "", *(table_of(heads, rows, right=heads[2:]) if rows else [])])


def _worst(found: Failures) -> Section:
    share = percent(found.share_of_loss)
    lines = [
        f"The worst {found.rows:,} of {found.of:,} labelled rows make up {share} of all {cell(found.unit)}. What they share was "
        "found by looking at them: nothing is judged by it.",
        "",
        *(
            f"- {cell(', '.join(g.conditions))}: {percent(g.share)} of the worst, {percent(g.share_of_all)} of all rows"
            for g in found.groups
            if g.conditions
        ),
        "",
        *_cases(found.worst, found.parts_in),
    ]
    return Section(f"Where it is most wrong: the worst {len(found.worst)} rows, and what such rows share", lines)


def _cases(cases: Sequence[Case], parts_in: str) -> list[str]:
    others = list(cases[0].others) if cases else []
    told = any(c.because for c in cases)
    moved = [f"moved most by, {parts_in}".rstrip(", ")] if told else []
    rows = [
        [
            c.unit or "–",
            c.asked_at,
            number(c.said),
            *map(number, c.others.values()),
            c.happened,
            number(c.loss),
            *(["; ".join(f"{name} {signed(part)}" for name, part in c.because)] if told else []),
        ]
        for c in cases
    ]
    heads = ("row", "asked at (UTC)", "said", *(f"{who} said" for who in others), "happened", "loss", *moved)
    return table_of(heads, rows, right=heads[2 : len(heads) - len(moved)])
