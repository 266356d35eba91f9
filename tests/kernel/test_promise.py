"""Promises and rules: what cannot be said, how a rule is stored, and what a caller is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import InvalidDeclaration
from plimsoll.kernel.digest import canonical, plain
from plimsoll.kernel.promise import (
    SENTENCES,
    STEPS,
    WHYS,
    AnswerRule,
    ErrorAmongAnswered,
    WrongPerRequest,
    check_steps,
)
from plimsoll.stats.confidence import Widths


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: ErrorAmongAnswered(0.0), "above 0 and below 1"),
        (lambda: WrongPerRequest(1.0), "above 0 and below 1"),
        (lambda: ErrorAmongAnswered(0.1, confidence=0.4), "above ½"),
        (lambda: ErrorAmongAnswered(0.1, within=0.0), "more than nothing"),
    ],
)
def test_an_impossible_promise_is_refused(made: Any, said: str) -> None:
    """With what is wrong about it."""
    with pytest.raises(InvalidDeclaration, match=said):
        made()


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (["ask"], "no step 'ask'"),
        (["fallback", "fallback"], "twice"),
        (["person", "fallback"], "never reached"),
    ],
)
def test_an_impossible_list_of_steps_is_refused(steps: list[str], said: str) -> None:
    """Unknown, doubled, or behind a step that ends it."""
    with pytest.raises(InvalidDeclaration, match=said):
        check_steps("failed", steps)


def test_a_promise_reads_as_a_sentence() -> None:
    """The report and the manifest's reader see the same words."""
    assert str(ErrorAmongAnswered(0.1)) == "at most 0.1 of what is answered is wrong, said with confidence 0.95"
    assert "off by more than 5" in str(WrongPerRequest(0.2, within=5))


RULES = st.builds(
    AnswerRule,
    abstain_below=st.floats(0, 1),
    unsure=st.sampled_from([("abstain",), ("previous", "person")]),
    failed=st.sampled_from([("fallback",), ("cached", "abstain"), ()]),
    says=st.dictionaries(st.sampled_from(sorted(SENTENCES)), st.text(max_size=5), max_size=2),
    promise=st.sampled_from([None, ErrorAmongAnswered(0.1), WrongPerRequest(0.2, within=3.0)]),
    widths=st.sampled_from([None, Widths(within=3.0, edges=(1.0,), widths=(0.5, None))]),
)


@given(RULES)
def test_a_rule_comes_back_from_its_manifest(rule: AnswerRule) -> None:
    """It has a canonical form, and what is stored is what was meant."""
    assert canonical(rule.to_plain())
    assert AnswerRule.from_plain(rule.to_plain()) == rule


def test_a_plain_declaration_is_stored_as_before() -> None:
    """Manifests that only have a threshold read and write as they always did."""
    assert plain(AnswerRule(abstain_below=0.55).to_plain()) == {"abstain_below": 0.55}
    assert AnswerRule(failed=("fallback",), stale_s=float("3600")).to_plain() == {"abstain_below": 0.0}
    assert AnswerRule.from_plain(None) == AnswerRule()


def test_every_reason_and_step_has_words() -> None:
    """Nothing can be decided that a caller could not be told."""
    assert set(SENTENCES) == {*STEPS, *WHYS}


def test_a_capability_may_say_it_in_its_own_words() -> None:
    """Its sentence replaces ours; a plain answer says nothing."""
    rule = AnswerRule(says={"person": "A dispatcher will call you."})
    assert rule.sentence("unsure", "person") == "We are not sure enough about this one. A dispatcher will call you."
    assert rule.sentence("", "answer") == ""
