"""Verdicts as the ledger keeps them: plain JSON in an entry's body, drawn as a table of findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.kernel.verdict import Evidence, Verdict


def verdict_of(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The verdict in a ledger entry's body, if the entry is about one."""
    found = body.get("verdict", body)
    if isinstance(found, Mapping) and "ruling" in found and "findings" in found:
        return dict(found)
    return None


def reasons(verdict: Mapping[str, Any]) -> list[str]:
    """The sentences of the findings that made the ruling."""
    return [f["reason"] for f in verdict["findings"] if f["ruling"] == verdict["ruling"]]


def explanations(verdict: Verdict, evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """Each finding explained, as plain JSON; empty where it rests on a metric that this Plimsoll does not know."""
    import msgspec

    from plimsoll.kernel.explanation import explained
    from plimsoll.stats.metrics import judgeable

    if not all(judgeable(e.requirement.metric) for e in evidence):
        return []
    found: list[dict[str, Any]] = msgspec.to_builtins(explained(verdict, evidence))
    return found


def draw_findings(console: Console, verdict: Mapping[str, Any], explained: Sequence[Mapping[str, Any]] = ()) -> None:
    """A few lines a finding, on any width: what was asked; in a sentence what came of it and how much more it takes;
    the numbers, on how much, by which method."""
    from rich.table import Table

    from plimsoll.cli.page import coloured, escaped

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for i, finding in enumerate(verdict["findings"]):
        of = "" if finding["slice"] == "all" else f"{finding['slice']}: "
        grid.add_row(coloured(finding["ruling"]), escaped(of + finding["requirement"]))
        if i < len(explained):
            grid.add_row("", escaped(explained[i]["says"]))
        grid.add_row("", f"[dim]{escaped(_numbers(finding))}[/dim]")
    console.print(grid)


def _numbers(finding: Mapping[str, Any]) -> str:
    """``0.6793 [0.6345, 0.7455] on 14 blocks, 12,074 events, by t; evidence 07ed3625``; else the reason."""
    from plimsoll.kernel.figure import figure

    beside = (finding["limit"], finding["low"], finding["high"])
    evidence = f"evidence {finding['evidence'][:8]}"
    if finding["estimate"] is None:
        return f"{finding['reason']}; {evidence}"
    bounds = f"[{figure(finding['low'], *beside)}, {figure(finding['high'], *beside)}]"
    against = f" against {finding['comparator'][:12]}" if finding["comparator"] else ""
    blocks = f"{finding['blocks']} blocks, " if finding["blocks"] else ""
    amount = f"{blocks}{finding['events']:,} events"
    return f"{figure(finding['estimate'], *beside)} {bounds}{against} on {amount}, by {finding['method']}; {evidence}"
