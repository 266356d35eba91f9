"""The evaluation report: one HTML file that a person can read, keep and send; it loads nothing from anywhere."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from plimsoll.evaluation.headline import HEADLINES, ORDER
from plimsoll.evaluation.markdown import markdown, more_needed
from plimsoll.evaluation.measurement import ALL, Evaluation
from plimsoll.evaluation.selection import Selection
from plimsoll.evaluation.sheet import page_templates, plots_can_be_drawn
from plimsoll.evaluation.suite.examination import Examination
from plimsoll.evaluation.views import by_block, by_slice, overall
from plimsoll.kernel.digest import short
from plimsoll.kernel.explanation import Explanation
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.verdict import Ruling, Verdict
from plimsoll.stats.metrics import known_by_id


class Figure(NamedTuple):
    """A plot with its title and what to see in it."""

    title: str
    svg: Markup
    caption: str = ""


class Calibration(NamedTuple):
    """What the gate is known to see: sentences, and a table of what was sent through it."""

    says: Sequence[str]
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def report(
    evaluation: Evaluation | None,
    verdict: Verdict,
    manifest: Manifest,
    *,
    title: str,
    differences: Mapping[str, tuple[Any, Any]] | None = None,
    names: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    checks: Sequence[str] = (),
    selection: Selection | None = None,
    explanations: Sequence[Explanation] = (),
    examination: Examination | None = None,
    calibration: Calibration | None = None,
) -> bytes:
    """The page, as UTF-8 bytes; the same data gives the same bytes.

    ``evaluation``: None where nothing could be measured (the verdict says why). ``differences``: dotted path → (old,
    new) against the champion, as ``kernel.manifest.differences`` gives them; None where there is no champion.
    ``names``: role → what to call the release in that role. ``notes``: sentences a reader should know first; ``checks``:
    what was looked for before training. ``selection``: what the answer policy does. ``explanations``: each finding
    explained, in their order. ``examination``: what was looked into beside the measures. ``calibration``: of the gate
    that judged it. The page carries itself as Markdown, too (``markdown_of``).
    Plots need the extra ``report``; without it the page says so and shows the numbers. About a second for the first
    report of a process, half of that for each one after it.
    """
    page = _templates().get_template("report.html")
    changed = None if differences is None else {k: (_shown(a), _shown(b)) for k, (a, b) in differences.items()}
    text = page.render(
        title=title,
        capability=manifest.capability,
        release=manifest.digest,
        short=short(manifest.digest),
        verdict=verdict,
        headline=HEADLINES[verdict.ruling],
        tally=_tally(verdict),
        findings=sorted(verdict.findings, key=lambda f: (ORDER.index(f.ruling), f.slice != ALL)),
        explained={(x.requirement, x.slice): x for x in explanations},
        evaluation=evaluation,
        names=dict(names or {}),
        notes=list(notes),
        checks=list(checks),
        figures=_figures(evaluation, selection),
        selection=selection,
        examination=examination,
        calibration=calibration,
        plots_missing=not plots_can_be_drawn(),
        overall=overall(evaluation),
        differences=changed,
        contents=[*manifest.artifacts.items(), *((f"snapshot {k}", v) for k, v in manifest.snapshots.items())],
        markdown=markdown(
            verdict,
            explanations,
            title=title,
            release=manifest.digest,
            evaluation=evaluation,
            names=names,
            notes=notes,
            checks=checks,
            examination=examination,
            selection=selection,
            calibration=calibration,
            differences=changed,
        ),
    )
    return text.encode()


_CARRIED = '<template id="markdown">', "</template>"


def markdown_of(page: bytes) -> str | None:
    """The report as Markdown, as its page carries it; None where an earlier Plimsoll wrote the page."""
    begins, ends = _CARRIED
    _, found, rest = page.decode().partition(begins)
    return html.unescape(rest.partition(ends)[0]) if found else None


def with_markdown(page: bytes, text: str) -> bytes:
    """A page that carries ``text`` instead of the Markdown that it carries."""
    begins, ends = _CARRIED
    head, _, rest = page.decode().partition(begins)
    return f"{head}{begins}{html.escape(text)}{ends}{rest.partition(ends)[2]}".encode()


@cache
def _templates() -> Environment:
    made = page_templates("plimsoll.evaluation")
    made.filters.update(unit=_unit, more=more_needed)
    return made


def _unit(metric: str) -> str:
    return known_by_id(metric).unit


def _tally(verdict: Verdict) -> str:
    """``9 of 12 pass, 2 fail, 1 inconclusive``: what the ruling was made of."""
    count = Counter(f.ruling for f in verdict.findings)
    if not verdict.findings:
        return "nothing was judged"
    said = [f"{count[Ruling.PASS]} of {len(verdict.findings)} pass"]
    said += [f"{count[r]} {r}" for r in ORDER[:3] if count[r]]
    return ", ".join(said)


def _figures(evaluation: Evaluation | None, selection: Selection | None) -> dict[str, list[Figure]]:
    """Plots by section: ``curves``, ``answers``, ``blocks``, ``slices``."""
    made: dict[str, list[Figure]] = {"curves": [], "answers": [], "blocks": [], "slices": []}
    if evaluation is None or not plots_can_be_drawn():
        return made
    from plimsoll.evaluation import plots
    from plimsoll.evaluation.look import svg

    for i, (title, chart) in enumerate(plots.drawn(evaluation)):
        made["curves"].append(Figure(title, Markup(svg(chart, f"c{i}"))))
    if selection is not None and any(point.risk == point.risk for point in selection.curve):
        made["answers"].append(Figure("", Markup(svg(plots.risk_coverage(selection), "a0"))))
    for i, group in enumerate(by_block(evaluation)):
        made["blocks"].append(Figure("", Markup(svg(plots.over_blocks(group, _unit(group[0].metric)), f"b{i}"))))
    group = by_slice(evaluation)
    if group:
        made["slices"].append(Figure("", Markup(svg(plots.forest(group, _unit(group[0].metric)), "s0"))))
    return made


def _shown(value: Any) -> str:
    """A manifest's value, short: digests by their first digits, the rest as JSON."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return short(value) if len(value) == 64 and set(value) <= set("0123456789abcdef") else value
    return json.dumps(value, ensure_ascii=False)
