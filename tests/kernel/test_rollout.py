"""What follows from a deployment: who serves whom, who runs beside, where a rollback lands."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.requirement import at_most
from plimsoll.kernel.rollout import (
    Canary,
    Deployment,
    Live,
    Shadow,
    beside,
    required,
    serves,
    shares,
)

from .given import in_stage, live_with_predecessor, walk
from .rules import check_deployment

positions = st.floats(0.0, 1.0, exclude_max=True)
canary_shares = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)


def with_share(share: float) -> Deployment:
    """``r1`` in a canary of ``share`` beside the fallback."""
    d = in_stage(1)
    assert d.rollout is not None
    return replace(d, rollout=replace(d.rollout, plan=(Canary(share),), stage=0))


@given(canary_shares)
def test_shares_sum_to_one_on_known_releases(share: float) -> None:
    """Whatever the canary's share."""
    parts = shares(with_share(share))
    assert sum(parts.values()) == pytest.approx(1.0, abs=1e-12) and set(parts) == {"r1", FALLBACK}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), positions)
def test_whoever_serves_has_a_share(seed: int, position: float) -> None:
    """In every deployment that can be reached."""
    for _, _, decision in walk(random.Random(seed), 30):
        check_deployment(decision.deployment)
        assert serves(decision.deployment, position) in shares(decision.deployment)


@given(positions, canary_shares, canary_shares)
def test_a_growing_share_flips_nobody_back(position: float, one: float, other: float) -> None:
    """Who had the candidate's answers keeps them."""
    small, large = sorted((one, other))
    if serves(with_share(small), position) == "r1":
        assert serves(with_share(large), position) == "r1"


@given(canary_shares)
def test_a_share_is_the_share_of_the_positions(share: float) -> None:
    """Positions are even, so the candidate takes as many units as it should."""
    d = with_share(share)
    taken = sum(serves(d, (i + 0.5) / 500) == "r1" for i in range(500))
    assert abs(taken / 500 - share) <= 1 / 500


@pytest.mark.parametrize("state", [State.SHADOW, State.HELD])
def test_only_a_canary_serves(state: State) -> None:
    """In shadow, or held, a candidate has no share."""
    d = in_stage(1)
    assert d.rollout is not None
    assert shares(replace(d, rollout=replace(d.rollout, state=state))) == {FALLBACK: 1.0}


def test_before_the_first_release_the_fallback_answers() -> None:
    """Release zero."""
    d = Deployment(capability="late")
    assert (shares(d), d.live, d.predecessor, beside(d)) == ({FALLBACK: 1.0}, FALLBACK, None, (FALLBACK,))


def test_under_a_safe_lease_the_fallback_answers_and_the_release_runs_beside() -> None:
    """How else would its evidence become admissible again?"""
    d = in_stage(3)
    assert d.lease is not None
    safe = replace(d, lease=replace(d.lease, standing="safe"))
    assert shares(safe) == {FALLBACK: 1.0} and "r1" in beside(safe)


def test_whom_a_rollback_would_reach_runs_beside() -> None:
    """It must land on something that is loaded and known to work."""
    d = live_with_predecessor()
    assert d.predecessor == "r1" and set(beside(d)) == {"r2", "r1", FALLBACK}
    assert replace(d, known_bad={"r1": "slow"}).predecessor is None


def test_a_candidate_and_its_champion_run_beside_once_each() -> None:
    """Paired: both answer every question."""
    assert beside(in_stage(0)) == ("r1", FALLBACK)
    assert FALLBACK not in beside(in_stage(3, has_fallback=False))


def test_a_stage_is_called_what_it_does() -> None:
    """So it stands in the ledger."""
    assert [s.name for s in (Shadow(), Canary(0.25), Live())] == ["shadow", "canary 25%", "live"]


def test_what_several_stages_require_counts_once() -> None:
    """One sequence runs through them, so they share one error."""
    a, b = at_most("error_rate", 0.01), at_most("latency_p95_ms", 50)
    assert required((Shadow(requires=(a,)), Canary(0.1, requires=(b, a)), Live())) == 2
