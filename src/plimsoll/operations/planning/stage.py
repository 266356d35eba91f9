"""One stage foreseen: what each of its requirements can show in the stage's blocks, and what a fault would cost.

A stage of a rollout goes on with the sequence of the stages before it, so a canary after ten blocks of shadow begins at
block ten. That makes a pass soon, and hides what begins only with the canary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.rollout import Stage
from plimsoll.operations.planning.history import History, Spread, key_of
from plimsoll.stats.planner import POWER, blocks_needed, rate_events_needed
from plimsoll.stats.power import (
    blocks_until_caught,
    events_until_caught,
    gap_over_blocks,
    power_of_rate,
    power_over_blocks,
    rate_seen,
)

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


def foreseen(requirement: Requirement, terms: Terms) -> Foreseen:
    """What ``requirement`` can show in this stage."""
    if requirement.by_hour and requirement.compares:
        said = "two rates are compared by the events of both, and how long that takes is not foreseen"
        return Foreseen(requirement=str(requirement), over="events", answer="unknown", source=said, assumed=False)
    if requirement.by_hour:
        return _over_events(requirement, terms)
    spread = terms.history.spreads.get(key_of(requirement))
    if spread is None:
        first = "canary" if requirement.definition.of_shown else "gate"
        said = f"nothing has measured it yet: the first {first} will"
        return Foreseen(requirement=str(requirement), over="blocks", answer="unknown", source=said, assumed=True)
    return _over_blocks(requirement, terms, spread)


def _over_blocks(r: Requirement, t: Terms, spread: Spread) -> Foreseen:
    sd, rho = spread.sd, spread.rho
    candidate, effect = _candidate(r, spread)
    limit = r.sign * r.limit
    asked, last = t.before + t.stage.blocks, t.before + t.stage.deadline_blocks
    two_sided = r.kind == "equivalent"  # both sides have to be shown, and an equal candidate misses either as easily
    power = 0.5 + 0.5 * POWER if two_sided else POWER
    needs = blocks_needed(
        effect=effect, margin=limit, alpha=t.alpha, power=power, most=MOST_BLOCKS, sd=sd, rho=rho, planned=t.planned
    )
    fault = _fault(r, limit, effect, spread)
    waited, caught = blocks_until_caught(
        effect=fault,
        margin=limit,
        alpha=t.fail_alpha,
        most=t.stage.deadline_blocks,
        clean=t.before,
        sd=sd,
        rho=rho,
        planned=t.planned,
    )
    answers = waited * t.shown_per_block

    def passes(n: int) -> float:
        one = power_over_blocks(n=n, gap=limit - effect, alpha=t.alpha, sd=sd, rho=rho, planned=t.planned)
        return max(0.0, 2.0 * one - 1.0) if two_sided else one

    def shows(alpha: float) -> float:
        return gap_over_blocks(n=last, alpha=alpha, power=POWER, sd=sd, rho=rho, planned=t.planned)

    return Foreseen(
        requirement=str(r),
        over="blocks",
        answer=_answer(needs, asked, last),
        candidate=candidate,
        source=spread.source,
        assumed=spread.assumed,
        sd=sd,
        rho=rho,
        design_effect=spread.design_effect,
        needs_blocks=needs,
        power=passes(asked),
        power_at_deadline=passes(last),
        passes_up_to=_finite(limit - shows(t.alpha)),
        catches_from=_finite(limit + shows(t.fail_alpha)),
        fault=fault,
        caught=caught,
        fault_blocks=waited,
        fault_answers=answers,
        bad_answers=answers * min(1.0, fault) if _counts_answers(r) else None,
    )


def _candidate(r: Requirement, spread: Spread) -> tuple[str, float]:
    """Whose passing is foreseen, and how much worse it is: an equal one where it has to be no worse; where it has to be better,
    or a level is asked for, one that is as the last was."""
    if r.compares and r.kind != "better":
        return "an equal candidate", 0.0
    return "one like the last", spread.mean if r.compares else r.sign * spread.mean


def _fault(r: Requirement, limit: float, effect: float, spread: Spread) -> float:
    """The loss that is foreseen: some margins; a day's usual variation where no loss is allowed; twice the room of a level."""
    if not r.compares:
        return limit + 2.0 * abs(limit - effect)
    return FAULT_OF_MARGIN * r.limit if r.limit > 0.0 else spread.sd


def _over_events(r: Requirement, t: Terms) -> Foreseen:
    quantile = r.definition.quantile
    limit = r.limit if quantile is None else 1.0 - quantile
    per_block = _events_per_block(r, t)
    healthy, fault = HEALTHY * limit, min(FAULT_OF_LIMIT * limit, 0.9)
    assumes = (
        f"assumed: a healthy release has a fifth of the limit; {t.history.traffic_source or 'no traffic is known'}"
    )
    if not per_block or not 0.0 < limit < 1.0:
        return Foreseen(requirement=str(r), over="events", answer="unknown", source=assumes, assumed=True)
    asked, last = (round(per_block * (t.before + n)) for n in (t.stage.blocks, t.stage.deadline_blocks))
    events = rate_events_needed(limit=limit, rate=healthy, alpha=t.alpha, power=POWER)
    needs = math.ceil(events / per_block) if events else None
    most = round(per_block * t.stage.deadline_blocks)
    waited, caught = events_until_caught(limit=limit, rate=fault, alpha=t.fail_alpha, most=max(1, most))
    shown = waited / per_block * t.shown_per_block
    return Foreseen(
        requirement=str(r),
        over="events",
        answer=_answer(needs, t.before + t.stage.blocks, t.before + t.stage.deadline_blocks),
        source=assumes,
        assumed=True,
        needs_blocks=needs,
        power=power_of_rate(n=asked, limit=limit, rate=healthy, alpha=t.alpha),
        power_at_deadline=power_of_rate(n=last, limit=limit, rate=healthy, alpha=t.alpha),
        catches_from=_finite(rate_seen(n=last, limit=limit, alpha=t.fail_alpha, power=POWER)),
        fault=fault,
        caught=caught,
        fault_blocks=waited / per_block,
        fault_answers=shown,
        bad_answers=shown * fault,
    )


def _events_per_block(r: Requirement, t: Terms) -> float:
    return t.shown_per_block if r.definition.of_shown else (t.history.events_per_block or 0.0)


def _counts_answers(r: Requirement) -> bool:
    """A metric that is a share of answers: an effect of 0.02 is two wrong answers in a hundred."""
    return r.definition.name in ("accuracy", "error_among_answered", "precision", "recall")


def _answer(needs: int | None, asked: int, last: int) -> Answer:
    if needs is None or needs > last:
        return "cannot"
    return "decides" if needs <= asked else "slow"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def sequence(trial: Sequence[Stage], *, unpaired: bool = False) -> list[int]:
    """The blocks that each stage before live finds in the sequence, if those before took what they ask for; none where each
    has a sequence of its own."""
    before, found = 0, []
    for stage in trial:
        found.append(before)
        before += 0 if unpaired else stage.blocks
    return found
