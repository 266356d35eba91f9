"""The rules about who is on the way: when a candidate starts, moves on, waits, is held, taken out, or goes live."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from plimsoll.kernel.case import Decision, Observation, Terms, name_of
from plimsoll.kernel.digest import short
from plimsoll.kernel.lease import Lease, Proof
from plimsoll.kernel.lifecycle import Move, State, advance
from plimsoll.kernel.moves import seen_until
from plimsoll.kernel.rollout import Deployment, Rollout, required
from plimsoll.kernel.verdict import Ruling, Verdict, judge


def trial_judged(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """The candidate's stage: fail takes it back in every state, invalid holds it, pass moves it on, the rest waits."""
    r = d.rollout
    if r is None or r.state is State.HELD or not (seen.trial or seen.deadline_passed):
        return None
    met = required(r.plan, unpaired=terms.unpaired)
    verdict = judge(seen.trial, terms.policy, seen.now, minimum_blocks=r.current.blocks, requirements=met)
    if verdict.ruling is Ruling.FAIL:
        return _trial_failed(d, r, seen, verdict)
    if verdict.ruling is Ruling.INVALID:
        return _hold(d, r, seen, verdict.reasons[0], "evidence", verdict)
    ready = verdict.ruling is Ruling.PASS and seen.stage_blocks >= r.current.blocks
    if ready and not r.paused_by and not d.frozen_by and (d.lease is None or d.lease.standing in ("good", "held")):
        return _next_stage(d, r, seen, terms, verdict)
    if seen.deadline_passed and not ready:
        return _hold(
            d,
            r,
            seen,
            f"its deadline of {r.current.deadline_blocks} blocks passed undecided",
            "deadline",
            verdict,
        )
    if seen.stage_blocks > r.looked:
        return _look(d, r, seen, verdict)
    return None


def held_resumed(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """What was held for its evidence, or because its champion changed, starts its stage over when that has passed."""
    r = d.rollout
    if r is None or r.state is not State.HELD or r.held_by not in ("evidence", "champion"):
        return None
    if d.frozen_by or r.paused_by or (d.lease is not None and d.lease.standing in ("grace", "safe")):
        return None
    if r.held_by == "evidence" and (seen.checked == 0 or any(e.problems for e in seen.trial)):
        return None
    move = Move.CANARY_STARTED if r.current.kind == "canary" else Move.SHADOW_STARTED
    state = advance(r.state, move)
    after = replace(
        r,
        state=state,
        champion=d.live,
        since=seen.now,
        evidence_since=seen.now,
        held_for="",
        held_by="",
        looked=0,
    )
    return Decision(
        kind="resumed",
        subject=r.release,
        summary=f"{short(r.release)}: {r.current.name} starts over against {name_of(d.live)}",
        deployment=replace(d, rollout=after, states={**d.states, r.release: state}),
        closes=(r.release,),
    )


def next_started(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """The next gated release in the queue, when nothing is on its way."""
    if d.rollout is not None or not d.queue or d.frozen_by:
        return None
    if d.lease is not None and d.lease.standing in ("grace", "safe"):
        return None
    release, *rest = d.queue
    if release in d.known_bad:
        return Decision(
            kind="dropped",
            subject=release,
            summary=f"{short(release)}: is known bad and is not rolled out: {d.known_bad[release]}",
            deployment=replace(d, queue=tuple(rest)),
        )
    first = terms.plan[0]
    nobody_to_compare_with = d.lease is None and not d.has_fallback
    if first.kind == "live" or nobody_to_compare_with:
        return _go_live(replace(d, queue=tuple(rest)), release, None, seen, terms, None)
    state = advance(d.states[release], Move.SHADOW_STARTED if first.kind == "shadow" else Move.CANARY_STARTED)
    rollout = Rollout(
        release=release,
        champion=d.live,
        plan=terms.plan,
        stage=0,
        state=state,
        started_at=seen.now,
        since=seen.now,
        evidence_since=seen.now,
    )
    return Decision(
        kind="started",
        subject=release,
        summary=f"{short(release)}: {first.name} against {name_of(d.live)}, at least {first.blocks} blocks",
        deployment=replace(d, rollout=rollout, queue=tuple(rest), states={**d.states, release: state}),
    )


def _trial_failed(d: Deployment, r: Rollout, seen: Observation, verdict: Verdict) -> Decision:
    failed = [f for f in verdict.findings if f.ruling is Ruling.FAIL]
    if all(f.metric in seen.shared for f in failed):
        return _hold(d, r, seen, f"it fails, but so does everybody: {failed[0].reason}", "evidence", verdict)
    reason = failed[0].reason
    state = advance(r.state, Move.ROLLED_BACK)
    return Decision(
        kind="rolled_back",
        subject=r.release,
        summary=f"{short(r.release)} is rolled back from {r.current.name}: {reason}",
        deployment=replace(
            d,
            rollout=None,
            states={**d.states, r.release: state},
            known_bad={**d.known_bad, r.release: reason},
        ),
        verdict=verdict,
        evidence=seen.trial,
        notify=True,
    )


def _hold(d: Deployment, r: Rollout, seen: Observation, reason: str, by: Any, verdict: Verdict) -> Decision:
    state = advance(r.state, Move.HELD)
    after = replace(r, state=state, held_for=reason, held_by=by, since=seen.now)
    return Decision(
        kind="held",
        subject=r.release,
        summary=f"{short(r.release)} is held in {r.current.name}: {reason}",
        deployment=replace(d, rollout=after, states={**d.states, r.release: state}),
        verdict=verdict,
        evidence=seen.trial,
        opens=("evidence", f"{short(r.release)}: {reason}") if by == "evidence" else None,
        notify=True,
    )


def _next_stage(d: Deployment, r: Rollout, seen: Observation, terms: Terms, verdict: Verdict) -> Decision:
    stage = r.plan[r.stage + 1]
    if stage.kind == "live":
        return _go_live(d, r.release, r, seen, terms, verdict)
    state = advance(r.state, Move.CANARY_STARTED)
    began = seen.now if terms.unpaired else r.evidence_since
    after = replace(r, stage=r.stage + 1, state=state, since=seen.now, evidence_since=began, looked=0, waits_for="")
    return Decision(
        kind="advanced",
        subject=r.release,
        summary=f"{short(r.release)} moves from {r.current.name} to {stage.name}: {verdict.reasons[0]}",
        deployment=replace(d, rollout=after, states={**d.states, r.release: state}),
        verdict=verdict,
        evidence=seen.trial,
    )


def _go_live(
    d: Deployment, release: str, r: Rollout | None, seen: Observation, terms: Terms, verdict: Verdict | None
) -> Decision:
    states = {**d.states, release: advance(d.states[release], Move.WENT_LIVE)}
    predecessors = d.predecessors
    if d.lease is not None:
        old = d.lease.release
        states[old] = advance(states[old], Move.SUPERSEDED)
        predecessors = (old, *(p for p in predecessors if p != old))
    proof = Proof(champion=r.champion, requires=r.current.requires, since=r.evidence_since) if r else None
    lease = Lease(
        release=release,
        granted_at=seen.now,
        keep=terms.keep,
        since=seen.now,
        renewed_at=seen.now,
        provisional_until=seen.now + terms.maturity if r else None,
        proof=proof,
    )
    lease = seen_until(lease, seen)
    why = f": {verdict.reasons[0]}" if verdict and verdict.reasons else " on the gate alone"
    return Decision(
        kind="live",
        subject=release,
        summary=f"{short(release)} is live{why}",
        deployment=replace(d, lease=lease, rollout=None, states=states, predecessors=predecessors, retrain_asked=""),
        verdict=verdict,
        evidence=seen.trial,
        closes=tuple(d.incidents),  # somebody good is live: what had been opened about others is over
        notify=True,
    )


def _look(d: Deployment, r: Rollout, seen: Observation, verdict: Verdict) -> Decision:
    stage = r.current
    open_points = [f.reason for f in verdict.findings if f.ruling is Ruling.INCONCLUSIVE]
    missing = f"{seen.stage_blocks} of {stage.blocks} blocks closed"
    waits = f"{missing}; {open_points[0]}" if open_points else missing
    if r.paused_by:
        waits = f"paused by {r.paused_by}; {waits}"
    return Decision(
        kind="look",
        subject=r.release,
        summary=f"{short(r.release)} waits in {stage.name}: {waits}",
        deployment=replace(d, rollout=replace(r, looked=seen.stage_blocks, waits_for=waits)),
        verdict=verdict,
        evidence=seen.trial,
    )
