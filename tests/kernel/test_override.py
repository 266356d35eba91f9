"""What people may do over the loop's head, and what not even they may."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from plimsoll.errors import UsageError
from plimsoll.kernel import override
from plimsoll.kernel.case import Observation
from plimsoll.kernel.decide import decide
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment, shares

from .given import DAY, HOUR, NOON, TERMS, in_stage, live_with_predecessor, overridden, passed, the, trial, walk
from .rules import check_decision

EMPTY = Deployment(capability="late")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_no_override_breaks_a_rule(seed: int) -> None:
    """In whatever deployment it is said; it never blames anybody."""
    rng = random.Random(seed)
    for _, _, decision in walk(rng, 25):
        d = decision.deployment
        said = overridden(rng, d, NOON)
        if said is not None:
            check_decision(d, said)
            assert said.deployment.known_bad == d.known_bad and "ann" in said.summary


@pytest.mark.parametrize("what", ["pause", "resume", "abort"])
def test_without_a_rollout_there_is_nothing_to_say(what: str) -> None:
    """A usage error that says how to look."""
    with pytest.raises(UsageError, match=f"nothing to {what}") as caught:
        if what == "resume":
            override.resume(EMPTY, "ann", "why", NOON)
        else:
            getattr(override, what)(EMPTY, "ann", "why")
    assert "plimsoll status" in caught.value.hint


def test_a_pause_keeps_the_share_until_it_is_resumed() -> None:
    """The candidate stays where it is."""
    d = in_stage(1)
    paused = override.pause(d, "ann", "a sale").deployment
    assert shares(paused) == shares(d) and paused.rollout is not None and paused.rollout.paused_by == "ann"
    resumed = override.resume(paused, "ann", "over", NOON).deployment
    assert resumed == d
    with pytest.raises(UsageError, match="neither paused nor held"):
        override.resume(d, "ann", "why", NOON)


def held() -> Deployment:
    d = in_stage(1)
    return the(decide(d, trial(d, "broken"), TERMS)).deployment


def test_a_held_candidate_that_is_resumed_starts_its_stage_over() -> None:
    """Its evidence begins now."""
    r = override.resume(held(), "ann", "looked into it", NOON + DAY).deployment.rollout
    assert r is not None and (r.state, r.evidence_since, r.held_for, r.looked) == (State.CANARY, NOON + DAY, "", 0)


def test_a_held_candidate_does_not_go_on_while_frozen() -> None:
    """That would move something forward."""
    frozen = override.freeze(held(), "bob", "holidays", on=True).deployment
    with pytest.raises(UsageError, match="frozen by bob") as caught:
        override.resume(frozen, "ann", "why", NOON)
    assert "unfreeze" in caught.value.hint


def test_a_clock_that_went_back_does_not_take_evidence_along() -> None:
    """What was gathered before the hold stays out of the new sequence."""
    r = override.resume(held(), "ann", "go on", NOON - 5 * DAY).deployment.rollout
    assert r is not None and r.evidence_since == NOON
    back = override.rollback(live_with_predecessor(), "ann", "odd", NOON - 5 * DAY).deployment.lease
    assert back is not None and back.granted_at == NOON


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_an_abort_withdraws_without_blame(stage: int) -> None:
    """Known bad is for evidence."""
    after = override.abort(in_stage(stage), "ann", "no more").deployment
    assert (after.rollout, after.states["r1"], after.known_bad) == (None, State.WITHDRAWN, {})


def test_a_freeze_is_lifted_by_anybody_who_may() -> None:
    """Nothing else changes."""
    d = in_stage(1)
    frozen = override.freeze(d, "ann", "holidays", on=True).deployment
    assert frozen.frozen_by == "ann"
    assert override.freeze(frozen, "bob", "over", on=False).deployment == d


# ── rollback ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("hurdle", ["none", "frozen", "safe", "held"])
def test_a_rollback_is_refused_by_nothing(hurdle: str) -> None:
    """Frozen, held, or answered by the fallback already: the last good release answers, at once and without blame."""
    d = live_with_predecessor()
    assert d.lease is not None
    if hurdle == "frozen":
        d = override.freeze(d, "bob", "holidays", on=True).deployment
    elif hurdle != "none":
        d = replace(d, lease=replace(d.lease, standing=hurdle, since=NOON))
    after = override.rollback(d, "ann", "odd answers", NOON + HOUR).deployment
    assert (shares(after), after.states["r2"], after.known_bad) == ({"r1": 1.0}, State.ROLLED_BACK, {})


def test_a_rollback_goes_where_it_is_told() -> None:
    """To a release that was good, by name, or to the fallback, past a predecessor."""
    d = live_with_predecessor()
    assert override.rollback(d, "ann", "why", NOON, to="r1").deployment.live == "r1"
    after = override.rollback(d, "ann", "why", NOON, to=FALLBACK).deployment
    assert (after.live, after.lease, after.predecessors) == (FALLBACK, None, ("r1",))


def test_without_a_predecessor_a_rollback_lands_on_the_fallback() -> None:
    """Release zero always answers."""
    assert override.rollback(in_stage(3), "ann", "why", NOON).deployment.live == FALLBACK


@pytest.mark.parametrize(
    ("d", "to", "said"),
    [
        (EMPTY, None, "no release is live"),
        (live_with_predecessor(), "r9", "never held a good lease of late; those that did: r1"),
        (live_with_predecessor(), "r2", "never held a good lease"),
        (replace(live_with_predecessor(), known_bad={"r1": "slow"}), "r1", "is known bad and never returns"),
        (in_stage(3, has_fallback=False), None, "no earlier release and no fallback"),
        (in_stage(3, has_fallback=False), FALLBACK, "no fallback is declared"),
    ],
)
def test_a_rollback_to_nowhere_is_a_usage_error(d: Deployment, to: str | None, said: str) -> None:
    """It says what there is instead; nothing changed."""
    with pytest.raises(UsageError, match=said):
        override.rollback(d, "ann", "why", NOON, to=to)


def test_a_rollback_sends_a_candidate_back_to_the_start_of_its_stage() -> None:
    """Its champion is another one now."""
    d = live_with_predecessor()
    d = the(decide(passed(d, "r3").deployment, Observation(now=NOON), TERMS)).deployment
    after = override.rollback(d, "ann", "why", NOON).deployment
    assert after.rollout is not None and (after.rollout.state, after.rollout.held_by) == (State.HELD, "champion")
