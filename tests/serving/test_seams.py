from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from plimsoll.capability import Answer as Declared
from plimsoll.errors import Refused
from plimsoll.kernel.records import FALLBACK, Answer
from plimsoll.serving.batch import turn_of
from plimsoll.serving.policy import Thresholds
from plimsoll.serving.refusals import Limited, Unauthenticated
from plimsoll.serving.seams import OPEN, Headers, Judgement, OpenAdmission

from .conftest import live, parcel
from .running import running


class Kept:
    """A cache that forgets nothing."""

    inline = True

    def __init__(self) -> None:
        self.answers: dict[bytes, Answer] = {}
        self.asked: list[int] = []

    def find(self, keys: Sequence[bytes]) -> list[Answer | None]:
        self.asked.append(len(keys))
        return [self.answers.get(key) for key in keys]

    def keep(self, keys: Sequence[bytes], answers: Sequence[Answer]) -> None:
        self.answers.update(zip(keys, answers, strict=True))

    def give_up(self, keys: Sequence[bytes]) -> None:
        """It waits for nothing."""


def test_a_kept_answer_is_given_again_and_said_to_be(yard: Any) -> None:
    """The same question, whoever asks it when, has the same score; the event says that it was kept."""
    row = yard.release()
    yard.fleet.ensure([row])
    cache = Kept()
    pipeline = yard.pipeline(cache=cache)
    first = pipeline.answer(yard.questions(10), live(row.digest))
    again = pipeline.answer(yard.questions(10), live(row.digest))
    assert [e.cached for e in first] == [False] * 10
    assert [e.cached for e in again] == [True] * 10
    assert [e.served.score for e in again] == [e.served.score for e in first]
    assert len(cache.answers) == 10


def test_a_question_asked_twice_in_a_turn_is_answered_once(yard: Any) -> None:
    """Single flight: the second is as good as kept."""
    row = yard.release()
    yard.fleet.ensure([row])
    cache = Kept()
    events = yard.pipeline(cache=cache).answer([*yard.questions(3), *yard.questions(3)], live(row.digest))
    assert [e.cached for e in events] == [False] * 3 + [True] * 3
    assert cache.asked == [3]


class ToPeople:
    """Hands the even rows over to people, and gives the fallback's answer to the last one."""

    def judge(self, release: Any, scores: Sequence[Any], kind: str) -> Judgement:
        plain = Thresholds().judge(release, scores, kind)
        actions = ["person" if i % 2 == 0 else action for i, action in enumerate(plain.actions)]
        actions[-1] = "fallback"
        return plain._replace(actions=actions, reasons=["why"] * len(scores))


def test_a_policy_decides_what_is_done_with_a_score(yard: Any) -> None:
    """Its action and reason are recorded; where it does not rely on the release, the fallback's score is given."""
    row = yard.release()
    yard.fleet.ensure([row])
    replies = yard.pipeline(policy=ToPeople()).reply(turn_of(yard.questions(4)), live(row.digest))
    assert [r.event.action for r in replies] == ["person", "answer", "person", "fallback"]
    assert [r.event.reason for r in replies] == ["why", "why", "why", "why: fallback"]
    assert [r.given.release for r in replies] == [row.digest] * 3 + [FALLBACK]


def test_without_a_policy_the_declared_confidence_decides(yard_of: Any) -> None:
    """And the event says why there was no answer."""
    yard = yard_of(answer=Declared(abstain_below=0.999))
    row = yard.release()
    yard.fleet.ensure([row])
    (event,) = yard.pipeline().answer(yard.questions(1), live(row.digest))
    assert (event.action, event.reason) == ("abstain", "unsure: abstain")
    assert event.confidence is not None
    assert event.confidence < 0.999


class Doorkeeper(OpenAdmission):
    """Raises what the caller asks for."""

    def admit(self, headers: Headers, capability: str, action: str = "ask") -> Any:
        wanted = dict(headers).get(b"x-wanted")
        match wanted:
            case b"401":
                raise Unauthenticated("no key", hint="make one: plimsoll keys new")
            case b"403":
                raise Refused("this key may not")
            case b"429":
                raise Limited("10 a second", retry_after_s=3.0)
        return OPEN


@pytest.mark.parametrize(("wanted", "header"), [("401", "www-authenticate"), ("403", None), ("429", "retry-after")])
def test_who_may_not_is_told_so(yard: Any, wanted: str, header: str | None) -> None:
    """One status for each kind of refusal; nothing is recorded."""
    with running(yard, admission=Doorkeeper()) as up:
        path, body = "/v1/capabilities/parcel-late/ask", {"inputs": parcel(1)}
        status, _, headers = up.call_raw("POST", path, body, x_wanted=wanted)
        assert status == int(wanted)
        assert header is None or header in headers
        assert up.call("POST", path, body)[0] == 200
    assert len(yard.log.read()[0]) == 1
