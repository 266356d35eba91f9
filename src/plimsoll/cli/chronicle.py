"""The end of a rehearsal on the screen: what became of each release, and what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def draw(console: Console, document: dict[str, Any]) -> None:
    """The table at the end of the story."""
    from plimsoll.cli.page import escaped, heading, table
    from plimsoll.kernel.digest import short

    heading(console, f"{document['capability']}: what became of each release")
    rows = [
        (
            r["label"],
            short(r["digest"]),
            r["gate"]["ruling"],
            r["state"],
            f"{r['exposed_events']:,}",
            _brief(r["reason"]),
        )
        for r in document["releases"]
    ]
    table(console, ("release", "", "gate", "now", "answered", "why"), rows, right=("answered",))
    console.print(
        f"{document['events']:,} questions and {document['outcomes']:,} outcomes in {document['wall_s']:.0f} s; "
        f"{document['ledger_lines']:,} lines in the ledger, which ends at {short(document['ledger_head'])}; "
        f"{len(document['incidents'])} incidents"
    )
    for sentence in document["next"]:
        console.print(f"  {escaped(sentence)}", soft_wrap=True)


def _brief(text: str, most: int = 160) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
