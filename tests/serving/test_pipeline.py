from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plimsoll.capability import Answer
from plimsoll.errors import Unavailable
from plimsoll.kernel.records import FALLBACK, Beside, Event
from plimsoll.kernel.rollout import Deployment
from plimsoll.models import OnnxEngine
from plimsoll.serving import WallTiming, position
from plimsoll.serving.answering import Timeouts
from plimsoll.serving.batch import turn_of
from plimsoll.stats.confidence import confidence

from .conftest import live, packed, parcel, risk_by_weight, rolling


def test_an_answer_is_the_models_own(yard: Any) -> None:
    """The score is what the model says about the question's features, which the event keeps."""
    row = yard.release()
    yard.fleet.ensure([row])
    events = yard.pipeline().answer(yard.questions(20), live(row.digest))
    seen = np.array([np.frombuffer(e.served.features, "<f4") for e in events])
    assert [e.served.score for e in events] == pytest.approx(OnnxEngine(packed().model).predict(seen).tolist())
    assert [tuple(r) for r in seen[:2]] == [(-2.0, 0.0), (-1.0, 1.0)]
    assert {e.action for e in events} == {"answer"}


def test_what_was_answered_is_in_the_log(yard: Any) -> None:
    """Events are recorded before the answer leaves, in the order of the questions."""
    row = yard.release()
    yard.fleet.ensure([row])
    events = yard.pipeline().answer(yard.questions(5), live(row.digest))
    assert list(yard.log.read()[0]) == events


def test_nothing_unrecorded_is_answered(yard: Any) -> None:
    """A log that cannot write means no answer."""
    row = yard.release()
    yard.fleet.ensure([row])
    yard.log.close()
    with pytest.raises(Unavailable):
        yard.pipeline().answer(yard.questions(1), live(row.digest))


def test_a_canary_answers_exactly_its_units(yard: Any) -> None:
    """Who gets the canary follows from the unit's place alone."""
    old, new = yard.release(1.0), yard.release(-1.0)
    yard.fleet.ensure([old, new])
    events = yard.pipeline().answer(yard.questions(400), rolling(new.digest, old.digest, share=0.25))
    for event in events:
        inside = position("parcel-late", event.unit) < 0.25
        assert event.served.release == (new.digest if inside else old.digest)
        assert event.served.role == ("canary" if inside else "live")
    assert 60 < sum(e.served.role == "canary" for e in events) < 140


def test_everybody_else_answers_beside(yard: Any) -> None:
    """Each event has one answer of each release that the deployment compares, the served one included."""
    old, new = yard.release(1.0), yard.release(-1.0)
    yard.fleet.ensure([old, new])
    pipeline, deployment = yard.pipeline(), rolling(new.digest, old.digest, share=0.25)
    events = pipeline.answer(yard.questions(60), deployment)
    for event, record in zip(events, pipeline.beside(events, deployment), strict=True):
        said = {event.served.release: event.served} | {a.release: a for a in record.answers}
        assert set(said) == {old.digest, new.digest, FALLBACK}
        assert said[old.digest].features == said[new.digest].features
        assert said[old.digest].score != said[new.digest].score


def test_beside_computes_what_serving_would(yard: Any) -> None:
    """A release says the same to a question whether it serves it or stands beside."""
    old, new = yard.release(1.0), yard.release(-1.0)
    yard.fleet.ensure([old, new])
    pipeline, questions = yard.pipeline(), yard.questions(30)
    beside = pipeline.beside(pipeline.answer(questions, live(old.digest)), rolling(new.digest, old.digest, share=0))
    served = pipeline.answer(questions, live(new.digest))
    said = [next(a for a in b.answers if a.release == new.digest) for b in beside]
    assert [a.score for a in said] == [e.served.score for e in served]


def test_an_unsure_answer_is_none(yard_of: Any) -> None:
    """Below the declared confidence the action is to abstain."""
    yard = yard_of(answer=Answer(abstain_below=0.7))
    row = yard.release()
    yard.fleet.ensure([row])
    for event in yard.pipeline().answer(yard.questions(20), live(row.digest)):
        assert event.action == ("abstain" if confidence(event.served.score) < 0.7 else "answer")


def test_a_failed_release_falls_back_and_is_not_forgotten(yard: Any) -> None:
    """The fallback answers the caller; the event keeps the error of the release that failed; both are recorded."""
    row = yard.release()
    yard.fleet.ensure([row])
    questions = yard.questions(4)
    broken = [questions[0], _without(questions[1], "weight"), *questions[2:]]
    with pytest.raises(KeyError):
        risk_by_weight(broken[1].inputs)
    replies = yard.pipeline().reply(turn_of(broken), live(row.digest))
    assert [r.event.action for r in replies] == ["answer", "fallback", "answer", "answer"]
    assert "weight" in replies[1].event.served.error
    assert replies[1].event.served.score is None
    assert not replies[1].answered  # this question lacks what the fallback needs, too


def test_a_drilled_error_gets_the_fallbacks_answer(yard_of: Any) -> None:
    """About the drilled share fails, always the same events; callers get the fallback's score."""
    yard = yard_of(drills=True)
    row = yard.release(drill={"error_share": 0.2})
    assert yard.fleet.ensure([row]) == {}
    replies = yard.pipeline().reply(turn_of(yard.questions(300)), live(row.digest))
    failed = [r for r in replies if r.event.served.error]
    assert 30 < len(failed) < 95
    assert {r.event.served.error for r in failed} == {"drill: raised"}
    assert {r.given.release for r in failed} == {FALLBACK}
    assert failed[0].given.score == risk_by_weight({"weight": [failed[0].event.inputs["weight"]]})[0]
    besides = [r for r in yard.log.read()[0] if isinstance(r, Beside)]
    assert [b.event for b in besides] == [r.event.id for r in failed]


def test_a_drilled_delay_is_in_the_latency(yard_of: Any) -> None:
    """On the virtual clock nobody waits, and the 80 ms are there."""
    yard = yard_of(drills=True)
    slow, usual = yard.release(drill={"latency_ms": 80.0}), yard.release()
    yard.fleet.ensure([slow, usual])
    late = yard.pipeline().answer(yard.questions(300), live(slow.digest))
    swift = yard.pipeline().answer(yard.questions(300), live(usual.digest))
    assert min(e.served.latency_ms for e in late) > 80
    assert np.quantile([e.served.latency_ms for e in swift], 0.95) < 15


def test_too_late_is_an_error(yard_of: Any) -> None:
    """An answer over the time limit counts as an error, and the fallback's is given."""
    yard = yard_of(drills=True)
    slow = yard.release(drill={"latency_ms": 80.0})
    yard.fleet.ensure([slow])
    (reply,) = yard.pipeline(timeouts=Timeouts(50.0, 50.0)).reply(turn_of(yard.questions(1)), live(slow.digest))
    assert reply.event.served.error == "timeout: over 50 ms"
    assert reply.given.release == FALLBACK


def test_a_drill_on_the_wall_really_waits(yard_of: Any) -> None:
    """In wall time the delay is measured, not made up."""
    yard = yard_of(drills=True)
    slow = yard.release(drill={"latency_ms": 20.0})
    yard.fleet.ensure([slow])
    (event,) = yard.pipeline(timing=WallTiming()).answer(yard.questions(1), live(slow.digest))
    assert event.served.latency_ms >= 20.0


def test_a_replay_gives_the_same_records(yard_of: Any) -> None:
    """On a virtual clock the same questions give the same bytes."""
    runs = []
    for _ in range(2):
        yard = yard_of()
        row = yard.release()
        yard.fleet.ensure([row])
        runs.append(yard.pipeline().answer(yard.questions(50), live(row.digest)))
    assert runs[0] == runs[1]


def test_without_any_release_the_fallback_answers(yard: Any) -> None:
    """Release zero is a release: its answers are events, too."""
    events = yard.pipeline().answer(yard.questions(3), Deployment(capability="parcel-late"))
    assert {(e.served.release, e.action) for e in events} == {(FALLBACK, "fallback")}
    assert [e.served.score for e in events] == risk_by_weight({"weight": [-2.0, -1.0, 0.0]}).tolist()


def test_with_nobody_to_answer_it_says_so(yard_of: Any) -> None:
    """No release and no fallback is an outage, not an answer."""
    yard = yard_of(fallback=None)
    with pytest.raises(Unavailable, match="no release is live"):
        yard.pipeline().answer(yard.questions(1), Deployment(capability="parcel-late", has_fallback=False))


def test_a_canary_that_is_not_ready_shows_nothing(yard: Any) -> None:
    """The old release answers its units; beside them the error is recorded, so that it is judged."""
    old, new = yard.release(1.0), yard.release(-1.0, golden=packed(1.0).golden)
    refused = yard.fleet.ensure([old, new])
    pipeline, deployment = yard.pipeline(), rolling(new.digest, old.digest, share=0.5)
    events = pipeline.answer(yard.questions(40), deployment)
    assert list(refused) == [new.digest]
    assert {e.served.release for e in events} == {old.digest}
    for record in pipeline.beside(events, deployment):
        said = {a.release: a for a in record.answers}
        assert said[new.digest].error.startswith("not ready: it does not reproduce its golden answers")


def _without(question: Any, column: str) -> Any:
    inputs = {k: v for k, v in question.inputs.items() if k != column}
    return type(question)(id=question.id, unit=question.unit, asked_at=question.asked_at, block="b", inputs=inputs)


def test_events_name_the_rollout(yard: Any) -> None:
    """So that exposure can be counted per rollout."""
    old, new = yard.release(1.0), yard.release(-1.0)
    yard.fleet.ensure([old, new])
    event: Event = yard.pipeline().answer(yard.questions(1), rolling(new.digest, old.digest, share=0))[0]
    assert event.rollout == new.digest
    assert event.inputs["parcel"] == parcel(0)["parcel"]
