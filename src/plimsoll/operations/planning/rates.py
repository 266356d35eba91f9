"""Two rates compared in one stage: what the events of a release and of its champion can show."""

from __future__ import annotations

import math
from functools import cache

from plimsoll.kernel.requirement import Requirement
from plimsoll.operations.planning.foreseen import (
    FAULT_OF_MARGIN,
    HEALTHY,
    MOST_BLOCKS,
    Foreseen,
    Terms,
    answer_of,
    events_per_block,
    unknown,
)
from plimsoll.stats.planner import POWER, first_shown
from plimsoll.stats.power import looked_at_until_caught
from plimsoll.stats.two_rates_power import Decided, power_of_difference

_FINE = 1.02
"""A hundredth part of the events that a power of 80 % takes is not worth another look."""


def over_two_rates(r: Requirement, t: Terms) -> Foreseen:
    """An equal candidate's passing, and a fault of some margins. Who has to be better is foreseen as erring half as often."""
    known = t.history.rates.get(r.metric)
    per_block = events_per_block(r, t)
    theirs = known.rate if known else HEALTHY * (abs(r.limit) or 0.01)
    source = known.source if known else f"assumed: the champion's {r.definition.name} is {theirs:.2%}"
    if not r.definition.counted or r.definition.quantile is not None or abs(r.limit) >= 1.0:
        return unknown(r, "events", "what it compares is no rate of answers, and is not foreseen", False)
    if not per_block:
        return unknown(r, "events", "no traffic is known", True)
    ours = theirs if r.kind != "better" else 0.5 * theirs
    pass_by: Decided = "either_way" if r.kind == "equivalent" else "within"
    fail_alpha = t.fail_alpha / (2.0 if r.kind == "equivalent" else 1.0)
    fault = min(0.9, theirs + (FAULT_OF_MARGIN * r.limit if r.limit > 0.0 else theirs))

    @cache
    def passes(n: int) -> float:
        return power_of_difference(n=n, ours=ours, theirs=theirs, limit=r.limit, alpha=t.alpha, decided=pass_by)

    def convicts(n: int) -> float:
        return power_of_difference(n=n, ours=fault, theirs=theirs, limit=r.limit, alpha=fail_alpha, decided="beyond")

    asked, last = (round(per_block * (t.before + n)) for n in (t.stage.blocks, t.stage.deadline_blocks))
    events = first_shown(lambda n: passes(n) >= POWER, round(MOST_BLOCKS * per_block), fine=_FINE)
    needs = math.ceil(events / per_block) if events else None
    waited, caught = looked_at_until_caught(convicts, max(1, round(per_block * t.stage.deadline_blocks)))
    shown = waited / per_block * t.shown_per_block
    return Foreseen(
        requirement=str(r),
        over="events",
        answer=answer_of(needs, t.before + t.stage.blocks, t.before + t.stage.deadline_blocks),
        candidate="an equal candidate" if r.kind != "better" else "one that errs half as often",
        source=source,
        assumed=known is None,
        needs_blocks=needs,
        power=passes(asked),
        power_at_deadline=passes(last),
        fault=fault,
        caught=caught,
        fault_blocks=waited / per_block,
        fault_answers=shown,
        bad_answers=shown * fault,
    )
