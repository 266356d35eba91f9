"""A deep evaluation as a part of a release's report, and as Markdown."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment
from markupsafe import Markup

from plimsoll.evaluation.cells import cell, table_of
from plimsoll.evaluation.deep.document import Deep
from plimsoll.evaluation.deep.words import basis, sections
from plimsoll.evaluation.sheet import page_templates, plots_can_be_drawn

BEGIN, END = "<!-- evaluated deeply -->", "<!-- /evaluated deeply -->"
"""Where it stands in a report; what was between them before is replaced."""
_BEFORE = "<footer>"
"""Where it is put into a report that was made without a place for it."""


def section(deep: Deep) -> str:
    """Its sections as HTML, to stand in a report; the same data gives the same text."""
    return (
        _templates()
        .get_template("deep.html")
        .render(
            sections=list(sections(deep)),
            basis=basis(deep),
            figures=_figures(deep) if plots_can_be_drawn() else {},
            skipped=deep.skipped,
        )
    )


def with_section(page: bytes, html: str) -> bytes:
    """A release's report with ``html`` in the place of an earlier evaluation's."""
    text = page.decode()
    put = f"{BEGIN}\n{html}\n{END}"
    if BEGIN in text and END in text:
        head, _, rest = text.partition(BEGIN)
        return f"{head}{put}{rest.partition(END)[2]}".encode()
    return text.replace(_BEFORE, f"{put}\n{_BEFORE}", 1).encode()


def markdown(deep: Deep, *, title: str) -> str:
    """Its sections as Markdown, for a pull request."""
    lines = [f"## {cell(title)}", "", cell(basis(deep))]
    for found in sections(deep):
        lines += ["", f"### {cell(found.title)}", "", cell(found.caption)]
        for said in found.says:
            lines += ["", cell(said)]
        for table in found.tables:
            if table.rows:
                lines += ["", *([f"**{cell(table.title)}**", ""] if table.title else [])]
                lines += table_of(table.columns, table.rows)
    for part, why in deep.skipped.items():
        lines += ["", f"{cell(part)} was left out: {cell(why)}"]
    return "\n".join(lines) + "\n"


@cache
def _templates() -> Environment:
    return page_templates("plimsoll.evaluation")


def _figures(deep: Deep) -> dict[str, list[Markup]]:
    from plimsoll.evaluation.deep.charts import charts
    from plimsoll.evaluation.look import svg

    made: dict[str, list[Markup]] = {}
    for i, (part, chart) in enumerate(charts(deep)):
        made.setdefault(part, []).append(Markup(svg(chart, f"d{i}")))
    return made
