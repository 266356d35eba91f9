"""The two ways in which who answers changes, whatever the reason: back to somebody, and what that does to a candidate."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from plimsoll.kernel.case import Decision, Observation, name_of
from plimsoll.kernel.digest import short
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import Move, State, advance
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment
from plimsoll.kernel.verdict import Evidence, Verdict


def take_back(
    d: Deployment,
    seen: Observation,
    *,
    to: str | None,
    move: Move,
    kind: str,
    reason: str,
    known_bad: bool,
    verdict: Verdict | None,
    evidence: tuple[Evidence, ...],
    opens: bool = True,
) -> Decision:
    """Live moves in one step: to ``to``, a release that was good, or to the fallback."""
    assert d.lease is not None
    old = d.lease.release
    states = {**d.states, old: advance(d.states[old], move)}
    lease: Lease | None = None
    if to is not None:
        states[to] = advance(states[to], Move.RESTORED)
        lease = seen_until(
            Lease(release=to, granted_at=seen.now, keep=d.lease.keep, since=seen.now, renewed_at=seen.now), seen
        )
    after = replace(
        d,
        lease=lease,
        states=states,
        known_bad={**d.known_bad, old: reason} if known_bad else d.known_bad,
        predecessors=tuple(p for p in d.predecessors if p not in (to, old)),
    )
    return Decision(
        kind=kind,
        subject=old,
        summary=f"{short(old)} is taken back to {name_of(to or FALLBACK)}: {reason}",
        deployment=unsettled(after, seen.now),
        verdict=verdict,
        evidence=evidence,
        opens=(kind, reason) if opens else None,
        notify=True,
    )


def unsettled(d: Deployment, now: datetime) -> Deployment:
    """Who answers has changed: a candidate on its way has another champion now, so its comparison starts over."""
    r = d.rollout
    if r is None or r.state is State.HELD or r.champion == d.live:
        return d
    state = advance(r.state, Move.HELD)
    held = replace(
        r, state=state, held_for=f"who answers changed: {name_of(d.live)} now", held_by="champion", since=now
    )
    return replace(d, rollout=held, states={**d.states, r.release: state})


def seen_until(lease: Lease, seen: Observation) -> Lease:
    """The lease with its detectors' places moved to what this pass has seen; they never move back."""
    return replace(
        lease,
        judged_until=max(lease.judged_until, seen.closed_until),
        counted_until=max(lease.counted_until, seen.counted_until),
    )
