"""A live release foreseen: how long a fault of a given size goes on before its lease ends, and what that costs.

The lease's own detectors are run over drawn blocks and hours (``stats.delay``), each with its share of the promised rate of
false alarms. A block is judged when its outcomes have come, so quality is known later than it happens.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from plimsoll.capability import Capability
from plimsoll.kernel.requirement import Requirement
from plimsoll.operations.planning.foreseen import MOST_BLOCKS, counts_answers
from plimsoll.operations.planning.history import History, Spread, key_of
from plimsoll.stats.delay import Delay, mean_delay, rate_delay

OF_LIMIT, OF_MARGIN = (2.0, 4.0, 10.0), (2.0, 3.0, 5.0)
"""The sizes of fault that are foreseen: times a rate's limit; margins of a comparison, or times the room of a level."""
_RARE = 0.02
"""Events of a look: below it a rate's detector has next to nothing to go by for months."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """``size``: a rate, or a loss. ``blocks``: until the lease ends, on average (``nine_in_ten``: by when it has 9 times in 10),
    maturity included; ``caught``: how often within a year of blocks. ``answers``: given meanwhile, ``bad_answers``: how many of
    them are wrong or fail because of it, where the metric counts answers."""

    size: float
    blocks: float
    nine_in_ten: float
    caught: float
    answers: float | None
    bad_answers: float | None


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement of a lease. ``false_alarm_blocks``: between two false alarms, on average, at least. ``waits_blocks``:
    until the outcomes of a block have come; ``faults`` are empty where nothing can be said, and ``source`` says why."""

    requirement: str
    over: Literal["blocks", "events"]
    source: str
    assumed: bool
    false_alarm_blocks: float
    waits_blocks: float = 0.0
    faults: tuple[Fault, ...] = ()


def held_live(capability: Capability, history: History) -> list[dict[str, Any]]:
    """Each requirement that a lease keeps, as plain JSON. A second at most for each."""
    return [msgspec.to_builtins(_held(r, capability, history)) for r in capability.keep]


def _held(r: Requirement, capability: Capability, history: History) -> Held:
    run_length = capability.policy.run_length_blocks * len(capability.keep)
    if r.by_hour and not r.compares:
        return _of_rate(r, capability, history, run_length)
    spread = history.spreads.get(key_of(r))
    if r.by_hour or spread is None or spread.floor is None or (r.sign < 0 and not r.compares):
        why = "nothing has measured it yet" if not r.by_hour else "a live comparison of two rates is not foreseen"
        return Held(requirement=str(r), over="blocks", source=why, assumed=True, false_alarm_blocks=run_length)
    return _of_mean(r, capability, history, spread, run_length)


def _of_rate(r: Requirement, capability: Capability, history: History, run_length: float) -> Held:
    quantile, looks = r.definition.quantile, capability.policy.looks_per_block
    limit = r.limit if quantile is None else 1.0 - quantile
    per_look = (history.events_per_block or 0.0) / looks
    source = history.traffic_source or "no traffic is known"
    known = per_look >= _RARE and 0.0 < limit < 1.0
    faults = []
    for size in sorted({min(0.9, times * limit) for times in OF_LIMIT}) if known else []:
        most = MOST_BLOCKS * looks
        seen = rate_delay(rate=size, limit=limit, per_look=per_look, run_length=run_length * looks, most=most)
        faults.append(_fault(size, seen, looks, 0.0, history, bad_share=size))
    return Held(
        requirement=str(r),
        over="events",
        source=source,
        assumed=False,
        false_alarm_blocks=run_length,
        faults=tuple(faults),
    )


def _of_mean(r: Requirement, capability: Capability, history: History, spread: Spread, run_length: float) -> Held:
    limit, block = r.sign * r.limit, capability.source.block_length
    waits = capability.maturity / block if block else 0.0
    room = r.limit if r.compares and r.limit > 0 else max(spread.sd, abs(limit - spread.mean))
    assert spread.floor is not None
    faults = []
    for times in OF_MARGIN:
        effect = times * room if r.compares else limit + (times - 1.0) * room
        seen = mean_delay(
            effect=effect,
            limit=limit,
            sd=spread.sd,
            rho=spread.rho,
            floor=spread.floor,
            run_length=run_length,
            most=MOST_BLOCKS,
        )
        bad = min(1.0, effect) if counts_answers(r) else None
        faults.append(_fault(effect, seen, 1, waits, history, bad_share=bad))
    return Held(
        requirement=str(r),
        over="blocks",
        source=spread.source,
        assumed=spread.assumed,
        false_alarm_blocks=run_length,
        waits_blocks=waits,
        faults=tuple(faults),
    )


def _fault(size: float, seen: Delay, looks: int, waits: float, history: History, *, bad_share: float | None) -> Fault:
    blocks = seen.mean / looks + waits
    answers = None if history.events_per_block is None else blocks * history.events_per_block
    return Fault(
        size=size,
        blocks=blocks,
        nine_in_ten=seen.nine_in_ten / looks + waits,
        caught=seen.caught,
        answers=answers,
        bad_answers=None if answers is None or bad_share is None else answers * bad_share,
    )
