"""What a caller gets where the release does not answer, step by step, and what is recorded about it."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from plimsoll.capability import Answer as Declared
from plimsoll.kernel.promise import SENTENCES, AnswerRule
from plimsoll.kernel.records import FALLBACK, Beside
from plimsoll.serving.batch import turn_of
from plimsoll.serving.policy import Thresholds, why_of
from plimsoll.serving.standing_in import MOST_LAST, LastAnswers
from plimsoll.stats.confidence import Widths

from .conftest import T0, live, parcel
from .running import running, two_parcels

NEVER = {"abstain_below": 1.5}


class Release:
    """Something with a rule."""

    def __init__(self, **rule: Any) -> None:
        self.rule = AnswerRule(**rule)


@pytest.mark.parametrize(
    ("scores", "kind", "rule", "actions"),
    [
        ([0.9, 0.5, 0.05], "binary", {"abstain_below": 0.8}, ["answer", "abstain", "answer"]),
        ([0.79], "binary", {"abstain_below": 0.8}, ["abstain"]),
        ([(0.5, 0.4, 0.1), (0.9, 0.1, 0.0)], "multiclass", {"abstain_below": 0.6}, ["abstain", "answer"]),
        ([math.nan, 0.9], "binary", {"abstain_below": 0.6}, ["abstain", "answer"]),
        ([None], "binary", {"abstain_below": 0.6}, ["abstain"]),
        (
            [1.0, 9.0],
            "regression",
            {"abstain_below": 0.5, "widths": Widths(within=2.0, edges=(5.0,), widths=(1.0, 4.0))},
            ["answer", "abstain"],
        ),
        ([0.5], "binary", {}, ["answer"]),
        ([3.0], "regression", {"abstain_below": 0.5}, ["answer"]),
    ],
)
def test_a_threshold_is_compared_with(scores: Any, kind: str, rule: Any, actions: Any) -> None:
    """Each kind of task by its own confidence; what is no number is never sure."""
    judged = Thresholds().judge(Release(**rule), scores, kind)  # type: ignore[arg-type]
    assert list(judged.actions) == actions
    assert [bool(reason) for reason in judged.reasons] == [action != "answer" for action in actions]


def test_every_error_has_its_word() -> None:
    """By how its text begins; anything else is an error."""
    texts = ("timeout: over 5 ms", "not ready: x", "circuit open: engine", "unavailable: redis", "ValueError: x")
    assert [why_of(text) for text in texts] == ["timeout", "not_ready", "circuit_open", "unavailable", "error"]
    assert {why_of(text) for text in texts} < set(SENTENCES)


def asked(yard: Any, rule: dict[str, Any], *, previous: dict[str, Any] | None = None, drill: Any = None) -> Any:
    """Four replies of a release with this rule; with a release before it that has another."""
    row = yard.release(answer=rule, **({"drill": drill} if drill else {}))
    before = yard.release(-1.0, answer=previous) if previous is not None else None
    yard.fleet.ensure([row, before] if before else [row])
    deployment = live(row.digest, predecessors=(before.digest,) if before else ())
    replies = yard.pipeline().reply(turn_of(yard.questions(4)), deployment)
    return replies, row, before, deployment


def test_an_unsure_score_goes_to_a_person_and_says_so(yard: Any) -> None:
    """The caller has no score to act on, a reason for machines, and words for people."""
    replies, *_ = asked(yard, {**NEVER, "unsure": ["person"], "says": {"person": "A dispatcher will look."}})
    assert {(r.event.action, r.event.reason, r.score) for r in replies} == {("person", "unsure: person", None)}
    assert replies[0].says == "We are not sure enough about this one. A dispatcher will look."
    assert all(r.answered and r.event.served.score is not None for r in replies)


def test_the_first_step_that_can_be_taken_is(yard: Any) -> None:
    """The previous release where it is sure, and else the rule; each answer is recorded beside the event."""
    rule = {**NEVER, "unsure": ["previous", "fallback"]}
    replies, row, before, _ = asked(yard, rule, previous={"abstain_below": 0.75})
    steps = [r.event.reason for r in replies]
    assert set(steps) == {"unsure: previous", "unsure: fallback"}
    for reply in replies:
        stands_in = before.digest if reply.event.reason == "unsure: previous" else FALLBACK
        assert (reply.given.release, reply.event.action) == (stands_in, "fallback")
        assert reply.event.served.release == row.digest
    records = [r for r in yard.log.read()[0] if isinstance(r, Beside)]
    assert [r.answers[0] for r in records] == [reply.given for reply in replies]


def test_who_stood_in_is_not_asked_again_beside(yard: Any) -> None:
    """Every release's answer to an event is recorded once, whoever gave it first."""
    rule = {**NEVER, "unsure": ["previous", "fallback"]}
    replies, _, before, deployment = asked(yard, rule, previous={"abstain_below": 0.75})
    yard.pipeline().beside([r.event for r in replies], deployment)
    said: dict[str, list[str]] = {}
    for record in yard.log.read()[0]:
        if isinstance(record, Beside):
            said.setdefault(record.event, []).extend(answer.release for answer in record.answers)
    assert all(sorted(names) == sorted([FALLBACK, before.digest]) for names in said.values()) and len(said) == 4


def test_a_failure_goes_down_its_own_list(yard_of: Any) -> None:
    """What failed may be handed to a person instead of being an error."""
    yard = yard_of(drills=True)
    rule = {"unsure": ["abstain"], "failed": ["previous", "person"]}
    replies, *_ = asked(yard, rule, drill={"error_share": 1.0})
    assert {(r.event.action, r.event.reason) for r in replies} == {("person", "error: person")}
    assert all(r.answered and r.score is None for r in replies)


def test_a_failure_that_nothing_stands_in_for_stays_one(yard_of: Any) -> None:
    """The caller gets an error, and the event says what kind."""
    yard = yard_of(drills=True, fallback=None)
    replies, *_ = asked(yard, {}, drill={"error_share": 1.0})
    assert not any(r.answered for r in replies)
    assert {(r.event.action, r.event.reason) for r in replies} == {("fallback", "error")}


def test_a_unit_may_be_answered_as_it_was_before(yard_of: Any) -> None:
    """Within the age that was declared; a unit that was never answered goes on down the list."""
    yard = yard_of(drills=True)
    rule = {"failed": ["cached", "person"], "stale_s": 60.0}
    good, bad = yard.release(answer=rule), yard.release(answer=rule, drill={"error_share": 1.0})
    yard.fleet.ensure([good, bad])
    pipeline = yard.pipeline()
    first = pipeline.reply(turn_of(yard.questions(2)), live(good.digest))
    for later_s, reason in ((30, "error: cached"), (90, "error: person")):
        questions = [msgspec.structs.replace(q, asked_at=T0 + timedelta(seconds=later_s)) for q in yard.questions(3)]
        again = pipeline.reply(turn_of(questions), live(bad.digest))
        assert [r.event.reason for r in again] == [reason, reason, "error: person"]
        if reason == "error: cached":
            assert [r.given for r in again[:2]] == [r.given for r in first]
    assert not any(isinstance(r, Beside) for r in yard.log.read()[0]), "an old answer is no evidence about this event"


def test_last_answers_are_bounded() -> None:
    """The oldest go."""
    last, answer = LastAnswers(), object()
    for i in range(MOST_LAST + 1):
        last.keep("", str(i), T0, answer)  # type: ignore[arg-type]
    assert last.of("", "0", T0, 1.0) is None and last.of("", "1", T0, 1.0) is answer
    assert last.of("other", "1", T0, 1.0) is None, "another tenant's unit of the same name is another unit"


def test_before_the_first_release_the_rule_answers_and_says_why(yard: Any) -> None:
    """Release zero is not an oddity, and nobody else is asked."""
    (reply,) = yard.pipeline().reply(turn_of(yard.questions(1)), live(FALLBACK))
    event = reply.event
    assert (event.action, event.reason, event.served.release) == ("fallback", "no_release", FALLBACK)
    assert reply.says == "No release is live. This answer comes from a simple rule."


def test_a_manifest_with_an_unknown_policy_is_refused(yard: Any) -> None:
    """It might abstain where we would answer."""
    row = yard.release(answer={"unsure": ["shrug"]})
    assert "its answer policy cannot be read" in yard.fleet.ensure([row])[row.digest]


def test_every_edge_says_which_and_why(yard_of: Any) -> None:
    """The plain edge and its client in both forms, the inference protocol as tensors, the words on request."""
    yard = yard_of(answer=Declared(abstain_below=1.0, unsure=["person"]))
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as up:
        with up.client() as client:
            answer = client.ask(**parcel(1))
        assert (answer.action, answer.reason, answer.score) == ("person", "unsure: person", None)
        assert answer.says == "We are not sure enough about this one. A person should look at it."
        tensors = {t["name"]: t["data"] for t in up.infer(*two_parcels())[1]["outputs"]}
        assert tensors["reason"] == ["unsure: person"] * 2 and "says" not in tensors
        tensors = {t["name"]: t["data"] for t in up.infer(*two_parcels(), outputs=[{"name": "says"}])[1]["outputs"]}
        assert tensors == {"says": [answer.says] * 2}
