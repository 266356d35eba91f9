"""``plimsoll explain RELEASE``: every verdict about it, its numbers, its evidence, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.kernel.chain import Line
    from plimsoll.kernel.ports import CatalogReader, ReleaseRow


def explain(
    release: Annotated[str, Parameter(help="Digest, an unambiguous prefix of it, or a label.")],
    *,
    capability: Annotated[str | None, Parameter(help="Whose release; needed where the home holds several.")] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Every verdict about a release: each finding in a sentence, its numbers and evidence, and how much more it takes.

    Example: plimsoll explain 3f2a91
    """
    from plimsoll.cli.reading import look, only_capability

    with look(shared.settings()) as catalog:
        row = catalog.release(only_capability(catalog, capability), release)
        document = _document(catalog, row)
    shared.answer(document, _page)
    return 0


def _document(catalog: CatalogReader, row: ReleaseRow) -> dict[str, Any]:
    from plimsoll.operations.gold.stale import stale_sets

    deployment = catalog.deployment(row.capability)
    return {
        "release": row.digest,
        "label": row.label,
        "capability": row.capability,
        "created_at": row.created_at,
        "state": deployment.states.get(row.digest, "candidate"),
        "known_bad": deployment.known_bad.get(row.digest, ""),
        "manifest": {
            "artifacts": row.manifest.artifacts,
            "snapshots": row.manifest.snapshots,
            "settings": row.manifest.settings,
        },
        "report": row.report,
        "stale": stale_sets(catalog, row.capability, row.manifest),
        "history": [_decision(line) for line in catalog.ledger(subject=row.digest)],
    }


def _decision(line: Line) -> dict[str, Any]:
    from plimsoll.cli.verdicts import explanations, reasons, verdict_of
    from plimsoll.kernel.replay import stored

    entry = line.entry
    said = {"seq": line.seq, "at": entry.at, "kind": entry.kind, "summary": entry.summary, "actor": entry.actor}
    verdict = verdict_of(entry.body)
    if verdict is None:
        return said
    explained = explanations(*stored(entry.body))
    return said | {"verdict": verdict, "reasons": reasons(verdict), "explanations": explained}


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import facts, heading, when
    from plimsoll.kernel.digest import short

    heading(console, f"{document['capability']}: {document['label'] or short(document['release'])}")
    facts(
        console,
        [
            ("release", document["release"]),
            ("state", document["state"]),
            ("known bad", document["known_bad"]),
            ("built", when(document["created_at"])),
            ("made of", _parts(document["manifest"]["artifacts"])),
            ("trained from", _parts(document["manifest"]["snapshots"])),
            ("report", short(document["report"])),
            ("stale", "\n".join(s["says"] for s in document["stale"])),
        ],
    )
    for skipped, decision in _telling(document["history"]):
        _draw(console, decision)
        if skipped:
            console.print(f"(and {skipped} earlier like it, without change: all of them are in --json)", style="dim")
    if not document["history"]:
        console.print("the ledger says nothing about it yet")


def _telling(history: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Of several routine looks in a row only the newest, with how many came before it."""
    from plimsoll.operations import ROUTINE

    skipped = 0
    for decision, following in zip(history, [*history[1:], {"kind": ""}], strict=True):
        if decision["kind"] in ROUTINE and following["kind"] == decision["kind"]:
            skipped += 1
            continue
        yield skipped, decision
        skipped = 0


def _draw(console: Console, decision: dict[str, Any]) -> None:
    from plimsoll.cli.page import coloured, escaped, heading, when
    from plimsoll.cli.verdicts import draw_findings

    heading(console, f"{when(decision['at'])}  {decision['kind']}  (line {decision['seq']}, {decision['actor']})")
    console.print(escaped(decision["summary"]))
    if "verdict" not in decision:
        return
    console.print(f"verdict: {coloured(decision['verdict']['ruling'])}")
    draw_findings(console, decision["verdict"], decision["explanations"])


def _parts(parts: dict[str, str]) -> str:
    from plimsoll.kernel.digest import short

    return ", ".join(f"{role} {short(digest)}" for role, digest in sorted(parts.items()))
