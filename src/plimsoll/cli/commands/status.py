"""``plimsoll status``: what is live, what waits, for what and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.kernel.ports import CatalogReader
    from plimsoll.settings import Settings


def status(
    *,
    capability: Annotated[str | None, Parameter(help="Only this capability; default: all in the home.")] = None,
    expected: Annotated[
        bool, Parameter(negative=(), help="Also what is expected of answers without outcomes yet: reads the events.")
    ] = False,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """What is live, who would come back, what waits, for what and until when.

    Example: plimsoll status --json
    """
    from plimsoll.cli.freshness import features_of
    from plimsoll.cli.reading import capabilities_of, look
    from plimsoll.operations import standing_of

    settings = shared.settings()
    with look(settings) as catalog:
        found = [
            standing_of(catalog, name) | {"features": features_of(settings, catalog, catalog.deployment(name))}
            for name in capabilities_of(catalog, capability)
        ]
        if expected:
            found = [one | {"expected": _expected(settings, catalog, one)} for one in found]
    shared.answer({"home": str(settings.home), "capabilities": found}, _page)
    return 0


def _expected(settings: Settings, catalog: CatalogReader, one: dict[str, Any]) -> dict[str, Any] | None:
    """Of the live release's answers. It warns; nothing is decided by it."""
    from plimsoll.operations.answered.expectation import expectation
    from plimsoll.operations.answered.reading import answered, task_of

    release = one["live"]["release"]
    if not release or not settings.segments.is_dir():
        return None
    task = "binary" if release == "fallback" else task_of(catalog.release(one["capability"], release).manifest)
    return expectation(answered(settings.segments, one["capability"], release), task)


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
    from plimsoll.operations import waiting_for

    live, rollout = one["live"], one["rollout"]
    known = [f"{bad['name']}: {bad['reason']}" for bad in one["known_bad"]]
    incidents = [f"{i['kind']} since {when(i['opened_at'])}: {i['summary']}" for i in one["incidents"]]
    rows = [
        ("live", _live_line(live)),
        ("", live.get("reason", "")),
        ("comes back", one["comes_back"]["name"] or "nobody: there is no predecessor and no fallback"),
        ("traffic", ", ".join(f"{share:.0%} {name}" for name, share in one["shares"].items())),
        ("rollout", _rollout_line(rollout) if rollout else "none"),
        ("waits for", waiting_for(rollout) if rollout else ""),
        ("queue", ", ".join(q["name"] for q in one["queue"])),
        ("known bad", "\n".join(known)),
        ("incidents", "\n".join(incidents)),
        ("stale", "\n".join(f"{s['name']}: {s['says']}" for s in one["stale"])),
        ("expected", _expectation(one)),
        ("features", said(one["features"])),
        ("frozen by", one["frozen_by"]),
        ("retrain", one["retrain_asked"]),
    ]
    facts(console, rows)


def _expectation(one: dict[str, Any]) -> str:
    """Loaded where it was asked for: a plain status has to be instant."""
    if not one.get("expected"):
        return ""
    from plimsoll.operations.answered.noted import sentences

    return "\n".join(sentences(one["expected"]))


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
