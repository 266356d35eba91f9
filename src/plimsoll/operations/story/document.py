"""The story of a rehearsal: what was told while it happened, and what it comes to as one plain document."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from plimsoll.kernel.digest import short
from plimsoll.operations.story.account import Account, Told, account_of, passages
from plimsoll.operations.story.wording import ROUTINE, without_digests

if TYPE_CHECKING:
    from plimsoll.operations.rehearsing import Stage
    from plimsoll.operations.shipping import Shipped

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Story:
    """What happened, as it happened."""

    told: list[Told] = field(default_factory=list)
    shipped: list[Shipped] = field(default_factory=list)
    events: int = 0
    outcomes: int = 0
    wall_s: float = 0.0
    until: datetime = _EPOCH

    def label(self, release: str) -> str:
        return next((s.label for s in self.shipped if s.release == release), short(release))


def outcome(stage: Stage, story: Story) -> dict[str, Any]:
    """Everything that a reader, or a comparison of two rehearsals, asks for.

    The same seed, machine and lock give the same document, but for ``wall_s``. ``exposed_events`` of a release are the
    answers of its own that users got.
    """
    return retold(account_of(stage, story))


def retold(a: Account) -> dict[str, Any]:
    """The document of an account."""
    return {
        "capability": a.capability,
        "seed": a.seed,
        "since": a.since,
        "until": a.until,
        "events": a.events,
        "outcomes": a.outcomes,
        "wall_s": round(a.wall_s, 3),
        "releases": [_release(a, digest, label) for digest, label in a.labels.items()],
        "decisions": [_decision(t) for t in a.told if t.kind not in ROUTINE],
        "incidents": [
            {"id": i.id, "kind": i.kind, "release": a.name(str(i.details.get("release", ""))), "summary": i.summary,
             "opened_at": i.opened_at, "closed_at": i.closed_at}
            for i in a.incidents
        ],
        "ledger_lines": a.head[0],
        "ledger_head": a.head[1],
        "next": _next(a),
    }  # fmt: skip


def _release(a: Account, digest: str, label: str) -> dict[str, Any]:
    state = a.deployment.states[digest]
    gate = a.gates[digest]
    return {
        "digest": digest,
        "label": label,
        "state": state.value,
        "gate": {"ruling": gate.ruling.value, "reason": next(iter(gate.reasons), "")},
        "stages": [
            {"stage": p.stage, "from": p.since, "to": p.until, "blocks": p.blocks, "ruling": p.ruling, "reason": p.reason}
            for p in passages(a, digest)
        ],
        "exposed_events": a.served.get(digest, 0),
        "known_bad": digest in a.deployment.known_bad,
        "reason": why(a, digest),
    }  # fmt: skip


def why(a: Account, digest: str) -> str:
    """Why a release stands where it stands: the last thing that was decided about it, in plain words."""
    about = [t for t in a.told if t.release == digest and t.kind not in ROUTINE | {"unchanged", "confirmed"}]
    last = about[-1].plain if about else ""
    after = next((p for p in reversed(passages(a, digest)) if p.stage == "live"), None)
    return after.reason if after and after.until and a.deployment.states[digest] == "superseded" else last


def _decision(t: Told) -> dict[str, Any]:
    return {
        "at": t.at,
        "kind": t.kind,
        "release": t.release,
        "label": t.label,
        "summary": t.text,
        "plain": t.plain,
        "ledger_seq": t.ledger_seq,
    }


def _next(a: Account) -> list[str]:
    """What the deployment waits for at the end, one sentence each."""
    d, found = a.deployment, []
    found.append(f"{a.name(d.live)} answers" + (f", its lease is {d.lease.standing}" if d.lease else ""))
    if d.rollout:
        stage = d.rollout.current
        waits = without_digests(d.rollout.waits_for or d.rollout.held_for, a.name)
        found.append(f"{a.name(d.rollout.release)} is in {stage.name}" + (f": {waits}" if waits else ""))
    if d.queue:
        found.append(f"waiting for their turn: {', '.join(map(a.name, d.queue))}")
    if d.retrain_asked:
        found.append(f"retraining is asked for: {without_digests(d.retrain_asked, a.name)}")
    return found
