"""One stage foreseen: what each of its requirements can show in the stage's blocks, and what a fault would cost.

A stage of a rollout goes on with the sequence of the stages before it, so a canary after ten blocks of shadow begins at
block ten. That makes a pass soon, and hides what begins only with the canary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.rollout import Stage
from plimsoll.operations.planning.foreseen import (
    FAULT_OF_LIMIT,
    FAULT_OF_MARGIN,
    HEALTHY,
    MOST_BLOCKS,
    Foreseen,
    Terms,
    answer_of,
    counts_answers,
    events_per_block,
    unknown,
)
from plimsoll.operations.planning.history import Spread, key_of
from plimsoll.operations.planning.rates import over_two_rates
from plimsoll.stats.planner import POWER, rate_events_needed
from plimsoll.stats.power import (
    blocks_until_caught,
    events_until_caught,
    gap_over_blocks,
    power_of_equivalence,
    power_of_rate,
    power_over_blocks,
    rate_seen,
)
from plimsoll.stats.sequence import START


def foreseen(requirement: Requirement, terms: Terms) -> Foreseen:
    """What ``requirement`` can show in this stage."""
    if requirement.by_hour and requirement.compares:
        return over_two_rates(requirement, terms)
    if requirement.by_hour:
        return _over_events(requirement, terms)
    spread = terms.history.spreads.get(key_of(requirement))
    if spread is None:
        first = "canary" if requirement.definition.of_shown else "gate"
        return unknown(requirement, "blocks", f"nothing has measured it yet: the first {first} will", True)
    return _over_blocks(requirement, terms, spread)


def _over_blocks(r: Requirement, t: Terms, spread: Spread) -> Foreseen:
    sd, rho = spread.sd, spread.rho
    candidate, effect = _candidate(r, spread)
    limit = r.sign * r.limit
    asked, last = t.before + t.stage.blocks, t.before + t.stage.deadline_blocks
    two_sided = r.kind == "equivalent"
    fail_alpha = t.fail_alpha / 2.0 if two_sided else t.fail_alpha  # to fail, either side may be missed
    fault = _fault(r, limit, effect, spread)
    waited, caught = blocks_until_caught(
        effect=fault,
        margin=limit,
        alpha=fail_alpha,
        most=t.stage.deadline_blocks,
        clean=t.before,
        sd=sd,
        rho=rho,
        planned=t.planned,
    )
    answers = waited * t.shown_per_block

    def passes(n: int) -> float:
        if two_sided:  # both sides have to be shown
            return power_of_equivalence(n=n, margin=limit, alpha=t.alpha, sd=sd, rho=rho, planned=t.planned)
        return power_over_blocks(n=n, gap=limit - effect, alpha=t.alpha, sd=sd, rho=rho, planned=t.planned)

    def shows(alpha: float) -> float:
        return gap_over_blocks(n=last, alpha=alpha, power=POWER, sd=sd, rho=rho, planned=t.planned)

    needs = next((n for n in range(START, MOST_BLOCKS + 1) if passes(n) >= POWER), None)
    return Foreseen(
        requirement=str(r),
        over="blocks",
        answer=answer_of(needs, asked, last),
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
        catches_from=_finite(limit + shows(fail_alpha)),
        fault=fault,
        caught=caught,
        fault_blocks=waited,
        fault_answers=answers,
        bad_answers=answers * min(1.0, fault) if counts_answers(r) else None,
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
    per_block = events_per_block(r, t)
    healthy, fault = HEALTHY * limit, min(FAULT_OF_LIMIT * limit, 0.9)
    assumes = (
        f"assumed: a healthy release has a fifth of the limit; {t.history.traffic_source or 'no traffic is known'}"
    )
    if not per_block or not 0.0 < limit < 1.0:
        return unknown(r, "events", assumes, True)
    asked, last = (round(per_block * (t.before + n)) for n in (t.stage.blocks, t.stage.deadline_blocks))
    events = rate_events_needed(limit=limit, rate=healthy, alpha=t.alpha, power=POWER)
    needs = math.ceil(events / per_block) if events else None
    most = round(per_block * t.stage.deadline_blocks)
    waited, caught = events_until_caught(limit=limit, rate=fault, alpha=t.fail_alpha, most=max(1, most))
    shown = waited / per_block * t.shown_per_block
    return Foreseen(
        requirement=str(r),
        over="events",
        answer=answer_of(needs, t.before + t.stage.blocks, t.before + t.stage.deadline_blocks),
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
