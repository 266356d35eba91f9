"""Carrying a decision out: one transaction with the deployment, its ledger line and its incidents."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from plimsoll.kernel.case import Decision, never_back
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.digest import digest
from plimsoll.kernel.ports import Catalog, Commit, Fence, IncidentRow, Notifier
from plimsoll.kernel.rollout import Deployment


def carry_out(
    decision: Decision,
    *,
    catalog: Catalog,
    notifier: Notifier,
    fence: Fence | None,
    now: datetime,
    actor: str = "loop",
) -> Deployment:
    """Write ``decision`` and tell people. Raises Conflict, and writes nothing, if the deployment has moved on.

    People are told after the write: a notification that is lost does not lose the decision.
    """
    now = never_back(decision.deployment, now)  # what was decided on the loop's own clock is written with its time
    deployment, incidents = _with_incidents(decision, catalog, now)
    entry = Entry(
        at=now,
        capability=deployment.capability,
        kind=decision.kind,
        subject=decision.subject,
        summary=decision.summary,
        actor=actor,
        body=replace(decision, deployment=deployment).body(),
    )
    written = catalog.commit(Commit(deployment=deployment, entries=(entry,), incidents=incidents), fence)
    if decision.notify:
        notifier.notify(
            decision.kind, decision.summary, {"capability": deployment.capability, "release": decision.subject}
        )
    return written


def _with_incidents(decision: Decision, catalog: Catalog, now: datetime) -> tuple[Deployment, tuple[IncidentRow, ...]]:
    """The deployment with its open incidents as they are after the decision, and their rows."""
    d = decision.deployment
    rows: list[IncidentRow] = []
    incidents = dict(d.incidents)
    closing = {incidents.pop(subject) for subject in decision.closes if subject in incidents}
    if closing:
        rows += [
            replace(row, closed_at=now, details={**row.details, "closed_by": decision.summary})
            for row in catalog.incidents(d.capability, open_only=True)
            if row.id in closing
        ]
    if decision.opens and decision.subject not in incidents:
        kind, summary = decision.opens
        row = IncidentRow(
            id=f"inc-{digest([d.capability, kind, decision.subject, now])[:10]}",
            capability=d.capability,
            kind=kind,
            summary=summary,
            opened_at=now,
            details={"release": decision.subject, "decision": decision.summary},
        )
        incidents[decision.subject] = row.id
        rows.append(row)
    return replace(d, incidents=incidents), tuple(rows)
