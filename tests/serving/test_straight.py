"""The straight way of a turn against the general one: the same events, whatever the turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.capability import Answer as Declared
from plimsoll.kernel.columns import one_by_one
from plimsoll.serving.batch import Turn, turn_of
from plimsoll.serving.caching import AnswerCache, MemoryAnswers
from plimsoll.serving.metrics import Metrics
from plimsoll.serving.pipeline import Pipeline

from .conftest import live, rolling, toy
from .test_seams import ToPeople


def turn(yard: Any, weights: Sequence[float | None], tenants: Sequence[str], trace_id: str) -> Turn:
    plain = turn_of(yard.questions(len(weights)))
    for inputs, weight in zip(plain.batch.inputs, weights, strict=True):
        inputs["weight"] = weight
    named = [tenants[i % len(tenants)] for i in range(len(weights))]
    return msgspec.structs.replace(plain, tenants=named, principals=named, trace_ids=[trace_id] * len(weights))


def decided(pipeline: Pipeline, asked: Turn, deployment: Any, *, generally: bool) -> tuple[list[Any], list[Any]]:
    with pytest.MonkeyPatch.context() as patch:
        if generally:
            patch.setattr("plimsoll.serving.pipeline.sole", lambda *_: None)
        found = pipeline.decide(asked, deployment)
    return list(one_by_one(found.records)), [(reply.given, reply.says, reply.score) for reply in found.replies]


@given(
    st.lists(st.one_of(st.none(), st.floats(-50, 50)), min_size=1, max_size=20),
    st.lists(st.sampled_from(["", "acme", "beta"]), min_size=1, max_size=3),
    st.sampled_from(["", "ab" * 16]),
    st.sampled_from([0.0, 0.6, 0.99]),
    st.sampled_from([None, ToPeople()]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_ways_give_the_same_events(
    yard_of: Any, weights: Any, tenants: Any, trace_id: str, below: float, policy: Any
) -> None:
    """And the same replies: with sure and unsure scores, tenants, traces, and a policy of somebody's own."""
    yard = yard_of(answer=Declared(abstain_below=below) if below else toy().answer)
    row = yard.release()
    yard.fleet.ensure([row])
    asked, deployment = turn(yard, weights, tenants, trace_id), live(row.digest)
    ways = [decided(yard.pipeline(policy=policy), asked, deployment, generally=how) for how in (False, True)]
    assert ways[0] == ways[1]


def test_an_answer_that_is_kept_goes_the_general_way_and_says_so(yard: Any) -> None:
    """A turn without one goes straight, with a cache as without; then both ways give the same."""
    row = yard.release()
    yard.fleet.ensure([row])
    found = []
    for generally in (False, True):
        pipeline, asked = (
            yard.pipeline(cache=AnswerCache(MemoryAnswers(1 << 20), ttl_s=60)),
            turn(yard, [1.0, 2.0], [""], ""),
        )
        twice = [decided(pipeline, asked, live(row.digest), generally=generally)[0] for _ in range(2)]
        found.append([[(event.id, event.cached, event.served.score) for event in records] for records in twice])
    assert found[0] == found[1]
    assert [[cached for _, cached, _ in each] for each in found[0]] == [[False, False], [True, True]]


def test_a_turn_that_a_rollout_divides_goes_the_general_way(yard: Any) -> None:
    """As does one of a release that is not loaded; nobody's answer is taken for the live one's."""
    old, new = yard.release(), yard.release(2.0)
    yard.fleet.ensure([old, new])
    asked, pipeline = turn_of(yard.questions(40)), yard.pipeline()
    assert pipeline.decide(asked, live(old.digest)).plain
    assert not pipeline.decide(asked, rolling(new.digest, old.digest, share=0.25)).plain
    assert not pipeline.decide(asked, live("elsewhere")).plain


def test_what_is_counted_is_the_same_either_way(yard: Any) -> None:
    """A plain turn is counted at once, any other one reply at a time."""
    row = yard.release()
    yard.fleet.ensure([row])
    found = yard.pipeline().decide(turn(yard, [0.5] * 9, ["", "acme", "beta"], ""), live(row.digest))
    told = [Metrics("parcel-late"), Metrics("parcel-late")]
    for metrics, plain in zip(told, (True, False), strict=True):
        metrics.answered(found.replies, record_us=3.0, plain=plain)
    plainly, one_by_one = ([*metrics.values()] for metrics in told)
    assert [(v[0].name, v[1]) for v in plainly] == [(v[0].name, v[1]) for v in one_by_one]
    for (_, _, mine), (_, _, theirs) in zip(plainly, one_by_one, strict=True):
        assert getattr(mine, "counts", mine) == getattr(theirs, "counts", theirs)
