"""A calibration in words and rows: the same for the screen, for Markdown and for a release's report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLUMNS = ("mutant", "where", "caught", "kept out", "live", "answers shown", "caught in", "after", "why")


def sentences(document: Mapping[str, Any]) -> list[str]:
    """What became of the releases that were as good as their champion."""
    twins = document["twins"]
    found = [
        f"{document['opened']} of {document['looked_at']} times in the past the gate lets an unchanged release out; tried from "
        f"{len(document['starts'])} of them."
    ]
    if not twins["tried"]:
        return found
    out = [f"{n} {end}" for end, n in twins["ends"].items()]
    found.append(f"{twins['tried']} A/A releases: {', '.join(out)}.")
    if twins["let_out"]:
        found.append(
            f"False rollbacks: {twins['false_rollbacks']} of {twins['let_out']} that were let out (at most "
            f"{twins['at_most']:.1%}, 95 %); false refusals at the gate: {twins['false_refusals']}."
        )
    return found


def rows_of(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row a mutant, as COLUMNS name them."""
    return [
        (
            m["mutant"],
            m["where"],
            f"{m['caught']} of {m['tried']}" if m["tried"] else "–",
            str(m["kept_out"]),
            str(m["live"]),
            "–" if m["answers"] is None else f"{m['answers']:,.0f}",
            ", ".join(m["caught_in"]) or "–",
            "–" if m["blocks"] is None else f"{m['blocks']:g} blocks",
            "" if m["found"] else m["reason"],
        )
        for m in document["mutants"]
    ]


def markdown_of(document: Mapping[str, Any]) -> str:
    """A table for a pull request or a report."""
    head = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    body = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows_of(document)]
    title = f"## {document['capability']}: the gate and the rollout, calibrated"
    return "\n".join([title, "", *sentences(document), "", *head, *body, ""])
