"""``plimsoll plan``: how long a rollout takes, what it can see, and what a fault would cost before it is caught."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.capability import Capability
    from plimsoll.operations.planning.history import History
    from plimsoll.settings import Settings


def plan(
    path: Annotated[Path, Parameter(help="The capability's folder.")] = Path(),
    *,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """How long each stage of the rollout takes, the smallest effect it can see at this traffic and dependence, and how
    many answers a fault reaches before it is caught. Proposes blocks and shares.

    Spread, dependence and traffic come from the evidence of the past; before there is any, from the recorded rows, and
    what is assumed is said. Nothing is kept. Exit code 1: a stage will likely end undecided.

    Example: plimsoll plan examples/flights
    """
    from plimsoll.capability import load
    from plimsoll.operations.planning.document import plan_of

    capability = load(path)
    document = plan_of(capability, _history(capability, shared.settings(path)))
    shared.answer(document, _page)
    return int(any(r["answer"] == "cannot" for stage in document["stages"] for r in stage["requirements"]))


def _history(capability: Capability, settings: Settings) -> History:
    """What the ledger has, and stand-ins from the rows for what it has not."""
    from plimsoll.operations.planning.history import History, joined, key_of

    known = History(events_per_block=None, traffic_source="", spreads={})
    if settings.catalog or settings.catalog_file.is_file():
        known = _past(capability, settings)
    unknown = [r for r in capability.watched if not r.operational and key_of(r) not in known.spreads]
    if not unknown and known.events_per_block:
        return known
    return joined(known, _stand_in(capability, capability.watched))


def _past(capability: Capability, settings: Settings) -> History:
    from plimsoll.cli.reading import look
    from plimsoll.operations.planning.history import from_ledger

    with look(settings) as catalog:
        names = {r.digest: r.label for r in catalog.releases(capability.name)}
        return from_ledger(catalog.ledger(capability=capability.name), names)


def _stand_in(capability: Capability, required: Any) -> History:
    from tempfile import TemporaryDirectory

    from plimsoll.cli.inspection import checked_rows
    from plimsoll.operations.intake import contract_of
    from plimsoll.operations.planning.standin import from_rows

    contracts = {t.name: contract_of(capability, t) for t in capability.sources}
    with TemporaryDirectory(prefix="plimsoll-plan-") as scratch:
        good = checked_rows(capability, contracts, Path(scratch))[capability.source.name].good
        return from_rows(capability, good, required)


# ── as a page ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import facts, heading

    heading(console, f"{document['capability']}: the rollout, foreseen")
    traffic = document["events_per_block"]
    facts(
        console,
        [
            (
                "traffic",
                f"{traffic:,.0f} events a {_block(document)} ({document['traffic_source']})" if traffic else "",
            ),
            (
                "errors",
                f"a false pass {document['alpha']:.2%}, a false fail of one requirement {document['fail_alpha']:.2%}",
            ),
        ],
    )
    for stage in document["stages"]:
        heading(console, f"{stage['stage']}: {stage['blocks']} to {stage['deadline_blocks']} blocks{_time(stage)}")
        facts(console, [(r["requirement"], "\n".join(_lines(r))) for r in stage["requirements"]])
    if document["live"]:
        heading(console, "live, for as long as it is")
        facts(console, [(r["requirement"], "\n".join(_held(r))) for r in document["live"]])
    _sentences(console, document)


def _lines(r: dict[str, Any]) -> list[str]:
    from plimsoll.kernel.figure import figure, share

    if r["answer"] == "unknown":
        return [f"unknown: {r['source']}"]
    rate = r["over"] == "events"
    number = share if rate else figure
    wanted = (
        "a year would not do"
        if r["needs_blocks"] is None
        else f"it takes {r['needs_blocks']} block{'s' * (r['needs_blocks'] != 1)} for 80%"
    )
    sees = f"the smallest fault it sees: {'nothing' if r['catches_from'] is None else number(r['catches_from'])}"
    shown = f", {r['fault_answers']:,.0f} answers shown" if r["fault_answers"] else ", nobody is shown one"
    lines = [
        f"{r['candidate']} passes {r['power']:.0%} of the time, {r['power_at_deadline']:.0%} by the deadline; {wanted}",
        *([sees] if r["catches_from"] is not None or not rate else []),
        f"a fault of {number(r['fault'])} that begins here: {r['caught']:.0%} caught, after {r['fault_blocks']:.1f} "
        f"blocks{shown}",
    ]
    return lines if rate else [*lines, _spread(r)]


def _held(r: dict[str, Any]) -> list[str]:
    """A line for each size of fault: when its lease ends, and what it costs until then."""
    from plimsoll.kernel.figure import figure, share

    if not r["faults"]:
        return [f"unknown: {r['source']}"]
    number = share if r["over"] == "events" else figure
    lines = []
    for fault in r["faults"]:
        sure = "" if fault["caught"] > 0.995 else f" ({fault['caught']:.0%} within a year)"
        given = "" if fault["answers"] is None else f", {fault['answers']:,.0f} answers given"
        bad = "" if fault["bad_answers"] is None else f", {fault['bad_answers']:,.0f} of them bad"
        after = f"{fault['blocks']:.1f} blocks, 9 times in 10 by {fault['nine_in_ten']:.1f}"
        lines.append(f"a fault of {number(fault['size'])}: the lease ends after {after}{sure}{given}{bad}")
    waits = f"; {r['waits_blocks']:.1f} of them for the outcomes" if r["waits_blocks"] else ""
    return [*lines, f"at most one false alarm in {r['false_alarm_blocks']:,.0f} blocks{waits} ({r['source']})"]


def _spread(r: dict[str, Any]) -> str:
    from plimsoll.kernel.figure import figure

    effect = "" if r["design_effect"] is None else f", {r['design_effect']:.0f} events weigh as one"
    return f"from block to block {figure(r['sd'])}, autocorrelation {r['rho']:.2f}{effect} ({r['source']})"


def _sentences(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import heading, table

    if document["proposal"]:
        heading(console, "proposed")
        rows = [
            (p["stage"], f"{p['share']:.0%}" if p["share"] else "–", p["blocks"], p["deadline_blocks"])
            for p in document["proposal"]
        ]
        table(console, ("stage", "share", "blocks", "deadline"), rows, right=("blocks", "deadline"))
    for said in document["says"]:
        console.print(f"• {said}", markup=False, soft_wrap=True)
    for said in document["assumes"]:
        console.print(f"  {said}", style="dim", markup=False, soft_wrap=True)


def _block(document: dict[str, Any]) -> str:
    return document["block"] if document["block"] in ("day", "hour") else "block"


def _time(stage: dict[str, Any]) -> str:
    from plimsoll.kernel.figure import span

    return "" if not stage["hours"] else f", {span(stage['hours'])} to {span(stage['hours_at_most'])}"
