"""``plimsoll check``: would a release be refused before it is even measured, and how long would its rollout take?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.capability import Capability
    from plimsoll.settings import Settings


def check(
    path: Annotated[Path, Parameter(help="The capability's folder.")] = Path(),
    *,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Check the declaration, the rows against their contracts, known times, and the power of the rollout.

    Nothing is trained and nothing is kept. Exit code 1: a release would be refused as things are.

    Example: plimsoll check examples/flights
    """
    from plimsoll.capability import load

    capability = load(path)
    document = _inspected(capability, shared.settings(path))
    shared.answer(document, _page)
    return 1 if document["problems"] else 0


def _inspected(capability: Capability, settings: Settings) -> dict[str, Any]:
    """With the evidence of earlier gates, where the home has some."""
    from plimsoll.cli.inspection import inspected
    from plimsoll.cli.reading import catalog_of

    if not settings.catalog and not settings.catalog_file.is_file():
        return inspected(capability, None)
    with catalog_of(settings) as catalog:
        return inspected(capability, catalog)


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import escaped, facts, heading, table

    heading(console, document["capability"])
    facts(
        console,
        [
            ("predicts", document["task"]),
            ("features", ", ".join(document["features"])),
            ("gate", "\n".join(document["gate"])),
            ("keep", "\n".join(document["keep"])),
        ],
    )
    rows = [
        (t["name"], f"{t['rows']:,}", f"{t['bad_rows']:,}", _reasons(t["reasons"]), t["refused"] or "kept")
        for t in document["tables"]
    ]
    table(console, ("rows of", "rows", "bad", "because", "contract"), rows, right=("rows", "bad"))
    stages = [(s["stage"], s["blocks"] or "–", s["deadline_blocks"] or "–", _plan(s)) for s in document["stages"]]
    table(console, ("stage", "asks for blocks", "ends after", "will take"), stages)
    for problem in document["problems"]:
        console.print(f"[red]refused[/red]  {escaped(problem)}", soft_wrap=True)
    if not document["problems"]:
        console.print("[green]nothing stands in the way of a release[/green]: [bold]plimsoll release[/bold]")


def _reasons(reasons: dict[str, int]) -> str:
    return "\n".join(f"{count:,} {reason}" for reason, count in reasons.items())


def _plan(stage: dict[str, Any]) -> str:
    if stage["deadline_blocks"] is None:
        return "as long as its lease holds"
    if not stage["measured"]:
        return "measured by the first release"
    said = [f"{requirement}: {_count(blocks)}" for requirement, blocks in stage["planned_blocks"].items()]
    warning = "\nunderpowered: it will likely end held, undecided" if stage["underpowered"] else ""
    return "\n".join(said) + warning


def _count(blocks: int | None) -> str:
    return (
        "more than a year of blocks"
        if blocks is None
        else f"about {blocks} blocks, 4 times in 5, if it is as good as at the gate"
    )
