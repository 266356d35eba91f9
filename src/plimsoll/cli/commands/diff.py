"""``plimsoll diff A B``: what changed between two releases, and what that did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console


def diff(
    a: Annotated[str, Parameter(help="The earlier release: digest, an unambiguous prefix of it, or a label.")],
    b: Annotated[str, Parameter(help="The other one.")],
    *,
    capability: Annotated[str | None, Parameter(help="Whose releases; needed where the home holds several.")] = None,
    markdown: Annotated[
        Path | None, Parameter(help="Also write it as Markdown, for a pull request.", show_default=False)
    ] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """What changed in the parts of two releases, and what that did to quality, latency and cost, side by side.

    Quality is paired on the blocks that both were measured on; latency and cost are those of recorded answers.

    Example: plimsoll diff v1 v2
    """
    from plimsoll.cli.reading import look, only_capability
    from plimsoll.operations.contrast.document import contrast
    from plimsoll.store import LocalObjects

    settings = shared.settings()
    objects = LocalObjects(settings.objects) if settings.objects.is_dir() else None
    with look(settings) as catalog:
        name = only_capability(catalog, capability)
        old, new = catalog.release(name, a), catalog.release(name, b)
        document = contrast(catalog, old, new, settings.segments, objects)
    if markdown is not None:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        markdown.write_text(_markdown(document), encoding="utf-8")
    shared.answer(document, _page)
    return 0


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import heading, table
    from plimsoll.operations.contrast.document import tables

    found = tables(document)
    for title, columns, rows in found:
        heading(console, title)
        table(console, columns, rows)
    if not any(document["parts"].values()):
        console.print("the two are one release: nothing differs")
    if not document["quality"]:
        console.print("they were never measured on the same blocks: their quality cannot be compared", style="dim")


def _markdown(document: dict[str, Any]) -> str:
    from plimsoll.evaluation.cells import cell, table_of
    from plimsoll.operations.contrast.document import tables

    lines = [f"## {cell(document['capability'])}: {cell(document['a']['name'])} → {cell(document['b']['name'])}"]
    for title, columns, rows in tables(document):
        lines += ["", f"### {cell(title)}", "", *table_of(columns, rows)]
    if not document["quality"]:
        lines += ["", "They were never measured on the same blocks: their quality cannot be compared."]
    return "\n".join(lines) + "\n"
