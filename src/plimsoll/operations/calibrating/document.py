"""What a calibration found, as one plain document: false alarms, the power against each mutant, and what is out of sight
with the reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

from plimsoll.capability import Capability
from plimsoll.kernel.figure import figure
from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.rollout import required
from plimsoll.operations.calibrating.declared import declared
from plimsoll.operations.calibrating.line import TWIN
from plimsoll.operations.calibrating.mutants import MUTANTS, Mutant
from plimsoll.operations.calibrating.running import Results
from plimsoll.operations.calibrating.trial import Tried
from plimsoll.stats.dependence import PRIOR_RHO
from plimsoll.stats.interval import exact_rate
from plimsoll.stats.planner import POWER
from plimsoll.stats.power import gap_over_blocks
from plimsoll.stats.special import normal_quantile, t_quantile

CAUGHT = 0.8
"""From this share of its starts on a mutant counts as caught."""
WATCHES = {
    "latency": "how long an answer takes",
    "errors": "errors",
    "cost": "what an answer costs",
    "abstention": "how many questions are answered",
    "quality": "quality",
}


def document_of(capability: Capability, results: Results) -> dict[str, Any]:
    """The whole table. Rates come with their exact 95 % bounds."""
    twins = [t for t in results.tried if t.specimen == TWIN]
    return {
        "capability": capability.name,
        "declared": declared(capability),
        "starts": [at.date().isoformat() for at in results.starts],
        "looked_at": results.looked_at,
        "opened": results.opened,
        "seed": results.plan.seed,
        "twins": _twins(twins),
        "mutants": [_mutant(capability, m, results) for m in MUTANTS if m.name in results.plan.mutants],
    }


def _twins(tried: Sequence[Tried]) -> dict[str, Any]:
    """A/A releases: what becomes of those that are as good as the champion."""
    ends = Counter(t.end for t in tried)
    let_out = [t for t in tried if t.stage != "gate"]
    false = sum(t.caught for t in let_out)
    live = [t.blocks for t in tried if t.end == "live"]
    return {
        "tried": len(tried),
        "ends": dict(sorted(ends.items())),
        "false_refusals": ends["refused"],
        "let_out": len(let_out),
        "false_rollbacks": false,
        "false_rollback_rate": false / len(let_out) if let_out else None,
        "at_most": exact_rate(false, len(let_out), alpha_low=0.05, alpha_high=0.05).high if let_out else None,
        "live": len(live),
        "reasons": sorted({t.reason for t in tried if t.caught}),
    }


def _mutant(capability: Capability, mutant: Mutant, results: Results) -> dict[str, Any]:
    tried = [t for t in results.tried if t.specimen == mutant.name]
    caught = [t for t in tried if t.caught]
    power = len(caught) / len(tried) if tried else None
    least = exact_rate(len(caught), len(tried), alpha_low=0.05, alpha_high=0.05).low if tried else None
    stages = Counter(t.stage for t in caught)
    found = power is not None and power >= CAUGHT
    return {
        "mutant": mutant.name,
        "what": mutant.what,
        "where": mutant.where,
        "tried": len(tried),
        "caught": len(caught),
        "power": power,
        "at_least": least,
        "caught_in": dict(sorted(stages.items())),
        "blocks": median(t.blocks for t in caught) if caught else None,
        "kept_out": sum(t.end in ("not gated", "undecided") for t in tried),
        "live": sum(t.end == "live" for t in tried),
        "answers": fmean(t.answers for t in tried) if tried else None,
        "bad": fmean(t.bad for t in tried) if tried else None,
        "reason": caught[0].reason if found else _out_of_sight(capability, mutant, tried, untrained=results.untrained),
        "found": found,
    }


# ── why it is not seen ───────────────────────────────────────────────────────────────────────────────────────────────


def _out_of_sight(capability: Capability, mutant: Mutant, tried: Sequence[Tried], *, untrained: bool) -> str:
    """Why a mutant is not caught, by what is required and what it truly costs."""
    if not tried:
        return "nothing is trained here: the model is given" if untrained else "it was not tried"
    asked = [r for r in _watching(capability) if _sees(r, mutant)]
    if not asked:
        return f"nothing is required of {WATCHES[mutant.moves]}"
    missed = [t for t in tried if not t.caught]
    why = _kept_in(missed)
    if mutant.moves == "quality":
        costs = [said for r in _compared(asked) if (said := _cost(capability, r, tried))]
        why += list(dict.fromkeys(costs))
    return "; ".join(why) or f"{asked[0]}: it stays within that"


def _kept_in(missed: Sequence[Tried]) -> list[str]:
    """Where it was not convicted, and did not get out either."""
    found = []
    for end, said in (
        ("not gated", "the gate does not let it out, undecided"),
        ("undecided", "its rollout ends undecided"),
    ):
        of = [t for t in missed if t.end == end]
        if of:
            found.append(f"{said} ({len(of)} of {len(missed)} times; {of[0].reason.partition(' (')[0]})")
    return found


def _watching(capability: Capability) -> list[Requirement]:
    return list(dict.fromkeys([*capability.gate, *capability.watched]))


def _sees(r: Requirement, mutant: Mutant) -> bool:
    name = r.definition.name
    return {
        "latency": r.definition.quantile is not None,
        "errors": name == "error_rate",
        "cost": name.startswith("cost"),
        "abstention": name in ("abstention_rate", "fallback_rate"),
        "quality": not r.operational,
    }[mutant.moves]


def _compared(asked: Sequence[Requirement]) -> list[Requirement]:
    """With the champion, over all rows: what the truth of a trial is known for."""
    return [r for r in asked if r.kind in ("no_worse", "equivalent") and not r.by and r.than == "champion"]


def _cost(capability: Capability, r: Requirement, tried: Sequence[Tried]) -> str:
    known = [t.effects[r.metric] for t in tried if r.metric in t.effects]
    if not known:
        return ""
    effect, sd = fmean(e for e, _ in known), fmean(s for _, s in known)
    name = r.definition.name
    if effect <= r.limit:
        return f"it costs {figure(effect, r.limit)} of {name}, and {figure(r.limit)} is allowed"
    where, blocks, sees = _sight(capability, r, tried, sd)
    return (
        f"it costs {figure(effect)} of {name}, more than the {figure(r.limit)} that is allowed, but varies by {figure(sd)} from "
        f"block to block: {blocks} blocks of {where} show 4 times in 5 what costs {figure(sees)} or more"
    )


def _sight(capability: Capability, r: Requirement, tried: Sequence[Tried], sd: float) -> tuple[str, int, float]:
    """Where most of the trials that were not caught ended, its blocks, and the smallest loss that those convict."""
    policy, missed = capability.policy, [t for t in tried if not t.caught]
    if 2 * sum(t.end == "not gated" for t in missed) > len(missed):
        blocks = capability.split.gate_blocks
        alpha = policy.alpha / max(1, len(set(capability.gate)))
        widened = math.sqrt((1.0 + PRIOR_RHO) / (1.0 - PRIOR_RHO))
        reach = t_quantile(1.0 - alpha, blocks - 1) + normal_quantile(POWER)
        return "the gate", blocks, r.limit + sd / math.sqrt(blocks) * widened * reach
    trial = capability.trial_stages
    blocks = next((s.deadline_blocks for s in trial), capability.split.gate_blocks)
    alpha = policy.alpha / max(1, required(capability.stages))
    seen = gap_over_blocks(n=blocks, sd=sd, alpha=alpha, power=POWER, planned=policy.planned_blocks)
    return (trial[0].name if trial else "the gate"), blocks, r.limit + seen
