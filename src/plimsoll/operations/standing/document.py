"""How a capability stands now, as one plain document: the same for the command, the page and a machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from plimsoll.kernel.digest import short
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.ports import CatalogReader, ReleaseRow
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment, Rollout, shares
from plimsoll.operations.gold.stale import stale_sets

NEWEST_LINES = 10
"""Of a release on its way: people may have written to the ledger since the loop last looked."""

LETS_GO_ON = {
    "evidence": "goes on by itself when the evidence can be trusted again",
    "champion": "starts over by itself against the new champion",
    "deadline": "plimsoll rollout resume starts the stage over, plimsoll rollout abort ends it",
    "operator": "plimsoll rollout resume starts the stage over, plimsoll rollout abort ends it",
}


class Names:
    """What people call releases: ``label (0123456789ab)`` where there is a label, the short digest elsewhere."""

    def __init__(self, releases: Sequence[ReleaseRow]) -> None:
        self._labels = {row.digest: row.label for row in releases}

    def label(self, digest: str) -> str:
        return self._labels.get(digest, "")

    def of(self, digest: str) -> str:
        if digest in ("", FALLBACK):
            return "the fallback (release zero)" if digest else ""
        label = self.label(digest)
        return f"{label} ({short(digest)})" if label else short(digest)


def standing_of(catalog: CatalogReader, capability: str) -> dict[str, Any]:
    """How ``capability`` stands, as plain JSON: what is live, who would come back, what waits, for what and until when."""
    deployment = catalog.deployment(capability)
    releases = catalog.releases(capability)
    names = Names(releases)
    return {
        "capability": capability,
        "version": deployment.version,
        "live": _live(deployment, names),
        "comes_back": _release(deployment.predecessor or ("fallback" if deployment.has_fallback else ""), names),
        "shares": {names.of(release): share for release, share in shares(deployment).items()},
        "rollout": _rollout(deployment, names, catalog),
        "queue": [_release(digest, names) for digest in deployment.queue],
        "known_bad": [_release(digest, names) | {"reason": why} for digest, why in deployment.known_bad.items()],
        "incidents": [
            {"id": i.id, "kind": i.kind, "summary": i.summary, "opened_at": i.opened_at}
            for i in catalog.incidents(capability, open_only=True)
        ],
        "frozen_by": deployment.frozen_by,
        "retrain_asked": deployment.retrain_asked,
        "seen_until": deployment.seen_until,
        "stale": _stale(catalog, deployment, releases, names),
    }


def _stale(
    catalog: CatalogReader, deployment: Deployment, releases: Sequence[ReleaseRow], names: Names
) -> list[dict[str, Any]]:
    """Verdicts of who is live or on its way that rest on gold labels which have changed since."""
    about = {
        *((deployment.lease.release,) if deployment.lease else ()),
        *((deployment.rollout.release,) if deployment.rollout else ()),
        *deployment.queue,
    }
    return [
        _release(row.digest, names) | found
        for row in releases
        if row.digest in about
        for found in stale_sets(catalog, deployment.capability, row.manifest)
    ]


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


def _rollout(deployment: Deployment, names: Names, catalog: CatalogReader) -> dict[str, Any] | None:
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
        "needs": _needs(rollout, catalog),
    }


def _needs(rollout: Rollout, catalog: CatalogReader) -> str:
    """How much more evidence would decide, by what the last look at this stage saw; empty where that cannot be said."""
    if rollout.state is State.HELD or not rollout.looked:
        return ""
    from plimsoll.kernel.explanation import explained, waiting  # most looks at a home find nothing on its way
    from plimsoll.kernel.replay import has_verdict, stored

    for line in islice(catalog.ledger(subject=rollout.release, newest_first=True), NEWEST_LINES):
        if line.entry.at < rollout.since:
            break
        if has_verdict(line.entry.body):
            return waiting(explained(*stored(line.entry.body)))
    return ""


def waiting_for(rollout: Mapping[str, Any]) -> str:
    """What a rollout (of ``standing_of``) waits for and what ends the wait, in a sentence."""
    deadline = f"held after {rollout['deadline_blocks']} blocks if undecided"
    if rollout["state"] == "held":
        return f"{rollout['held_for']} ({LETS_GO_ON.get(rollout['held_by'], 'plimsoll rollout resume')})"
    said = rollout["waits_for"] or f"{rollout['closed_blocks']} of {rollout['blocks']} blocks closed"
    needs = f"; {rollout['needs']}" if rollout.get("needs") else ""
    return f"{said}{needs}; {deadline}"
