"""A lease as it is kept: it comes back from JSON, and a fresh one is good and owes nothing."""

from __future__ import annotations

import msgspec

from plimsoll.kernel.case import carry_key
from plimsoll.kernel.decide import decide
from plimsoll.kernel.lease import Lease

from .given import DAY, ERRORS, NO_WORSE, NO_WORSE_THAN_FALLBACK, NOON, TERMS, evidence, in_stage, lease, the


def test_a_lease_comes_back_from_what_is_kept() -> None:
    """With its proof and its detectors' states."""
    held = in_stage(3).lease
    assert held is not None and held.proof is not None
    held = msgspec.structs.replace(held, carry={"x": (0.1, 2.0)})
    assert msgspec.json.decode(msgspec.json.encode(held), type=Lease) == held


def test_a_lease_is_granted_on_what_the_capability_keeps() -> None:
    """Provisional until the labels of its rollout have matured, and then judged on its rollout's requirements."""
    held = in_stage(3).lease
    assert held is not None and held.proof is not None
    assert (held.standing, held.keep, held.provisional_until) == ("good", TERMS.keep, NOON + TERMS.maturity)
    assert held.proof.requires == TERMS.plan[2].requires and held.proof.champion == "fallback"


def test_detectors_are_told_apart_by_requirement_slice_and_comparator() -> None:
    """A new predecessor begins a new detector."""
    one = evidence("good", NO_WORSE, comparator="r0")
    others = [
        evidence("good", NO_WORSE, comparator="r9"),
        evidence("good", ERRORS, comparator="r0"),
        msgspec.structs.replace(one, slice="origin=JFK"),
    ]
    assert len({carry_key(e) for e in (one, *others)}) == 4


def test_renewal_moves_the_detectors_places_and_never_back() -> None:
    """A late, older block is not judged twice."""
    d = in_stage(3)
    seen = msgspec.structs.replace(
        lease(d, "good", NO_WORSE_THAN_FALLBACK, NOON + DAY), closed_until="2013-02-02", counted_until="2013-02-02T11"
    )
    d = the(decide(d, seen, TERMS)).deployment
    assert d.lease is not None
    assert (d.lease.judged_until, d.lease.counted_until) == ("2013-02-02", "2013-02-02T11")
    assert decide(d, msgspec.structs.replace(seen, closed_until="2013-02-01"), TERMS) is None
