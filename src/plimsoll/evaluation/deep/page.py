"""A deep evaluation as a part of a release's report, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from jinja2 import Environment
from markupsafe import Markup

from plimsoll.evaluation.cells import cell, folded, table_of
from plimsoll.evaluation.deep.document import Deep
from plimsoll.evaluation.deep.words import Section, basis, sections
from plimsoll.evaluation.markdown import MOST_CHARACTERS
from plimsoll.evaluation.page import markdown_of, with_markdown
from plimsoll.evaluation.sheet import page_templates, plots_can_be_drawn

BEGIN, END = "<!-- evaluated deeply -->", "<!-- /evaluated deeply -->"
"""Where it stands in a report; what was between them before is replaced."""
_AGAIN = "Again, with its evidence:"
"""How the Markdown of a report ends."""


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


def with_section(page: bytes, deep: Deep) -> bytes:
    """A release's report with ``deep`` in the place of an earlier evaluation, and so the Markdown that it carries."""
    carried = markdown_of(page)
    if carried is not None:
        page = with_markdown(
            page, _put(carried, "\n".join(_folded(deep, MOST_CHARACTERS - len(_cut(carried)))), _AGAIN)
        )
    return _put(page.decode(), section(deep), "<footer>").encode()


def markdown(deep: Deep, *, title: str) -> str:
    """Its sections as Markdown, open, for a page of its own."""
    lines = [f"## {cell(title)}", "", cell(basis(deep))]
    for found in sections(deep):
        lines += ["", f"### {cell(found.title)}", *_lines(found)]
    return "\n".join([*lines, *_left_out(deep)]) + "\n"


def _put(text: str, put: str, before: str) -> str:
    """``text`` with ``put`` between the marks; where it has none, in front of ``before``."""
    marked = f"{BEGIN}\n{put}\n{END}"
    if BEGIN in text and END in text:
        head, _, rest = text.partition(BEGIN)
        return f"{head}{marked}{rest.partition(END)[2]}"
    return text.replace(before, f"{marked}\n{before}", 1)


def _cut(text: str) -> str:
    """``text`` without what stands between the marks."""
    head, _, rest = text.partition(BEGIN)
    return head + rest.partition(END)[2]


def _folded(deep: Deep, room: int) -> Iterator[str]:
    """Each section folded, as long as a pull request's comment has room for it; what has none is named."""
    left = []
    for found in sections(deep):
        lines = folded(found.title, list(_lines(found)))
        room -= sum(map(len, lines)) + len(lines)
        if room < 0:
            left.append(found.title)
        else:
            yield from lines
    yield from _left_out(deep)
    if left:
        yield from ("", f"Not shown here for want of room, but in the report: {cell('; '.join(left))}.")


def _lines(found: Section) -> Iterator[str]:
    yield from ("", cell(found.caption))
    for said in found.says:
        yield from ("", cell(said))
    for table in found.tables:
        if table.rows:
            yield from ("", *([f"**{cell(table.title)}**", ""] if table.title else []))
            yield from table_of(table.columns, table.rows, right=table.columns[table.left :])


def _left_out(deep: Deep) -> Iterator[str]:
    for part, why in deep.skipped.items():
        yield from ("", f"{cell(part)} was left out: {cell(why)}")


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
