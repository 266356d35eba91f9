from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment
from plimsoll.serving import position, target
from plimsoll.serving.route import beside_role, served_role

from .conftest import live, rolling

units = st.text(max_size=20)


@given(units)
def test_a_place_is_in_the_unit_interval_and_stays(unit: str) -> None:
    """A unit has one place in [0, 1), for ever."""
    assert 0.0 <= position("parcel-late", unit) < 1.0
    assert position("parcel-late", unit) == position("parcel-late", unit)


def test_a_known_unit_keeps_its_place_over_versions() -> None:
    """The hash is part of the contract between replicas: it may never change."""
    assert position("parcel-late", "p1") == 0.9162562203274554


def test_units_are_spread_evenly() -> None:
    """A quarter of the line holds a quarter of the units."""
    below = sum(position("parcel-late", f"p{i}") < 0.25 for i in range(20_000))
    assert abs(below / 20_000 - 0.25) < 0.01


@given(units, st.floats(0.01, 0.98), st.floats(0.001, 0.5))
def test_a_growing_canary_never_flips_a_unit_back(unit: str, share: float, more: float) -> None:
    """Who has the canary at one share has it at every larger one."""
    place = position("parcel-late", unit)
    if target(rolling("new", "old", share=share), place) == "new":
        assert target(rolling("new", "old", share=min(0.99, share + more)), place) == "new"


def test_a_shadow_serves_nobody() -> None:
    """In shadow every unit keeps the live release."""
    deployment = rolling("new", "old", share=0.0)
    assert {target(deployment, i / 100) for i in range(100)} == {"old"}


def test_without_a_release_the_fallback_answers() -> None:
    """Release zero answers until something is live."""
    assert target(Deployment(capability="parcel-late"), 0.3) == FALLBACK


def test_roles_say_as_what_a_release_answered() -> None:
    """The release on its way is the canary where it serves, and the shadow where it does not."""
    deployment = rolling("new", "old", share=0.25)
    assert [served_role(deployment, n) for n in ("new", "old", FALLBACK)] == ["canary", "live", "fallback"]
    assert [beside_role(deployment, n) for n in ("new", "old", FALLBACK)] == ["shadow", "beside", "fallback"]
    assert served_role(live("old"), "old") == "live"
