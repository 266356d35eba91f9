"""``plimsoll log``: the ledger. What was decided; whether it is whole; what was live at a time, and why."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from plimsoll.kernel.chain import Line
    from plimsoll.kernel.ports import CatalogReader


def log(
    *,
    verify: Annotated[
        bool, Parameter(negative=(), help="Check chain, checkpoints, objects and events; exit 4 if any is damaged.")
    ] = False,
    at: Annotated[
        str | None, Parameter(help="What was live at this time (UTC unless it says otherwise), and why.")
    ] = None,
    limit: Annotated[int, Parameter(help="How many of the newest lines; 0 is all.")] = 20,
    capability: Annotated[str | None, Parameter(help="Only this capability.")] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """The ledger: every decision, what it rested on, and what was live then.

    Example: plimsoll log --at 2013-03-15T12:00
    """
    from plimsoll.cli.reading import catalog_of, look, moment

    settings = shared.settings()
    if verify:
        from plimsoll.cli.verifying import faults_of

        with catalog_of(settings) as catalog:
            return _verified(faults_of(settings, catalog), shared)
    with look(settings) as catalog:
        if at is not None:
            shared.answer(_live_at(catalog, moment(at, "--at"), capability), _page_at)
        else:
            shared.answer(_newest(catalog, limit, capability), _page_lines)
    return 0


def _verified(found: dict[str, list[str]], shared: Options) -> int:
    broken = any(found.values())
    shared.answer({"whole": not broken, "faults": found}, _page_verify)
    return 4 if broken else 0


def _newest(catalog: CatalogReader, limit: int, capability: str | None) -> dict[str, Any]:
    from plimsoll.cli.reading import capabilities_of

    if capability is not None:
        capabilities_of(catalog, capability)
    head, digest = catalog.ledger_head()
    newest = catalog.ledger(capability=capability, newest_first=True, bodies=False)
    lines = [_line(line) for line in islice(newest, limit or None)]
    return {"head": {"seq": head, "digest": digest}, "lines": lines[::-1]}


def _line(line: Line) -> dict[str, Any]:
    entry = line.entry
    return {
        "seq": line.seq,
        "digest": line.digest,
        "at": entry.at,
        "capability": entry.capability,
        "kind": entry.kind,
        "subject": entry.subject,
        "summary": entry.summary,
        "actor": entry.actor,
    }


def _live_at(catalog: CatalogReader, at: datetime, capability: str | None) -> dict[str, Any]:
    from plimsoll.cli.reading import capabilities_of

    names = capabilities_of(catalog, capability)
    return {"at": at, "capabilities": [_replayed(catalog, name, at) for name in names]}


def _replayed(catalog: CatalogReader, capability: str, at: datetime) -> dict[str, Any]:
    """The deployment that the newest entry until ``at`` left behind, and the newest entry that changed who is live.

    Read backwards, because it ends at the line that changed it; most change nothing.
    """
    import msgspec

    from plimsoll.kernel.rollout import Deployment, shares
    from plimsoll.operations import Names

    deployment, why = Deployment(capability=capability), None
    for line in catalog.ledger(until=at, capability=capability, newest_first=True):
        if "deployment" not in line.entry.body:
            continue
        left = msgspec.convert(line.entry.body["deployment"], Deployment)
        if why is None:
            deployment = left
        elif shares(left) != shares(deployment):
            break
        why = line
    names = Names(catalog.releases(capability))
    return {
        "capability": capability,
        "live": deployment.live,
        "name": names.of(deployment.live),
        "standing": deployment.lease.standing if deployment.lease else "no lease",
        "shares": {names.of(release): share for release, share in shares(deployment).items()},
        "rollout": names.of(deployment.rollout.release) if deployment.rollout else "",
        "because": _line(why) if why else None,
    }


def _page_lines(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import table, when
    from plimsoll.kernel.digest import short

    rows = [
        (line["seq"], when(line["at"]), line["capability"], line["kind"], short(line["subject"]), line["summary"])
        for line in document["lines"]
    ]
    if not rows:
        console.print("the ledger is empty")
        return
    table(console, ("line", "at", "capability", "kind", "release", "what"), rows, right=("line",))
    head = document["head"]
    console.print(f"ends at line {head['seq']}, {short(head['digest'])}", style="dim")


def _page_at(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import facts, heading, when

    for one in document["capabilities"]:
        heading(console, f"{one['capability']} at {when(document['at'])}")
        why = one["because"]
        because = f"line {why['seq']}, {when(why['at'])}: {why['summary']}" if why else "nothing had been decided yet"
        rows = [
            ("live", f"{one['name']}, standing {one['standing']}"),
            ("traffic", ", ".join(f"{share:.0%} {name}" for name, share in one["shares"].items())),
            ("rollout", one["rollout"]),
            ("because", because),
        ]
        facts(console, rows)


def _page_verify(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import escaped

    for part, faults in document["faults"].items():
        console.print(f"{part}: {'[green]whole[/green]' if not faults else f'[red]{len(faults)} damaged[/red]'}")
        for fault in faults:
            console.print(f"  {escaped(fault)}")
