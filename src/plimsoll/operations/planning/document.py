"""The plan of one capability's rollout as one plain document: stages foreseen, and what would be better."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from plimsoll.capability import Capability
from plimsoll.kernel.rollout import Stage, required
from plimsoll.operations.planning.foreseen import Foreseen, Terms
from plimsoll.operations.planning.history import History
from plimsoll.operations.planning.live import held_live
from plimsoll.operations.planning.stage import foreseen, sequence
from plimsoll.stats.planner import POWER
from plimsoll.stats.sequence import START

SHARES = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5)
"""What a canary's share is chosen from."""
SHOWN = 50
"""Answers of a canary in each of its blocks, at least: enough to see that routing and machinery work."""


def plan_of(capability: Capability, history: History) -> dict[str, Any]:
    """How long each stage takes, what it can see, what a fault would cost, and which plan would be better."""
    trial, unpaired = capability.trial_stages, capability.influences_outcome
    begun = sequence(trial, unpaired=unpaired)
    made = [_foreseen(capability, stage, before, history) for stage, before in zip(trial, begun, strict=True)]
    judged = [(stage, [foreseen(r, terms) for r in stage.requires]) for stage, terms in zip(trial, made, strict=True)]
    proposal = _proposed(judged, history, unpaired)
    return {
        "capability": capability.name,
        "block": capability.source.block,
        "events_per_block": history.events_per_block,
        "traffic_source": history.traffic_source,
        "power": POWER,
        "alpha": capability.policy.alpha,
        "fail_alpha": made[0].fail_alpha if made else capability.policy.alpha,
        "stages": [
            _told(stage, terms.before, found, capability) for (stage, found), terms in zip(judged, made, strict=True)
        ],
        "live": held_live(capability, history),
        "proposal": proposal,
        "says": _says(judged, proposal, history, unpaired),
        "assumes": sorted({f.source for _, found in judged for f in found if f.assumed}),
    }


def _foreseen(capability: Capability, stage: Stage, before: int, history: History) -> Terms:
    policy = capability.policy
    share = policy.alpha / max(1, required(capability.stages, unpaired=capability.influences_outcome))
    return Terms(
        stage=stage, before=before, alpha=policy.alpha, fail_alpha=share, history=history, planned=policy.planned_blocks
    )


def _told(stage: Stage, before: int, found: Sequence[Foreseen], capability: Capability) -> dict[str, Any]:
    length = capability.source.block_length
    hours = None if length is None else length / timedelta(hours=1)
    return {
        "stage": stage.name,
        "kind": stage.kind,
        "share": stage.share,
        "blocks": stage.blocks,
        "deadline_blocks": stage.deadline_blocks,
        "begins_at_block": before,
        "hours": hours and hours * stage.blocks,
        "hours_at_most": hours and hours * stage.deadline_blocks,
        "power": min((f.power for f in found if f.power is not None), default=None),
        "power_at_deadline": min((f.power_at_deadline for f in found if f.power_at_deadline is not None), default=None),
        "requirements": [msgspec.to_builtins(f) for f in found],
    }


# ── what would be better ─────────────────────────────────────────────────────────────────────────────────────────────

Judged = Sequence[tuple[Stage, Sequence[Foreseen]]]


def _proposed(judged: Judged, history: History, unpaired: bool) -> list[dict[str, Any]]:
    """Blocks and shares: the sequence gets the blocks it needs while nobody is shown anything; the canary is left the
    least share that shows enough answers, for as long as it was declared. Where each stage has a sequence of its own, it
    gets the blocks that it needs itself."""
    made: list[dict[str, Any]] = []
    has_shadow = any(stage.kind == "shadow" for stage, _ in judged)
    for stage, found in judged:
        needs = [f.needs_blocks for f in found if f.needs_blocks is not None]
        first = not made
        begins = unpaired or (first and (stage.kind == "shadow" or not has_shadow))
        blocks = max([START, *needs]) if begins else stage.blocks
        deadline = max(stage.deadline_blocks, round(1.5 * blocks))
        share = 0.0 if stage.kind == "shadow" else _least_share(stage, history, unpaired)
        made.append({"stage": stage.kind, "share": share, "blocks": blocks, "deadline_blocks": deadline})
    return made


def _learns_by_showing(stage: Stage, unpaired: bool) -> bool:
    """Whether something is judged on what is shown alone: then the share is what it learns from."""
    return any(r.definition.of_shown or (unpaired and not r.operational) for r in stage.requires)


def _least_share(stage: Stage, history: History, unpaired: bool) -> float:
    if not history.events_per_block or _learns_by_showing(stage, unpaired):
        return stage.share
    wanted = SHOWN / history.events_per_block
    return next((share for share in SHARES if wanted <= share <= stage.share), stage.share)


def _says(judged: Judged, proposal: Sequence[dict[str, Any]], history: History, unpaired: bool) -> list[str]:
    found: list[str] = []
    for stage, seen in judged:
        found += [_impossible(stage, f) for f in seen if f.answer == "cannot"]
        found += [f"{stage.name}: {f.requirement}: {f.source}" for f in seen if f.answer == "unknown"]
    found += [
        said
        for (stage, _), better in zip(judged, proposal, strict=True)
        if not _learns_by_showing(stage, unpaired) and (said := _shadow(stage, better, history))
    ]
    if proposal and judged and proposal[0]["blocks"] != judged[0][0].blocks:
        stage = judged[0][0]
        found.append(
            f"{stage.name}: {proposal[0]['blocks']} blocks instead of {stage.blocks} would decide "
            f"{POWER:.0%} of the time"
        )
    return list(dict.fromkeys(found))


def _impossible(stage: Stage, f: Foreseen) -> str:
    """No plan of this length answers the question: what would have to change."""
    longer = f"{f.needs_blocks} blocks would" if f.needs_blocks else "a year of blocks would not"
    said = f"{stage.name}: {f.requirement} will likely end undecided by its deadline, and {longer}"
    if f.passes_up_to is None or f.passes_up_to >= 0.0:
        return said
    return f"{said}; by the deadline only a candidate that is better by {-f.passes_up_to:.3g} passes 4 times in 5"


def _shadow(stage: Stage, better: dict[str, Any], history: History) -> str:
    """Where answers are compared row by row, a canary's share buys no evidence: everything is said beside as well."""
    if stage.kind != "canary":
        return ""
    shown = stage.share * (history.events_per_block or 0.0)
    said = (
        f"shadow is the better tool for what {stage.name} asks: all of it is seen of answers that are given beside, and "
        "its share teaches nothing more"
    )
    if better["share"] == stage.share or not shown:
        return said
    least = better["share"]
    fewer = f"{least / stage.share * shown:,.0f} answers a block instead of {shown:,.0f}"
    return f"{said}; {least:.0%} instead of {stage.share:.0%} shows {fewer}"
