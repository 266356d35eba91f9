"""What a release promises about being wrong, and what is done with a question that it should not answer.

A declaration says the promise; building the release turns it into a threshold (``stats.selective``), and the rule that
serving follows is part of the manifest: two releases that abstain differently are two releases.

A question that the release does not answer goes down an ordered list until a step can be taken. *Unsure*: the score is
there, and its confidence is below the threshold. *Failed*: there is no score (an error, a time-out, a release that is
not ready or whose circuit is open).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from plimsoll.errors import InvalidDeclaration, nearest
from plimsoll.stats.confidence import Score, Widths, confidence

About = Literal["error_among_answered", "wrong_per_request"]
Step = Literal["previous", "fallback", "cached", "person", "abstain"]
STEPS: tuple[str, ...] = get_args(Step)
ENDS = ("person", "abstain")
"""Steps that can always be taken: nothing after them is ever reached."""

Why = Literal["unsure", "timeout", "error", "unavailable", "not_ready", "circuit_open", "no_release"]
WHYS: tuple[str, ...] = get_args(Why)

SENTENCES = {
    "unsure": "We are not sure enough about this one.",
    "timeout": "The answer took too long.",
    "error": "Something went wrong while answering.",
    "unavailable": "Something that the answer needs is away.",
    "not_ready": "The current release is not ready here.",
    "circuit_open": "The current release has been failing and is left alone for a while.",
    "no_release": "No release is live.",
    "previous": "This answer comes from the previous release.",
    "fallback": "This answer comes from a simple rule.",
    "cached": "This is the answer that was given earlier.",
    "person": "A person should look at it.",
    "abstain": "No answer is given.",
}
"""What a product may show: why the release did not answer, and what the caller got instead. ``says`` replaces any."""


class Promise(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error that is kept. ``within``: how far a regression's answer may be off before it is wrong (label's unit)."""

    about: About
    at_most: float
    confidence: float = 0.95
    within: float | None = None

    def __str__(self) -> str:
        off = f" (off by more than {self.within:g})" if self.within is not None else ""
        if self.about == "wrong_per_request":
            return f"at most {self.at_most:.4g} of what is asked is answered and wrong{off}, on average"
        return (
            f"at most {self.at_most:.4g} of what is answered is wrong{off}, said with confidence {self.confidence:.4g}"
        )


def ErrorAmongAnswered(at_most: float, *, confidence: float = 0.95, within: float | None = None) -> Promise:
    """Of what is answered, at most ``at_most`` is wrong; said with ``confidence``. A regression needs ``within``."""
    return _checked(Promise(about="error_among_answered", at_most=at_most, confidence=confidence, within=within))


def WrongPerRequest(at_most: float, *, within: float | None = None) -> Promise:
    """Of everything that is asked, at most ``at_most`` is answered and wrong, on average. With n blocks at the gate
    nothing below 1 / (n + 1) can be promised."""
    return _checked(Promise(about="wrong_per_request", at_most=at_most, within=within))


class AnswerRule(msgspec.Struct, frozen=True, kw_only=True):
    """What serving does with a score: the part of the manifest under ``settings.answer``.

    ``abstain_below``: the confidence (0–1) from which on it is an answer. ``stale_s``: how old a cached answer may be.
    """

    abstain_below: float = 0.0
    unsure: tuple[Step, ...] = ("abstain",)
    failed: tuple[Step, ...] = ("fallback",)
    says: dict[str, str] = {}
    stale_s: float = 3_600.0
    promise: Promise | None = None
    widths: Widths | None = None

    def to_plain(self) -> dict[str, object]:
        """As the manifest holds it: the threshold always, the rest where it was declared."""
        usual: dict[str, object] = msgspec.structs.asdict(AnswerRule())
        said = {name: value for name, value in msgspec.structs.asdict(self).items() if value != usual[name]}
        plain: dict[str, object] = msgspec.to_builtins(said)
        return {"abstain_below": self.abstain_below, **plain}

    @staticmethod
    def from_plain(plain: object) -> AnswerRule:
        return msgspec.convert(plain or {}, type=AnswerRule)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step that it may take."""
        return (*self.unsure, *self.failed)

    def is_sure(self, score: Score) -> bool:
        """Whether this score is an answer."""
        if self.abstain_below <= 0.0:
            return True
        return confidence(score, self.widths) >= self.abstain_below

    def sentence(self, why: str, step: str) -> str:
        """In words for whoever asked: why, and what they got instead; empty for a plain answer."""
        words = (self.says.get(code) or SENTENCES.get(code, "") for code in (why, step))
        return " ".join(word for word in words if word)


def check_steps(name: str, steps: Sequence[str]) -> None:
    """Raises InvalidDeclaration for a step that does not exist, stands twice, or comes after one that always ends it."""
    for i, step in enumerate(steps):
        if step not in STEPS:
            raise InvalidDeclaration(f"Answer({name}=…): there is no step {step!r}", hint=nearest(step, STEPS))
        if step in steps[:i]:
            raise InvalidDeclaration(f"Answer({name}=…): {step!r} stands there twice")
        if i and steps[i - 1] in ENDS:
            raise InvalidDeclaration(
                f"Answer({name}=…): {step!r} is never reached: {steps[i - 1]!r} before it can always be done",
                hint="put person or abstain last",
            )


def _checked(promise: Promise) -> Promise:
    if not 0.0 < promise.at_most < 1.0:
        raise InvalidDeclaration(
            f"a promise of at most {promise.at_most:g} is none: it is a share, above 0 and below 1", hint="10 % is 0.1"
        )
    if not 0.5 < promise.confidence < 1.0:
        raise InvalidDeclaration(
            f"confidence={promise.confidence:g}: it lies above ½ and below 1", hint="0.95 is the usual"
        )
    if promise.within is not None and not promise.within > 0.0:
        raise InvalidDeclaration(f"within={promise.within:g}: what is tolerated is more than nothing")
    return promise
