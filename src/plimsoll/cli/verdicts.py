"""Verdicts as the ledger keeps them: plain JSON in an entry's body, drawn as a table of findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def verdict_of(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The verdict in a ledger entry's body, if the entry is about one."""
    found = body.get("verdict", body)
    if isinstance(found, Mapping) and "ruling" in found and "findings" in found:
        return dict(found)
    return None


def reasons(verdict: Mapping[str, Any]) -> list[str]:
    """The sentences of the findings that made the ruling."""
    return [f["reason"] for f in verdict["findings"] if f["ruling"] == verdict["ruling"]]


def draw_findings(console: Console, verdict: Mapping[str, Any]) -> None:
    """Two lines a finding, on any width: what was asked; what was found, on how much, by which method."""
    from rich.table import Table

    from plimsoll.cli.page import coloured, escaped

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for finding in verdict["findings"]:
        of = "" if finding["slice"] == "all" else f"{finding['slice']}: "
        grid.add_row(coloured(finding["ruling"]), escaped(of + finding["requirement"]))
        grid.add_row("", f"[dim]{escaped(_numbers(finding))}[/dim]")
    console.print(grid)


def _numbers(finding: Mapping[str, Any]) -> str:
    """``0.6793 [0.6345, 0.7455] on 14 blocks, 12,074 events, by t; evidence 07ed3625``; else the reason."""
    from plimsoll.cli.page import number

    evidence = f"evidence {finding['evidence'][:8]}"
    if finding["estimate"] is None:
        return f"{finding['reason']}; {evidence}"
    bounds = f"[{number(finding['low'])}, {number(finding['high'])}]"
    against = f" against {finding['comparator'][:12]}" if finding["comparator"] else ""
    blocks = f"{finding['blocks']} blocks, " if finding["blocks"] else ""
    amount = f"{blocks}{finding['events']:,} events"
    return f"{number(finding['estimate'])} {bounds}{against} on {amount}, by {finding['method']}; {evidence}"
