"""What is foreseen of a requirement, and what it is foreseen with."""

from __future__ import annotations

from typing import Literal

import msgspec

from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.rollout import Stage
from plimsoll.operations.planning.history import History

FAULT_OF_MARGIN, FAULT_OF_LIMIT = 3.0, 4.0
"""The fault that is foreseen: a loss of three margins, a rate of four times its limit."""
HEALTHY = 0.2
"""Of its limit: the error rate that a release in good health is assumed to have."""
MOST_BLOCKS = 365

Answer = Literal["decides", "slow", "cannot", "unknown"]
"""``decides``: by the stage's blocks, 4 times in 5. ``slow``: by its deadline. ``cannot``: not even then."""


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement in one stage. ``needs_blocks``: until the ``candidate`` is shown to hold with
    POWER, over all stages of the sequence; None beyond a year. ``power`` and ``power_at_deadline``: of that candidate.
    ``passes_up_to`` and ``catches_from``: the largest effect that still passes, and the smallest that fails, 4 times in 5
    by the deadline; in between it ends undecided. ``fault``: the size foreseen; ``caught``: the chance that it is found by
    the deadline where it begins with the stage; ``fault_blocks``: the blocks that takes on average, ``fault_answers``:
    answers of the faulty release that are shown meanwhile, ``bad_answers``: how many of those are wrong because of it,
    where the metric counts answers."""

    requirement: str
    over: Literal["blocks", "events"]
    answer: Answer
    source: str
    candidate: str = "a healthy release"
    assumed: bool
    sd: float | None = None
    rho: float | None = None
    design_effect: float | None = None
    needs_blocks: int | None = None
    power: float | None = None
    power_at_deadline: float | None = None
    passes_up_to: float | None = None
    catches_from: float | None = None
    fault: float | None = None
    caught: float | None = None
    fault_blocks: float | None = None
    fault_answers: float | None = None
    bad_answers: float | None = None


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage is foreseen with. ``before``: the blocks that the sequence has when the stage begins; ``alpha`` of a
    false pass, ``fail_alpha`` of a false fail of one requirement."""

    stage: Stage
    before: int
    alpha: float
    fail_alpha: float
    history: History
    planned: int = 20

    @property
    def shown_per_block(self) -> float:
        """Answers of the candidate that somebody sees."""
        return self.stage.share * (self.history.events_per_block or 0.0)


def unknown(r: Requirement, over: Literal["blocks", "events"], why: str, assumed: bool) -> Foreseen:
    """A requirement of which nothing can be said beforehand."""
    return Foreseen(requirement=str(r), over=over, answer="unknown", source=why, assumed=assumed)


def events_per_block(r: Requirement, t: Terms) -> float:
    """Those that it is judged on."""
    return t.shown_per_block if r.definition.of_shown else (t.history.events_per_block or 0.0)


def counts_answers(r: Requirement) -> bool:
    """A metric that is a share of answers: an effect of 0.02 is two wrong answers in a hundred."""
    return r.definition.name in ("accuracy", "error_among_answered", "precision", "recall")


def answer_of(needs: int | None, asked: int, last: int) -> Answer:
    """By the blocks that are needed, asked for, and there at the last."""
    if needs is None or needs > last:
        return "cannot"
    return "decides" if needs <= asked else "slow"
