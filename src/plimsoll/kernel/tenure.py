"""The rules about who is live: when a lease is renewed, doubted, ended, and given back."""

from __future__ import annotations

from msgspec.structs import replace

from plimsoll.kernel.case import Decision, Observation, Terms, carry_key, name_of
from plimsoll.kernel.digest import short
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import Move
from plimsoll.kernel.moves import seen_until, take_back, unsettled
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment, required
from plimsoll.kernel.verdict import Evidence, Policy, Ruling, Verdict, judge


def machinery_failed(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """Errors or latency of the live release: at once to the last good release. It waits for nothing.

    Where there is neither an earlier release nor a fallback it stays, under an incident: an answer that is slow or
    fails now and then is better than none.
    """
    if d.lease is None or d.lease.standing == "safe":
        return None
    verdict = kept(seen, terms)
    failed = [f for f in verdict.findings if f.ruling is Ruling.FAIL and f.operational]
    if not failed:
        return None
    if d.predecessor is None and not d.has_fallback:
        return held_live(d, seen, failed[0].reason, verdict, seen.keep) if d.lease.standing == "good" else None
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
    verdict = kept(seen, terms)
    invalid = [f.reason for f in verdict.findings if f.ruling is Ruling.INVALID]
    if not invalid and seen.keep and aged(lease, seen, terms):
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
        verdict = kept(seen, terms)
        if seen.checked == 0 or any(f.ruling is Ruling.INVALID for f in verdict.findings):
            return None
        if seen.keep and aged(lease, seen, terms) and verdict.ruling is not Ruling.PASS:
            return None
        summary, evidence = "its evidence can be trusted again", seen.keep
    after = replace(lease, standing="good", since=seen.now, renewed_at=seen.now, reason="", carry={})
    after = seen_until(after, seen)
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
    verdict, evidence = kept(seen, terms), seen.keep
    failed = [f for f in verdict.findings if f.ruling is Ruling.FAIL and not f.operational]
    if not failed and lease.proof and lease.provisional_until and seen.now >= lease.provisional_until and seen.proof:
        verdict, evidence = _proven(seen, terms), seen.proof
        failed = [f for f in verdict.findings if f.ruling is Ruling.FAIL]
    if not failed:
        return None
    reason = failed[0].reason
    refuge = better_refuge(d, seen, terms.policy)
    if refuge is None and terms.unpaired:
        return _disproven(d, seen, reason, verdict, evidence)
    if refuge is not None:
        return take_back(
            d,
            seen,
            to=None if refuge == FALLBACK else refuge,
            move=Move.LAPSED,
            kind="lapsed",
            reason=f"{reason}; {name_of(refuge)} is better on the same blocks",
            known_bad=False,
            verdict=verdict,
            evidence=evidence + seen.rivals[refuge],
        )
    return held_live(d, seen, reason, verdict, evidence + tuple(e for es in seen.rivals.values() for e in es))


def no_longer_provisional(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """The labels of the rollout have matured and do not speak against the promotion: the lease is confirmed."""
    lease = d.lease
    if lease is None or lease.proof is None or lease.provisional_until is None or seen.now < lease.provisional_until:
        return None
    verdict = _proven(seen, terms)
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


def _disproven(
    d: Deployment, seen: Observation, reason: str, verdict: Verdict, evidence: tuple[Evidence, ...]
) -> Decision:
    """Two arms were compared, and the last labels show that the champion's did better: it is the one to go back to. Nobody
    else was shown to anybody, so of nobody else is anything known."""
    assert d.lease is not None
    champion = d.lease.proof.champion if d.lease.proof else ""
    if champion not in may_come_back(d):
        return held_live(d, seen, reason, verdict, evidence)
    return take_back(
        d,
        seen,
        to=None if champion == FALLBACK else champion,
        move=Move.LAPSED,
        kind="lapsed",
        reason=f"{reason}; those who were shown {name_of(champion)} did better in the same blocks",
        known_bad=False,
        verdict=verdict,
        evidence=evidence,
    )


def renewed(d: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """Each newly closed block on which everything holds renews the lease. Where something is missing it is only looked
    at, so that a lease without evidence grows old. The detectors' state is kept with it either way."""
    lease = d.lease
    if lease is None or not seen.closed_until or seen.closed_until <= lease.judged_until or not seen.keep:
        return None
    verdict = kept(seen, terms)
    if verdict.ruling is Ruling.INVALID:
        return None
    carry = {
        **lease.carry,
        **{carry_key(e): f.state for e, f in zip(seen.keep, verdict.findings, strict=True) if f.state},
    }
    holds = verdict.ruling is Ruling.PASS
    after = seen_until(replace(lease, carry=carry, renewed_at=seen.now if holds else lease.renewed_at), seen)
    said = "lease renewed" if holds else "lease not renewed"
    why = "" if holds else f": {verdict.reasons[0]}"
    return Decision(
        kind="renewed" if holds else "look",
        subject=lease.release,
        summary=f"{short(lease.release)}: {said} on the blocks begun until {seen.closed_until[:16]}{why}",
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


def kept(seen: Observation, terms: Terms) -> Verdict:
    """The lease's verdict, judged once a pass: several rules ask for it."""
    return seen.kept or judge(seen.keep, terms.policy, seen.now, requirements=len(terms.keep))


def _proven(seen: Observation, terms: Terms) -> Verdict:
    """The rollout's verdict again, now that its labels have matured: the same sequence, with the same error."""
    return judge(seen.proof, terms.policy, seen.now, requirements=required(terms.plan, unpaired=terms.unpaired))


def aged(lease: Lease, seen: Observation, terms: Terms) -> bool:
    """Nothing that could renew the lease has come for longer than the capability accepts."""
    return lease.renewed_at is not None and seen.now - lease.renewed_at > terms.max_evidence_age


def held_live(
    d: Deployment, seen: Observation, reason: str, verdict: Verdict, evidence: tuple[Evidence, ...]
) -> Decision:
    """It no longer holds, and nobody on hand is better: it answers on, under an incident."""
    assert d.lease is not None
    lease = d.lease
    after = seen_until(replace(lease, standing="held", since=seen.now, reason=reason, carry={}, proof=None), seen)
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


def may_come_back(d: Deployment) -> set[str]:
    """The good predecessors and the fallback."""
    return {p for p in d.predecessors if p not in d.known_bad} | ({FALLBACK} if d.has_fallback else set())


def better_refuge(d: Deployment, seen: Observation, policy: Policy) -> str | None:
    """The rival that is better with the clearest margin, if any is shown to be better on everything it is compared on.

    Only who may come back is asked: the good predecessors and the fallback.
    """
    allowed = may_come_back(d)
    best: tuple[float, str] | None = None
    for name, evidence in seen.rivals.items():
        if name not in allowed:
            continue
        verdict = judge(evidence, policy, seen.now)
        if verdict.ruling is Ruling.PASS:
            gain = max(f.high if f.high is not None else 0.0 for f in verdict.findings)
            best = min(best, (gain, name)) if best else (gain, name)
    return best[1] if best else None
