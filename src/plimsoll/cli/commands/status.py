"""``plimsoll status``: what is live, what waits, for what and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.cli.reading import Names
    from plimsoll.kernel.ports import CatalogReader
    from plimsoll.kernel.rollout import Deployment
    from plimsoll.settings import Settings


LETS_GO_ON = {
    "evidence": "goes on by itself when the evidence can be trusted again",
    "champion": "starts over by itself against the new champion",
    "deadline": "plimsoll rollout resume starts the stage over, plimsoll rollout abort ends it",
    "operator": "plimsoll rollout resume starts the stage over, plimsoll rollout abort ends it",
}


def status(
    *,
    capability: Annotated[str | None, Parameter(help="Only this capability; default: all in the home.")] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """What is live, who would come back, what waits, for what and until when.

    Example: plimsoll status --json
    """
    from plimsoll.cli.reading import capabilities_of, look

    settings = shared.settings()
    with look(settings) as catalog:
        found = [_document(catalog, name, settings) for name in capabilities_of(catalog, capability)]
    shared.answer({"home": str(settings.home), "capabilities": found}, _page)
    return 0


def _document(catalog: CatalogReader, capability: str, settings: Settings) -> dict[str, Any]:
    from plimsoll.cli.freshness import features_of
    from plimsoll.cli.reading import Names
    from plimsoll.kernel.rollout import shares

    deployment = catalog.deployment(capability)
    names = Names(catalog.releases(capability))
    return {
        "capability": capability,
        "version": deployment.version,
        "live": _live(deployment, names),
        "comes_back": _release(deployment.predecessor or ("fallback" if deployment.has_fallback else ""), names),
        "shares": {names.of(release): share for release, share in shares(deployment).items()},
        "rollout": _rollout(deployment, names),
        "queue": [_release(digest, names) for digest in deployment.queue],
        "known_bad": [_release(digest, names) | {"reason": why} for digest, why in deployment.known_bad.items()],
        "incidents": [
            {"id": i.id, "kind": i.kind, "summary": i.summary, "opened_at": i.opened_at}
            for i in catalog.incidents(capability, open_only=True)
        ],
        "frozen_by": deployment.frozen_by,
        "retrain_asked": deployment.retrain_asked,
        "seen_until": deployment.seen_until,
        "features": features_of(settings, catalog, deployment),
    }


def _release(digest: str, names: Names) -> dict[str, Any]:
    return {"release": digest, "label": names.label(digest), "name": names.of(digest)}


def _live(deployment: Deployment, names: Names) -> dict[str, Any]:
    lease = deployment.lease
    if lease is None:
        return {**_release("fallback" if deployment.has_fallback else "", names), "standing": "no lease"}
    return {
        **_release(lease.release, names),
        "answers": deployment.live,
        "standing": lease.standing,
        "since": lease.granted_at,
        "standing_since": lease.since,
        "renewed_at": lease.renewed_at,
        "provisional_until": lease.provisional_until,
        "reason": lease.reason,
        "incident": deployment.incidents.get(lease.release, ""),
        "keep": [str(r) for r in lease.keep],
    }


def _rollout(deployment: Deployment, names: Names) -> dict[str, Any] | None:
    rollout = deployment.rollout
    if rollout is None:
        return None
    return {
        **_release(rollout.release, names),
        "champion": names.of(rollout.champion),
        "stage": rollout.current.name,
        "stage_number": rollout.stage + 1,
        "stages": [s.name for s in rollout.plan],
        "state": rollout.state.value,
        "share": rollout.share,
        "closed_blocks": rollout.looked,
        "blocks": rollout.current.blocks,
        "deadline_blocks": rollout.current.deadline_blocks,
        "started_at": rollout.started_at,
        "since": rollout.since,
        "paused_by": rollout.paused_by,
        "held_for": rollout.held_for,
        "held_by": rollout.held_by,
        "waits_for": rollout.waits_for,
    }


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import heading

    if not document["capabilities"]:
        console.print("nothing has been released in this home yet: plimsoll release")
    for one in document["capabilities"]:
        heading(console, one["capability"])
        _one(console, one)


def _one(console: Console, one: dict[str, Any]) -> None:
    from plimsoll.cli.freshness import said
    from plimsoll.cli.page import facts, when

    live, rollout = one["live"], one["rollout"]
    known = [f"{bad['name']}: {bad['reason']}" for bad in one["known_bad"]]
    incidents = [f"{i['kind']} since {when(i['opened_at'])}: {i['summary']}" for i in one["incidents"]]
    rows = [
        ("live", _live_line(live)),
        ("", live.get("reason", "")),
        ("comes back", one["comes_back"]["name"] or "nobody: there is no predecessor and no fallback"),
        ("traffic", ", ".join(f"{share:.0%} {name}" for name, share in one["shares"].items())),
        ("rollout", _rollout_line(rollout) if rollout else "none"),
        ("waits for", _waiting(rollout) if rollout else ""),
        ("queue", ", ".join(q["name"] for q in one["queue"])),
        ("known bad", "\n".join(known)),
        ("incidents", "\n".join(incidents)),
        ("features", said(one["features"])),
        ("frozen by", one["frozen_by"]),
        ("retrain", one["retrain_asked"]),
    ]
    facts(console, rows)


def _live_line(live: dict[str, Any]) -> str:
    from plimsoll.cli.page import when

    if live["standing"] == "no lease":
        return live["name"] or "nothing"
    since = f"since {when(live['since'])}, standing {live['standing']}"
    until = live["provisional_until"]
    provisional = f", provisional until {when(until)}" if until else ""
    answers = ", the fallback answers for it" if live["standing"] == "safe" else ""
    return f"{live['name']}, {since}{provisional}{answers}"


def _rollout_line(rollout: dict[str, Any]) -> str:
    stage = f"{rollout['stage']} ({rollout['stage_number']} of {len(rollout['stages'])})"
    state = "" if rollout["state"] in rollout["stage"] else f", {rollout['state']}"
    paused = f", paused by {rollout['paused_by']}" if rollout["paused_by"] else ""
    return f"{rollout['name']} in {stage}{state}{paused}, against {rollout['champion']}"


def _waiting(rollout: dict[str, Any]) -> str:
    deadline = f"held after {rollout['deadline_blocks']} blocks if undecided"
    if rollout["state"] == "held":
        return f"{rollout['held_for']} ({LETS_GO_ON.get(rollout['held_by'], 'plimsoll rollout resume')})"
    said = rollout["waits_for"] or f"{rollout['closed_blocks']} of {rollout['blocks']} blocks closed"
    return f"{said}; {deadline}"
