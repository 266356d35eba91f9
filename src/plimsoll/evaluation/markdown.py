"""A gate's verdict as Markdown: what a pull request or a job's summary shows."""

from __future__ import annotations

from collections.abc import Sequence

from plimsoll.evaluation.page import HEADLINES
from plimsoll.kernel.digest import short
from plimsoll.kernel.explanation import Explanation
from plimsoll.kernel.figure import figure
from plimsoll.kernel.verdict import Ruling, Verdict

_ORDER = (Ruling.FAIL, Ruling.INVALID, Ruling.INCONCLUSIVE, Ruling.PASS)


def markdown(
    verdict: Verdict, explanations: Sequence[Explanation], *, capability: str, release: str, label: str
) -> str:
    """A headline, a table with one line a requirement (what stands in the way first), and the sentences of what does."""
    said = sorted(explanations, key=lambda x: (_ORDER.index(x.ruling), x.slice != "all"))
    passed = sum(x.ruling is Ruling.PASS for x in said)
    lines = [
        f"## {HEADLINES[verdict.ruling]}: {cell(capability)} {cell(label)}",
        "",
        f"Release `{short(release)}`, judged {verdict.at:%Y-%m-%d %H:%M} UTC: {passed} of {len(said)} requirements hold.",
        "",
        "| verdict | requirement | slice | estimate | bounds | limit | blocks | events |",
        "|---|---|---|---:|---|---:|---:|---:|",
        *(_row(x) for x in said),
    ]
    open_points = [x for x in said if x.ruling is not Ruling.PASS]
    if open_points:
        lines += [
            "",
            "What stands in the way:",
            "",
            *(f"- **{cell(x.requirement)}**: {cell(x.says)}" for x in open_points),
        ]
    lines += ["", f"Again, with its evidence: `plimsoll explain {short(release)}`"]
    return "\n".join(lines) + "\n"


def markdown_of_error(error: str, hint: str, *, capability: str) -> str:
    """The same where there is no verdict."""
    lines = [f"## Nothing was judged: {cell(capability)}", "", cell(error)]
    return "\n".join([*lines, *(["", f"What to do: {cell(hint)}"] if hint else [])]) + "\n"


def _row(x: Explanation) -> str:
    beside = (x.limit, x.low, x.high)
    bounds = f"{figure(x.low, *beside)} to {figure(x.high, *beside)}" if x.estimate is not None else "–"
    of = "" if x.slice == "all" else x.slice
    numbers = f"{figure(x.estimate, *beside)} | {bounds} | {figure(x.limit)} | {x.blocks} | {x.events:,}"
    return f"| {x.ruling.value} | {cell(x.requirement)} | {cell(of)} | {numbers} |"


def table_of(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    head = [f"| {' | '.join(cell(c) for c in columns)} |", "|" + "---|" * len(columns)]
    return [*head, *(f"| {' | '.join(cell(c) for c in row)} |" for row in rows)]


def cell(text: str) -> str:
    """``text`` with nothing in it that Markdown takes for a table's edge, a tag or emphasis."""
    flat = " ".join(text.split())
    for mark in ("\\", "|", "<", "*", "`", "[", "]", "_"):
        flat = flat.replace(mark, f"\\{mark}")
    return flat
