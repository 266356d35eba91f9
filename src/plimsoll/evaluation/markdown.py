"""A gate's verdict as Markdown: what a pull request or a job's summary shows.

The headline, what a reader should know first, and each requirement with its numbers; below it, folded, what the HTML report
shows, with plots of characters. GitHub lets no SVG and no data URI into a comment, and a Mermaid chart has no interval, no
legend and no place in a mail; characters are seen everywhere. A comment holds 65,536 characters, so what would not fit is
named and left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plimsoll.evaluation.cells import cell, code, folded, table_of
from plimsoll.evaluation.detail import Section, answered, blocks, changed, curves, metrics, slices
from plimsoll.evaluation.headline import HEADLINES, ORDER
from plimsoll.evaluation.insight import looked_into
from plimsoll.evaluation.measurement import ALL, Evaluation
from plimsoll.evaluation.selection import Selection
from plimsoll.evaluation.strokes import ends_of, whisker
from plimsoll.evaluation.suite.examination import Examination
from plimsoll.kernel.digest import short
from plimsoll.kernel.explanation import Explanation
from plimsoll.kernel.figure import figure, span
from plimsoll.kernel.records import FALLBACK, ITSELF
from plimsoll.kernel.verdict import Ruling, Verdict

MOST_CHARACTERS = 60_000
_ROWS, _STANDS = 30, 10
"""Requirements in the table, and sentences that are seen without unfolding: what stands in the way comes first."""
_NUMBERS = ("estimate", "limit", "blocks", "events")


def markdown(
    verdict: Verdict,
    explanations: Sequence[Explanation],
    *,
    title: str,
    release: str,
    evaluation: Evaluation | None = None,
    names: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    checks: Sequence[str] = (),
    examination: Examination | None = None,
    selection: Selection | None = None,
    calibration: Any = None,
    differences: Mapping[str, tuple[str, str]] | None = None,
) -> str:
    """The page; all but the verdict may be missing. ``title``: what people call capability and release; ``names``: role →
    what to call the release in that role; the rest as the HTML report has it."""
    said = sorted(explanations, key=lambda x: (ORDER.index(x.ruling), x.slice != ALL))
    passed = sum(x.ruling is Ruling.PASS for x in said)
    top = [
        f"## {HEADLINES[verdict.ruling]}: {cell(title)}",
        "",
        f"Release `{short(release)}`, judged {verdict.at:%Y-%m-%d %H:%M} UTC: {passed} of {len(said)} requirements hold."
        f"{_measured_on(evaluation)}",
        *(line for note in notes for line in ("", f"> **Note:** {cell(note)}")),
        *_requirements(said, dict(names or {})),
    ]
    end = f"\nAgain, with its evidence: `plimsoll explain {short(release)}`"
    sections = [
        *_checked(checks),
        *(metrics(evaluation) if evaluation else ()),
        *looked_into(examination),
        *(slices(evaluation) if evaluation else ()),
        *(blocks(evaluation) if evaluation else ()),
        *(curves(evaluation.curves) if evaluation else ()),
        *answered(selection),
        *_can_see(calibration),
        *changed(differences),
    ]
    return _fitting("\n".join(top), sections, end) + "\n"


def markdown_of_error(error: str, hint: str, *, capability: str) -> str:
    """The same where there is no verdict."""
    lines = [f"## Nothing was judged: {cell(capability)}", "", cell(error)]
    return "\n".join([*lines, *(["", f"What to do: {cell(hint)}"] if hint else [])]) + "\n"


def _measured_on(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return ""
    missing = f", {evaluation.missing:,} outcomes missing" if evaluation.missing else ""
    return f" Measured on {evaluation.rows:,} later rows in {len(evaluation.blocks)} blocks{missing}."


# ── the requirements ─────────────────────────────────────────────────────────────────────────────────────────────────


def _requirements(said: Sequence[Explanation], names: Mapping[str, str]) -> Iterator[str]:
    """A table with the numbers, the sentences of what stands in the way, and folded those of what holds."""
    heads = ("verdict", "requirement", "slice", "estimate", "bounds", "limit", "● estimate, ┃ limit", "against", "blocks",
             "events", "more needed")  # fmt: skip
    yield ""
    yield from table_of(heads, [_row(x, names) for x in said[:_ROWS]], right=_NUMBERS)
    if len(said) > _ROWS:
        yield from ("", f"And {len(said) - _ROWS} more, in the report.")
    stands = [x for x in said if x.ruling is not Ruling.PASS]
    if stands:
        yield from ("", "What stands in the way:", "", *map(_sentence, stands[:_STANDS]))
    if len(stands) > _STANDS:
        left = stands[_STANDS:_ROWS]
        yield from folded(f"And {len(stands) - _STANDS} more like that", [*map(_sentence, left)])
    if holds := [x for x in said if x.ruling is Ruling.PASS]:
        yield from folded(f"What holds: {len(holds)} of {len(said)} requirements", [*map(_sentence, holds[:_ROWS])])


def _row(x: Explanation, names: Mapping[str, str]) -> list[str]:
    beside = (x.limit, x.low, x.high)
    return [
        x.ruling.value,
        x.requirement,
        "" if x.slice == ALL else x.slice,
        figure(x.estimate, *beside),
        f"{figure(x.low, *beside)} to {figure(x.high, *beside)}" if x.estimate is not None else "–",
        figure(x.limit),
        code(whisker(x.low, x.estimate, x.high, x.limit, ends_of(x.estimate, *beside))),
        _whom(x.comparator, names),
        str(x.blocks),
        f"{x.events:,}",
        more_needed(x),
    ]


def _sentence(x: Explanation) -> str:
    return f"- **{cell(x.requirement)}**: {cell(x.says)}"


def _whom(comparator: str, names: Mapping[str, str]) -> str:
    if comparator in ("", FALLBACK, ITSELF):
        return comparator
    named = names.get("champion", "")
    return f"{named} ({short(comparator)})" if named else short(comparator)


def more_needed(x: Explanation) -> str:
    """How much more evidence would decide, in a few words; a dash where none does, or it cannot be said."""
    if x.more is None:
        return "" if x.ruling in (Ruling.PASS, Ruling.FAIL) else "–"
    amount = f"{x.more.blocks} blocks" if x.more.blocks is not None else f"{x.more.events:,} events"
    return amount if x.more.hours is None else f"{amount}, {span(x.more.hours)}"


# ── below ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _checked(checks: Sequence[str]) -> Iterator[Section]:
    if checks:
        yield Section("Leakage and overlap: what was looked for", [f"- {cell(said)}" for said in checks])


def _can_see(calibration: Any) -> Iterator[Section]:
    if calibration is not None:
        lines = [*map(cell, calibration.says), "", *table_of(calibration.columns, calibration.rows)]
        yield Section("What this gate can see: releases that are broken on purpose", lines)


def _fitting(top: str, sections: Sequence[Section], end: str) -> str:
    """As many whole sections as a comment holds."""
    page, left_out = top, []
    for section in sections:
        added = "\n".join(["", *folded(section.title, section.lines)])
        if len(page) + len(added) > MOST_CHARACTERS:
            left_out.append(section.title)
        else:
            page += added
    said = f"\n\nNot shown here for want of room, but in the report: {cell('; '.join(left_out))}." if left_out else ""
    return f"{page}{said}\n{end}"
