"""One pass of the loop: ``decide(deployment, observation, terms)`` → the one next decision, or None.

The rules stand in order of urgency, and the first that has something to say is the pass. What it changes is seen by
the next pass. A rule is a pure function; its decision holds the whole deployment as it shall be.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from plimsoll.kernel.digest import short
from plimsoll.kernel.lease import Lease, Proof
from plimsoll.kernel.lifecycle import Move, State, advance
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.rollout import Deployment, Rollout, Stage
from plimsoll.kernel.verdict import Evidence, Policy, Ruling, Verdict, identified, judge


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the capability declared: the plan, what a lease must keep, and the patience of each."""

    plan: tuple[Stage, ...]
    keep: tuple[Requirement, ...] = ()
    policy: Policy = Policy()
    maturity: timedelta = timedelta(hours=36)
    grace: timedelta = timedelta(hours=6)
    max_evidence_age: timedelta = timedelta(days=7)


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured since the last pass, as evidence. Empty is legal everywhere: nights have no flights.

    ``trial``: the rollout's stage requirements. ``keep``: the lease's, since it was last renewed. ``rivals``: for
    each good predecessor and the fallback, ``better`` than the live release on the recent window, paired.
    ``recent``: the lease's comparisons on that window. ``proof``: a provisional lease's. ``checked``: questions
    whose online features were just compared with offline ones. ``shared``: metrics that fail for everybody, so
    that nobody is blamed.
    """

    now: datetime
    trial: tuple[Evidence, ...] = ()
    stage_blocks: int = 0
    deadline_passed: bool = False
    keep: tuple[Evidence, ...] = ()
    kept: Verdict | None = None  # the verdict on ``keep``, filled in by decide
    recent: tuple[Evidence, ...] = ()
    rivals: dict[str, tuple[Evidence, ...]] = {}
    proof: tuple[Evidence, ...] = ()
    retrain: tuple[Evidence, ...] = ()
    checked: int = 0
    shared: frozenset[str] = frozenset()
    closed_until: str = ""
    counted_until: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What one pass decided: the deployment after it, one sentence, and the verdict and evidence it rests on.

    ``evidence`` begins with what the verdict's findings were judged on, in their order; more may follow (rivals).
    """

    kind: str
    subject: str
    summary: str
    deployment: Deployment
    verdict: Verdict | None = None
    evidence: tuple[Evidence, ...] = ()
    opens: tuple[str, str] | None = None  # (kind, summary) of an incident
    closes: tuple[str, ...] = ()  # the releases whose incidents end here
    notify: bool = False

    def body(self) -> dict[str, Any]:
        """For the ledger: everything needed to judge again."""
        judged = self.evidence[: len(self.verdict.findings)] if self.verdict else ()
        return {
            "verdict": msgspec.to_builtins(identified(self.verdict, judged)) if self.verdict else None,
            "evidence": [msgspec.to_builtins(e) for e in self.evidence],
            "deployment": msgspec.to_builtins(self.deployment),
        }


def decide(deployment: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """The most urgent thing to do, or None. Time never runs backwards: an earlier ``now`` counts as the latest seen."""
    seen = replace(seen, now=never_back(deployment, seen.now))
    if deployment.lease is not None:
        seen = replace(seen, kept=judge(seen.keep, terms.policy, seen.now))
    for rule in RULES:
        decision = rule(deployment, seen, terms)
        if decision is not None:
            return replace(decision, deployment=replace(decision.deployment, seen_until=seen.now))
    return None


def never_back(d: Deployment, now: datetime) -> datetime:
    """``now``, or the latest time that the deployment has seen where a clock went back."""
    return max(now, d.seen_until) if d.seen_until else now


# ── the live lease ────────────────────────────────────────────────────────────────────────────────────────────────


def machinery_failed(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """Errors or latency of the live release: at once to the last good release. It waits for nothing.

    Where there is neither an earlier release nor a fallback it stays, under an incident: an answer that is slow or
    fails now and then is better than none.
    """
    if d.lease is None or d.lease.standing == "safe":
        return None
    verdict = _kept(seen, terms)
    failed = [f for f in verdict.findings if f.ruling is Ruling.FAIL and f.operational]
    if not failed:
        return None
    if d.predecessor is None and not d.has_fallback:
        return _held_live(d, seen, failed[0].reason, verdict, seen.keep) if d.lease.standing == "good" else None
    guilty = not all(f.metric in seen.shared for f in failed)
    return take_back(
        d,
        seen,
        to=d.predecessor,
        move=Move.ROLLED_BACK,
        kind="rolled_back",
        reason=failed[0].reason,
        known_bad=guilty,
        verdict=verdict,
        evidence=seen.keep,
    )


def evidence_lost(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """Live evidence that cannot be trusted: an incident, a grace, then the declared safe answer."""
    lease = d.lease
    if lease is None:
        return None
    verdict = _kept(seen, terms)
    invalid = [f.reason for f in verdict.findings if f.ruling is Ruling.INVALID]
    if not invalid and seen.keep and _aged(lease, seen, terms):
        invalid = [f"no admissible evidence since {lease.renewed_at:%Y-%m-%d %H:%M}"]
    if not invalid:
        return None
    if lease.standing in ("good", "held"):
        after = replace(lease, standing="grace", since=seen.now, reason=invalid[0])
        return Decision(
            kind="grace",
            subject=lease.release,
            summary=f"{short(lease.release)}: its evidence cannot be trusted: {invalid[0]}",
            deployment=replace(d, lease=after),
            verdict=verdict,
            evidence=seen.keep,
            opens=("evidence", invalid[0]),
            notify=True,
        )
    if lease.standing == "grace" and d.has_fallback and lease.since and seen.now - lease.since >= terms.grace:
        after = replace(lease, standing="safe", since=seen.now, reason=invalid[0])
        return Decision(
            kind="safe_answer",
            subject=lease.release,
            summary=f"{short(lease.release)}: the grace is over; the fallback answers until its evidence can be trusted again",
            deployment=unsettled(replace(d, lease=after), seen.now),
            verdict=verdict,
            evidence=seen.keep,
            notify=True,
        )
    return None


def evidence_back(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """Grace and the safe answer end when fresh questions show admissible evidence, and, where none had come for too
    long, when it has come and passes; a held lease, when it is shown to hold again on the recent window."""
    lease = d.lease
    if lease is None or lease.standing == "good":
        return None
    if lease.standing == "held":
        verdict = judge(seen.recent, terms.policy, seen.now)
        if verdict.ruling is not Ruling.PASS:
            return None
        summary, evidence = "holds again on the recent blocks", seen.recent
    else:
        verdict = _kept(seen, terms)
        if seen.checked == 0 or any(f.ruling is Ruling.INVALID for f in verdict.findings):
            return None
        if seen.keep and _aged(lease, seen, terms) and verdict.ruling is not Ruling.PASS:
            return None
        summary, evidence = "its evidence can be trusted again", seen.keep
    after = replace(lease, standing="good", since=seen.now, renewed_at=seen.now, reason="", carry={})
    after = _seen_until(after, seen)
    return Decision(
        kind="recovered",
        subject=lease.release,
        summary=f"{short(lease.release)}: {summary}; it answers under a good lease",
        deployment=unsettled(replace(d, lease=after), seen.now),
        verdict=verdict,
        evidence=evidence,
        closes=(lease.release,),
        notify=True,
    )


def quality_lapsed(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """Quality fell. The cause may be the world: traffic moves only to one that is shown to be better on the same window."""
    lease = d.lease
    if lease is None or lease.standing != "good":
        return None
    verdict, evidence = _kept(seen, terms), seen.keep
    failed = [f for f in verdict.findings if f.ruling is Ruling.FAIL and not f.operational]
    if not failed and lease.proof and lease.provisional_until and seen.now >= lease.provisional_until and seen.proof:
        verdict, evidence = judge(seen.proof, terms.policy, seen.now), seen.proof
        failed = [f for f in verdict.findings if f.ruling is Ruling.FAIL]
    if not failed:
        return None
    reason = failed[0].reason
    refuge = _better_refuge(d, seen, terms.policy)
    if refuge is not None:
        return take_back(
            d,
            seen,
            to=None if refuge == FALLBACK else refuge,
            move=Move.LAPSED,
            kind="lapsed",
            reason=f"{reason}; {_name(refuge)} is better on the same blocks",
            known_bad=False,
            verdict=verdict,
            evidence=evidence + seen.rivals[refuge],
        )
    return _held_live(d, seen, reason, verdict, evidence + tuple(e for es in seen.rivals.values() for e in es))


def no_longer_provisional(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """The labels of the rollout have matured and do not speak against the promotion: the lease is confirmed."""
    lease = d.lease
    if lease is None or lease.proof is None or lease.provisional_until is None or seen.now < lease.provisional_until:
        return None
    verdict = judge(seen.proof, terms.policy, seen.now)
    if verdict.ruling in (Ruling.FAIL, Ruling.INVALID):
        return None
    return Decision(
        kind="confirmed",
        subject=lease.release,
        summary=f"{short(lease.release)}: its rollout's labels have matured; the promotion stands ({verdict.ruling})",
        deployment=replace(d, lease=replace(lease, proof=None, provisional_until=None)),
        verdict=verdict,
        evidence=seen.proof,
    )


def renewed(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """Each newly closed block on which everything holds renews the lease. Where something is missing it is only looked
    at, so that a lease without evidence grows old. The detectors' state is kept with it either way."""
    lease = d.lease
    if lease is None or not seen.closed_until or seen.closed_until <= lease.judged_until or not seen.keep:
        return None
    verdict = _kept(seen, terms)
    if verdict.ruling is Ruling.INVALID:
        return None
    carry = {
        **lease.carry,
        **{carry_key(e): f.state for e, f in zip(seen.keep, verdict.findings, strict=True) if f.state},
    }
    holds = verdict.ruling is Ruling.PASS
    after = _seen_until(replace(lease, carry=carry, renewed_at=seen.now if holds else lease.renewed_at), seen)
    said = "lease renewed" if holds else "lease not renewed"
    why = "" if holds else f": {verdict.reasons[0]}"
    return Decision(
        kind="renewed" if holds else "look",
        subject=lease.release,
        summary=f"{short(lease.release)}: {said} on the blocks until {seen.closed_until}{why}",
        deployment=replace(d, lease=after),
        verdict=verdict,
        evidence=seen.keep,
    )


def retraining(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """A retrain requirement no longer holds: asked for once, until a newer release is live. It moves no traffic."""
    if d.lease is None or d.retrain_asked or not seen.retrain:
        return None
    verdict = judge(seen.retrain, terms.policy, seen.now)
    if verdict.ruling is not Ruling.FAIL:
        return None
    reason = verdict.reasons[0]
    return Decision(
        kind="retrain",
        subject=d.lease.release,
        summary=f"{short(d.lease.release)}: retraining is asked for: {reason}",
        deployment=replace(d, retrain_asked=reason),
        verdict=verdict,
        evidence=seen.retrain,
        notify=True,
    )


# ── the rollout ───────────────────────────────────────────────────────────────────────────────────────────────────


def trial_judged(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """The candidate's stage: fail takes it back in every state, invalid holds it, pass moves it on, the rest waits."""
    r = d.rollout
    if r is None or r.state is State.HELD or not (seen.trial or seen.deadline_passed):
        return None
    verdict = judge(seen.trial, terms.policy, seen.now, minimum_blocks=r.current.blocks)
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
        summary=f"{short(r.release)}: {r.current.name} starts over against {_name(d.live)}",
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
        summary=f"{short(release)}: {first.name} against {_name(d.live)}, at least {first.blocks} blocks",
        deployment=replace(d, rollout=rollout, queue=tuple(rest), states={**d.states, release: state}),
    )


Rule = Callable[[Deployment, Observation, Terms], "Decision | None"]

RULES: tuple[Rule, ...] = (
    machinery_failed,
    evidence_lost,
    evidence_back,
    quality_lapsed,
    trial_judged,
    no_longer_provisional,
    held_resumed,
    next_started,
    renewed,
    retraining,
)
"""In order of urgency: what hurts users first, what only informs last."""


# ── what the rules share ──────────────────────────────────────────────────────────────────────────────────────────


def carry_key(e: Evidence) -> str:
    """Under which a live detector's state is kept: the requirement, on which slice, against whom."""
    return f"{e.requirement}|{e.slice}|{e.comparator}"


def _kept(seen: Observation, terms: Terms) -> Verdict:
    """The lease's verdict, judged once a pass: several rules ask for it."""
    return seen.kept or judge(seen.keep, terms.policy, seen.now)


def _seen_until(lease: Lease, seen: Observation) -> Lease:
    """The lease with its detectors' places moved to what this pass has seen; they never move back."""
    return replace(
        lease,
        judged_until=max(lease.judged_until, seen.closed_until),
        counted_until=max(lease.counted_until, seen.counted_until),
    )


def _aged(lease: Lease, seen: Observation, terms: Terms) -> bool:
    """Nothing that could renew the lease has come for longer than the capability accepts."""
    return lease.renewed_at is not None and seen.now - lease.renewed_at > terms.max_evidence_age


def _held_live(
    d: Deployment, seen: Observation, reason: str, verdict: Verdict, evidence: tuple[Evidence, ...]
) -> Decision:
    """It no longer holds, and nobody on hand is better: it answers on, under an incident."""
    assert d.lease is not None
    lease = d.lease
    after = _seen_until(replace(lease, standing="held", since=seen.now, reason=reason, carry={}, proof=None), seen)
    return Decision(
        kind="held_live",
        subject=lease.release,
        summary=f"{short(lease.release)}: {reason}; nothing on hand is better on the same blocks, so it stays under an "
        "incident and retraining is asked for",
        deployment=replace(d, lease=after, retrain_asked=reason),
        verdict=verdict,
        evidence=evidence,
        opens=("quality", reason),
        notify=True,
    )


def _better_refuge(d: Deployment, seen: Observation, policy: Policy) -> str | None:
    """The rival that is better with the clearest margin, if any is shown to be better on everything it is compared on.

    Only who may come back is asked: the good predecessors and the fallback.
    """
    allowed = {p for p in d.predecessors if p not in d.known_bad} | ({FALLBACK} if d.has_fallback else set())
    best: tuple[float, str] | None = None
    for name, evidence in seen.rivals.items():
        if name not in allowed:
            continue
        verdict = judge(evidence, policy, seen.now)
        if verdict.ruling is Ruling.PASS:
            gain = max(f.high if f.high is not None else 0.0 for f in verdict.findings)
            best = min(best, (gain, name)) if best else (gain, name)
    return best[1] if best else None


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
        lease = _seen_until(
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
        summary=f"{short(old)} is taken back to {_name(to or FALLBACK)}: {reason}",
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
    held = replace(r, state=state, held_for=f"who answers changed: {_name(d.live)} now", held_by="champion", since=now)
    return replace(d, rollout=held, states={**d.states, r.release: state})


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
    after = replace(r, stage=r.stage + 1, state=state, since=seen.now, looked=0, waits_for="")
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
    lease = _seen_until(lease, seen)
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


def _name(release: str) -> str:
    return "the fallback" if release == FALLBACK else short(release)
