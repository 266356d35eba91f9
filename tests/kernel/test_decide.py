"""One pass of the loop: which rule speaks, and what no sequence of passes may ever do."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from plimsoll.kernel import override
from plimsoll.kernel.case import Observation, Terms
from plimsoll.kernel.decide import decide
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment, Live, shares

from .given import (
    BETTER,
    DAY,
    HOUR,
    NO_WORSE,
    NO_WORSE_THAN_FALLBACK,
    NOON,
    TERMS,
    evidence,
    in_stage,
    lease,
    live_with_predecessor,
    observed,
    passed,
    the,
    trial,
    walk,
)
from .rules import check_body, check_decision, check_deployment

seeds = st.integers(0, 2**32)
BLOCK = NOON.isoformat()


@settings(max_examples=60, deadline=None)
@given(seeds, st.booleans())
def test_no_walk_breaks_a_rule(seed: int, has_fallback: bool) -> None:
    """Whatever is observed, shipped and overridden, in any order, each step is legal and shown."""
    for before, _, decision in walk(random.Random(seed), 60, has_fallback=has_fallback):
        check_decision(before, decision)
        check_body(decision)


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_deciding_changes_nothing_and_is_repeatable(seed: int) -> None:
    """The same deployment and observation give the same decision; the deployment that was given stays as it was."""
    for before, seen, decision in walk(random.Random(seed), 30):
        if seen is not None:
            assert decide(before, seen, TERMS) == decision


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_frozen_nothing_moves_forward(seed: int) -> None:
    """No share grows, nothing starts, nobody goes live by rollout; what fails still comes back."""
    rng = random.Random(seed)
    *_, (_, _, last) = walk(rng, 40)
    frozen = override.freeze(last.deployment, "ann", "holidays", on=True).deployment
    for _ in range(5):
        decision = decide(frozen, observed(rng, frozen, NOON + 900 * DAY), TERMS)
        if decision is not None:
            assert decision.kind not in ("live", "advanced", "started", "resumed")
            frozen = decision.deployment
            assert frozen.frozen_by == "ann"


@settings(max_examples=60, deadline=None)
@given(seeds, st.timedeltas(-100 * DAY, 100 * DAY))
def test_the_loop_s_time_never_goes_back(seed: int, jump: timedelta) -> None:
    """A clock that went back counts as the latest time seen."""
    rng = random.Random(seed)
    *_, (_, _, last) = walk(rng, 30)
    d = last.deployment
    decision = decide(d, observed(rng, d, NOON + jump), TERMS)
    if decision is not None and d.seen_until is not None:
        assert decision.deployment.seen_until == max(d.seen_until, NOON + jump)


def test_nothing_deployed_is_nothing_to_do() -> None:
    """Nights have no flights, and the first day has no release."""
    assert decide(Deployment(capability="late"), Observation(now=NOON), TERMS) is None


def test_silence_leaves_everything_as_it_is() -> None:
    """In every stage and under a lease, a pass without evidence decides nothing."""
    for stage in range(4):
        assert decide(in_stage(stage), Observation(now=NOON), TERMS) is None


# ── the rollout ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_good_release_goes_the_whole_way() -> None:
    """Shadow, one canary after the other, live; each step on its own pass."""
    d, kinds, parts = passed(Deployment(capability="late"), "r1").deployment, [], []
    while True:
        decision = decide(d, trial(d, "good") if d.rollout else Observation(now=NOON), TERMS)
        if decision is None:
            break
        d = decision.deployment
        kinds.append(decision.kind)
        parts.append(shares(d).get("r1", 0.0))
    assert kinds == ["started", "advanced", "advanced", "live"]
    assert parts == [0.0, 0.1, 0.5, 1.0]


@pytest.mark.parametrize("stage", [0, 1, 2])
@pytest.mark.parametrize("how", ["running", "paused", "frozen"])
def test_a_fail_takes_the_candidate_back_in_every_state(stage: int, how: str) -> None:
    """Neither pause nor freeze turns rollback off."""
    d = in_stage(stage)
    if how == "paused":
        d = override.pause(d, "ann", "wait").deployment
    if how == "frozen":
        d = override.freeze(d, "ann", "wait", on=True).deployment
    after = the(decide(d, trial(d, "bad"), TERMS)).deployment
    assert (after.rollout, after.states["r1"], shares(after)) == (None, State.ROLLED_BACK, {FALLBACK: 1.0})
    assert "does not hold" in after.known_bad["r1"]


@pytest.mark.parametrize("stop", ["pause", "freeze"])
def test_what_is_stopped_by_a_person_does_not_advance(stop: str) -> None:
    """The pass is looked at, and waits."""
    d = in_stage(1)
    d = (override.pause(d, "ann", "w") if stop == "pause" else override.freeze(d, "ann", "w", on=True)).deployment
    decision = the(decide(d, trial(d, "good"), TERMS))
    assert decision.kind == "look" and shares(decision.deployment) == shares(d)


def test_the_same_look_is_not_written_twice() -> None:
    """Undecided evidence is told once for each closed block."""
    d = in_stage(0)
    first = the(decide(d, trial(d, "unclear"), TERMS))
    assert first.kind == "look" and "is not shown either way" in first.summary
    assert decide(first.deployment, trial(d, "unclear"), TERMS) is None


def test_inadmissible_evidence_holds_without_blame() -> None:
    """Share to zero, an incident, and the stage starts over when fresh questions show that all is well."""
    d = in_stage(1)
    held = the(decide(d, trial(d, "broken"), TERMS))
    assert held.opens is not None and shares(held.deployment) == {FALLBACK: 1.0} and not held.deployment.known_bad
    assert decide(held.deployment, trial(d, "good", NOON + HOUR), TERMS) is None  # nobody has looked yet
    again = the(decide(held.deployment, trial(d, "good", NOON + HOUR, checked=3), TERMS))
    assert again.kind == "resumed" and again.closes == ("r1",) and again.deployment.rollout is not None
    assert again.deployment.rollout.evidence_since == NOON + HOUR


@pytest.mark.parametrize("says", ["unclear", "nothing"])
def test_a_deadline_holds_what_is_undecided(says: str) -> None:
    """Also where nothing at all was measured."""
    d = in_stage(0)
    decision = the(decide(d, trial(d, says, deadline_passed=True), TERMS))
    assert decision.kind == "held" and "12 blocks passed undecided" in decision.summary


def test_a_stage_without_any_evidence_still_has_a_deadline() -> None:
    """Every slice may be too small to be judged: the stage ends all the same."""
    decision = the(decide(in_stage(0), Observation(now=NOON, deadline_passed=True), TERMS))
    assert decision.kind == "held" and decision.verdict is not None and not decision.verdict.findings


def test_a_fail_that_hits_everybody_blames_nobody() -> None:
    """The candidate is held, not known bad."""
    d = in_stage(1)
    seen = trial(d, "good", shared=frozenset({"error_rate"}))
    bad = evidence("bad", seen.trial[1].requirement, release="r1", source="canary")
    decision = the(decide(d, replace(seen, trial=(seen.trial[0], bad)), TERMS))
    assert decision.kind == "held" and "so does everybody" in decision.summary and not decision.deployment.known_bad


def test_one_rollout_at_a_time() -> None:
    """A second gated release waits in the queue until the first has arrived."""
    d = passed(in_stage(0), "r2").deployment
    assert decide(d, Observation(now=NOON), TERMS) is None and d.queue == ("r2",)
    d = passed(in_stage(3), "r2").deployment
    assert the(decide(d, Observation(now=NOON), TERMS)).subject == "r2"


def test_a_queued_release_that_is_known_bad_is_dropped() -> None:
    """It is said, and nothing is served."""
    d = replace(passed(Deployment(capability="late"), "r1").deployment, known_bad={"r1": "slow"})
    decision = the(decide(d, Observation(now=NOON), TERMS))
    assert (decision.kind, decision.deployment.queue, decision.deployment.rollout) == ("dropped", (), None)


def test_without_a_fallback_the_first_goes_live_on_the_gate_alone() -> None:
    """There is nobody to compare it with."""
    d = passed(Deployment(capability="late", has_fallback=False), "r1").deployment
    decision = the(decide(d, Observation(now=NOON), TERMS))
    assert decision.kind == "live" and "on the gate alone" in decision.summary and decision.deployment.live == "r1"


def test_a_plan_of_live_alone_replaces_at_once() -> None:
    """A capability may choose to have no rollout."""
    d = passed(in_stage(3), "r2").deployment
    after = the(decide(d, Observation(now=NOON), Terms(plan=(Live(),)))).deployment
    assert (after.live, after.predecessors) == ("r2", ("r1",))


# ── the live lease ────────────────────────────────────────────────────────────────────────────────────────────────


def test_failing_machinery_goes_back_at_once() -> None:
    """To the last good release; who failed is known bad."""
    d = live_with_predecessor()
    decision = the(decide(d, lease(d, "bad"), TERMS))
    after = decision.deployment
    assert (after.live, after.states["r2"], after.predecessors) == ("r1", State.ROLLED_BACK, ())
    assert "r2" in after.known_bad and decision.opens is not None and decision.notify


def test_failing_machinery_without_a_predecessor_goes_to_the_fallback() -> None:
    """Release zero always answers."""
    d = in_stage(3)
    after = the(decide(d, lease(d, "bad"), TERMS)).deployment
    assert after.lease is None and shares(after) == {FALLBACK: 1.0}


def test_with_nowhere_to_go_failing_machinery_stays_under_an_incident() -> None:
    """An answer that fails now and then is better than none; it is said once, and a better release may take over."""
    d = in_stage(3, has_fallback=False)
    decision = the(decide(d, lease(d, "bad"), TERMS))
    after = decision.deployment
    assert decision.kind == "held_live" and decision.opens is not None and after.live == "r1" and after.retrain_asked
    assert decide(after, lease(d, "bad"), TERMS) is None
    assert the(decide(passed(after, "r2").deployment, Observation(now=NOON), TERMS)).kind == "started"


def test_evidence_that_cannot_be_trusted_ends_in_the_safe_answer() -> None:
    """An incident and a grace first, then the fallback, then back when fresh questions show it."""
    d = in_stage(3)
    grace = the(decide(d, lease(d, "broken"), TERMS))
    assert grace.kind == "grace" and grace.deployment.live == "r1" and grace.opens is not None
    assert decide(grace.deployment, lease(d, "broken", now=NOON + HOUR), TERMS) is None
    safe = the(decide(grace.deployment, lease(d, "broken", now=NOON + 6 * HOUR), TERMS))
    assert safe.kind == "safe_answer" and shares(safe.deployment) == {FALLBACK: 1.0}
    back = the(decide(safe.deployment, replace(lease(d, "good", now=NOON + 7 * HOUR), checked=3), TERMS))
    assert back.kind == "recovered" and back.deployment.live == "r1" and back.closes == ("r1",)


def test_a_candidate_starts_over_when_its_champion_changes() -> None:
    """Its comparison was with somebody who no longer answers."""
    d = passed(in_stage(3), "r2").deployment
    d = the(decide(d, Observation(now=NOON), TERMS)).deployment
    d = the(decide(d, lease(d, "bad"), TERMS)).deployment
    assert d.rollout is not None and d.rollout.held_by == "champion"
    again = the(decide(d, Observation(now=NOON + HOUR), TERMS)).deployment.rollout
    assert again is not None and (again.champion, again.evidence_since) == (FALLBACK, NOON + HOUR)


def quality_fails(d: Deployment, **rivals: str) -> Observation:
    assert d.lease is not None
    said = {name: (evidence(says, BETTER, release=name, source="gate"),) for name, says in rivals.items()}
    return replace(lease(d, "bad", NO_WORSE_THAN_FALLBACK), rivals=said)


def test_a_lapse_moves_only_to_somebody_who_is_better() -> None:
    """Of two, to the one with the clearer margin; nobody is called known bad, the world may have changed."""
    d = live_with_predecessor()
    decision = the(decide(d, quality_fails(d, r1="good", fallback="unclear"), TERMS))
    after = decision.deployment
    assert (decision.kind, after.live, after.states["r2"], after.known_bad) == ("lapsed", "r1", State.LAPSED, {})


def test_a_lapse_with_nobody_better_stays_under_an_incident() -> None:
    """Retraining is asked for; the older release is usually staler."""
    d = live_with_predecessor()
    decision = the(decide(d, quality_fails(d, r1="unclear", fallback="bad"), TERMS))
    assert (decision.kind, decision.deployment.live) == ("held_live", "r2")
    assert decision.deployment.retrain_asked and decision.opens is not None


def test_a_lapse_never_moves_to_somebody_who_may_not_come_back() -> None:
    """A rival that was never good, or is not there, is no refuge, whatever its numbers."""
    d = replace(live_with_predecessor(), predecessors=(), has_fallback=False)
    decision = the(decide(d, quality_fails(d, r1="good", r9="good", fallback="good"), TERMS))
    assert (decision.kind, decision.deployment.live) == ("held_live", "r2")


def test_a_held_lease_is_good_again_when_it_is_shown_to_hold() -> None:
    """On the recent blocks alone."""
    d = live_with_predecessor()
    d = the(decide(d, quality_fails(d), TERMS)).deployment
    recent = (evidence("good", NO_WORSE_THAN_FALLBACK, release="r2", source="gate"),)
    assert decide(d, Observation(now=NOON, recent=(replace(recent[0], blocks=()),)), TERMS) is None
    after = the(decide(d, Observation(now=NOON, recent=recent), TERMS)).deployment
    assert after.lease is not None and after.lease.standing == "good"


def confirmed() -> Deployment:
    """``r1`` under a lease that is no longer provisional."""
    d = in_stage(3)
    assert d.lease is not None
    return replace(d, lease=replace(d.lease, proof=None, provisional_until=None))


def test_a_closed_block_on_which_all_holds_renews_the_lease() -> None:
    """Once, with the detectors' state."""
    d = in_stage(3)
    seen = replace(lease(d, "good", now=NOON + DAY), closed_until=BLOCK)
    decision = the(decide(d, seen, TERMS))
    held = decision.deployment.lease
    assert decision.kind == "renewed" and held is not None and held.renewed_at == NOON + DAY and held.carry
    assert decide(decision.deployment, seen, TERMS) is None


def test_a_lease_without_evidence_grows_old() -> None:
    """Labels that never come do not renew it, however many blocks close; after a week it is as if they were wrong."""
    d = in_stage(3)
    seen = replace(lease(d, "nothing", NO_WORSE_THAN_FALLBACK, NOON + DAY), closed_until=BLOCK)
    looked = the(decide(d, seen, TERMS))
    assert looked.kind == "look" and "not renewed" in looked.summary
    old = the(decide(looked.deployment, replace(seen, now=NOON + 8 * DAY), TERMS))
    assert old.kind == "grace" and "no admissible evidence since" in old.summary


def test_an_old_lease_needs_evidence_to_recover() -> None:
    """Questions that look right are not enough where outcomes have been missing: it takes a pass."""
    d, late = confirmed(), NOON + 8 * DAY
    silent = replace(lease(d, "nothing", NO_WORSE_THAN_FALLBACK, late), checked=3)
    grace = the(decide(d, silent, TERMS)).deployment
    assert decide(grace, silent, TERMS) is None
    assert the(decide(grace, replace(lease(d, "good", now=late), checked=3), TERMS)).kind == "recovered"


def test_a_lease_that_asks_for_nothing_does_not_grow_old() -> None:
    """There is no evidence that could be missing."""
    assert decide(confirmed(), Observation(now=NOON + 100 * DAY), TERMS) is None


@pytest.mark.parametrize(("says", "kind"), [("good", "confirmed"), ("unclear", "confirmed"), ("bad", "held_live")])
def test_a_provisional_lease_is_judged_again_when_labels_have_matured(says: str, kind: str) -> None:
    """They confirm it, or speak against it; they cannot be ignored."""
    d = in_stage(3)
    mature = NOON + TERMS.maturity
    seen = Observation(now=mature, proof=(evidence(says, NO_WORSE, release="r1", source="canary"),))
    assert decide(d, replace(seen, now=mature - HOUR), TERMS) is None
    assert the(decide(d, seen, TERMS)).kind == kind


def test_retraining_is_asked_for_once() -> None:
    """And moves no traffic."""
    d = in_stage(3)
    seen = Observation(now=NOON, retrain=(evidence("bad", NO_WORSE, release="r1", source="gate"),))
    decision = the(decide(d, seen, TERMS))
    assert decision.kind == "retrain" and shares(decision.deployment) == shares(d)
    assert decide(decision.deployment, seen, TERMS) is None


def test_a_reached_deployment_is_sound_by_itself() -> None:
    """What the tests above build by hand keeps the rules too."""
    for d in (*(in_stage(s) for s in range(4)), live_with_predecessor(), in_stage(3, has_fallback=False)):
        check_deployment(d)
