"""What people may do over the loop's head: by name, with a reason, in the ledger. None of it turns rollback off."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from plimsoll.errors import UsageError
from plimsoll.kernel.case import Decision, Observation, never_back
from plimsoll.kernel.digest import short
from plimsoll.kernel.lifecycle import Move, State, advance
from plimsoll.kernel.moves import take_back
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment, Rollout


def pause(d: Deployment, actor: str, reason: str) -> Decision:
    """The candidate stays where it is: it moves no further, but a fail still takes it back."""
    r = _on_its_way(d, "pause")
    return Decision(
        kind="paused",
        subject=r.release,
        summary=f"{short(r.release)} is paused in {r.current.name} by {actor}: {reason}",
        deployment=replace(d, rollout=replace(r, paused_by=actor)),
    )


def resume(d: Deployment, actor: str, reason: str, now: datetime) -> Decision:
    """A paused candidate goes on; a held one starts its stage over."""
    r = _on_its_way(d, "resume")
    if r.state is not State.HELD and not r.paused_by:
        raise UsageError(
            f"{short(r.release)} is in {r.current.name} and neither paused nor held; there is nothing to resume"
        )
    if r.state is State.HELD and d.frozen_by:
        raise UsageError(
            f"{d.capability} is frozen by {d.frozen_by}: a held candidate does not go on until it is unfrozen",
            hint='plimsoll rollout unfreeze --reason "…"',
        )
    now = never_back(d, now)
    states, after = d.states, replace(r, paused_by="")
    if r.state is State.HELD:
        move = Move.CANARY_STARTED if r.current.kind == "canary" else Move.SHADOW_STARTED
        state = advance(r.state, move)
        after = replace(
            after,
            state=state,
            champion=d.live,
            since=now,
            evidence_since=now,
            held_for="",
            held_by="",
            looked=0,
        )
        states = {**states, r.release: state}
    return Decision(
        kind="resumed",
        subject=r.release,
        summary=f"{short(r.release)} goes on in {r.current.name}, says {actor}: {reason}",
        deployment=replace(d, rollout=after, states=states),
        closes=(r.release,),
    )


def abort(d: Deployment, actor: str, reason: str) -> Decision:
    """The candidate is withdrawn. It is not blamed: known bad is for evidence."""
    r = _on_its_way(d, "abort")
    states = {**d.states, r.release: advance(r.state, Move.WITHDRAWN)}
    return Decision(
        kind="withdrawn",
        subject=r.release,
        summary=f"{short(r.release)} is withdrawn from {r.current.name} by {actor}: {reason}",
        deployment=replace(d, rollout=None, states=states),
        closes=(r.release,),
    )


def freeze(d: Deployment, actor: str, reason: str, *, on: bool) -> Decision:
    """Nothing moves forward while frozen; everything may still come back."""
    return Decision(
        kind="frozen" if on else "unfrozen",
        subject="",
        summary=f"{d.capability} is {'frozen' if on else 'no longer frozen'} by {actor}: {reason}",
        deployment=replace(d, frozen_by=actor if on else ""),
    )


def rollback(d: Deployment, actor: str, reason: str, now: datetime, *, to: str | None = None) -> Decision:
    """Back to ``to``, or to the last good release, or to the fallback: one pointer move that no gate is asked about."""
    if d.lease is None:
        raise UsageError(f"{d.capability}: no release is live; the fallback already answers")
    target = to or d.predecessor
    if to == FALLBACK and not d.has_fallback:
        raise UsageError(f"{d.capability}: no fallback is declared, so there is none to go back to")
    if to is not None and to != FALLBACK and to not in d.predecessors:
        held = ", ".join(short(p) for p in d.predecessors) or "none"
        raise UsageError(f"{short(to)} never held a good lease of {d.capability}; those that did: {held}")
    if to is not None and to in d.known_bad:
        raise UsageError(f"{short(to)} is known bad and never returns without new evidence: {d.known_bad[to]}")
    if target is None and not d.has_fallback:
        raise UsageError(f"{d.capability}: there is no earlier release and no fallback to go back to")
    return take_back(
        d,
        Observation(now=never_back(d, now)),
        to=None if target == FALLBACK else target,
        move=Move.ROLLED_BACK,
        kind="rolled_back",
        reason=f"by {actor}: {reason}",
        known_bad=False,
        verdict=None,
        evidence=(),
        opens=False,
    )


def _on_its_way(d: Deployment, what: str) -> Rollout:
    if d.rollout is None:
        raise UsageError(
            f"{d.capability}: no rollout is on its way, so there is nothing to {what}",
            hint="see: plimsoll status",
        )
    return d.rollout
