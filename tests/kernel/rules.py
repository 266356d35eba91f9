"""What must hold of every deployment and of every decision, whoever decided: the invariants, each with its reason."""

from __future__ import annotations

import msgspec
import pytest

from plimsoll.kernel.case import Decision
from plimsoll.kernel.lifecycle import IN_ROLLOUT, SERVING, TABLE, State
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment, serves, shares
from plimsoll.kernel.verdict import Ruling

_STEPS = {(before, after) for (before, _), after in TABLE.items()}


def check_deployment(d: Deployment) -> None:
    """Nothing in the deployment contradicts anything else in it."""
    parts = shares(d)
    assert sum(parts.values()) == pytest.approx(1.0, abs=1e-12) and min(parts.values()) > 0
    for release in parts:
        assert release == FALLBACK or d.states[release] in SERVING
        assert release not in d.known_bad, "a known-bad release serves"
    assert [r for r, s in d.states.items() if s is State.LIVE] == ([d.lease.release] if d.lease else [])
    on_its_way = {r: s for r, s in d.states.items() if s in IN_ROLLOUT}
    assert on_its_way == ({d.rollout.release: d.rollout.state} if d.rollout else {})
    assert all(d.states[r] is State.SUPERSEDED and r not in d.known_bad for r in d.predecessors)
    assert all(d.states[r] is State.GATED and r not in d.known_bad for r in d.queue)
    assert len(set(d.predecessors)) == len(d.predecessors) and len(set(d.queue)) == len(d.queue)
    if d.lease and not d.has_fallback:
        assert d.live != FALLBACK, "traffic went to a fallback that is not there"


def check_decision(d: Deployment, decision: Decision, *, gate_alone: bool = False) -> None:
    """The way from one deployment to the next is legal and shown by evidence.

    ``gate_alone``: the plan has no stage before live, so the gate's verdict is all that there is.
    """
    after = decision.deployment
    check_deployment(after)
    for release, state in after.states.items():
        before = d.states.get(release, State.CANDIDATE)
        assert before is state or (before, state) in _STEPS
    if d.seen_until and decision.verdict and decision.kind != "gate":
        assert after.seen_until and after.seen_until >= d.seen_until
    _live_only_on_a_pass(d, decision, gate_alone)
    _blame_only_on_a_fail(d, decision)
    _nobody_flips_back(d, decision)


def _live_only_on_a_pass(d: Deployment, decision: Decision, gate_alone: bool) -> None:
    new, old = decision.deployment.lease, d.lease
    if new is None or (old and new.release == old.release):
        return
    if new.release in d.predecessors:
        return  # it was live before, and nothing has been found against it
    assert decision.kind == "live" and d.states[new.release] is not State.HELD
    nobody_to_compare_with = old is None and not d.has_fallback
    from_the_gate = d.states[new.release] is State.GATED and (gate_alone or nobody_to_compare_with)
    assert from_the_gate or (decision.verdict and decision.verdict.ruling is Ruling.PASS)


def _blame_only_on_a_fail(d: Deployment, decision: Decision) -> None:
    blamed = set(decision.deployment.known_bad) - set(d.known_bad)
    forgiven = set(d.known_bad) - set(decision.deployment.known_bad)
    if blamed:
        assert blamed == {decision.subject} and decision.verdict and decision.verdict.ruling is Ruling.FAIL
        assert decision.deployment.states[decision.subject] is State.ROLLED_BACK
    if forgiven:
        assert decision.kind == "gate" and decision.verdict and decision.verdict.ruling is Ruling.PASS


def _nobody_flips_back(d: Deployment, decision: Decision) -> None:
    """While one candidate's share grows, whoever has its answers keeps them."""
    new, old = decision.deployment.rollout, d.rollout
    if not (new and old and new.release == old.release and new.share >= old.share):
        return
    for position in (0.0, 0.05, 0.0999, 0.1, 0.3, 0.5, 0.99):
        if serves(d, position) == old.release:
            assert serves(decision.deployment, position) == old.release


def check_body(decision: Decision) -> None:
    """What is written can be read back, and every finding names evidence that stands beside it."""
    body = decision.body()
    assert msgspec.convert(body["deployment"], Deployment) == decision.deployment
    if body["verdict"]:
        named = [f["evidence"] for f in body["verdict"]["findings"]]
        assert named == [e.id for e in decision.evidence[: len(named)]]
