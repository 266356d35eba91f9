"""What may be required where answers change what happens, and of what answers bring about: the declaration's own checks.

A price, a ranking, an offer: what turned out is the outcome of the answer that was shown. Had another been shown, nobody knows.
So nothing is scored again on it; releases are compared between those who were shown the one and those who were shown the
other, which is only so in a canary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.errors import InvalidDeclaration
from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.rollout import Stage

if TYPE_CHECKING:
    from plimsoll.capability import Capability

IN_A_CANARY = 'Canary(0.5, blocks=14, requires=(no_worse(outcome_rate(), margin=…, than="champion"),))'


def check_influence(c: Capability) -> None:
    """Raises InvalidDeclaration for a requirement that nothing could be seen of where it stands."""
    for r in c.gate:
        if _read(c, r):
            _refuse(c, f"gate: {r}", "recorded rows turned out as they did, whoever is measured on them", IN_A_CANARY)
    for asked in c.report:
        if c.definition(asked).reads:
            _refuse(
                c, f"report: {asked}", "recorded rows turned out as they did, whoever is measured on them", IN_A_CANARY
            )
    for r in (*c.keep, *c.retrain):
        if _read(c, r) and r.compares:
            _refuse(c, str(r), "a live release answers everybody, so nobody is there to compare with", IN_A_CANARY)
    for stage in c.rollout:
        for r in stage.requires:
            _check_stage(c, stage, r)
    if c.influences_outcome:
        _check_compared(c)


def _check_stage(c: Capability, stage: Stage, r: Requirement) -> None:
    if stage.kind != "canary" and (r.definition.of_shown or _read(c, r)):
        _refuse(c, f"{stage.name}: {r}", "it is seen only of answers that somebody is shown", "require it of a canary")
    if _read(c, r) and r.compares and not c.influences_outcome:
        why = "both are compared on the same questions, each of which turned out in one way: the difference is always 0"
        _refuse(
            c, f"{stage.name}: {r}", why, "say influences_outcome=True if it is the answer that changes what happens"
        )
    if not c.influences_outcome or r.operational:
        return
    if stage.kind == "shadow":
        why = (
            "what happened is the outcome of the champion's answers, which is no evidence of one that nobody was shown"
        )
        _refuse(c, f"shadow: {r}", why, f"a shadow judges errors, latency and skew here; compare in {IN_A_CANARY}")
    if r.compares and r.than != "champion":
        why = f"the {r.than} answers nobody in a canary: its units see the candidate or the champion"
        _refuse(c, f"{stage.name}: {r}", why, 'compare with than="champion"')


def _check_compared(c: Capability) -> None:
    """Somewhere the two have to be compared by what they bring about, and a lease cannot be."""
    for r in c.keep:
        if r.compares and not r.operational:
            why = "a live release answers everybody, and what happened under it says nothing of how another would have done"
            _refuse(c, f"keep: {r}", why, f"keep errors, latency and abstentions; compare in {IN_A_CANARY}")
    compared = [r for s in c.rollout if s.kind == "canary" for r in s.requires if r.compares and not r.operational]
    if not compared:
        why = "no canary compares what its answers bring about with what the champion's do, and nothing else can"
        _refuse(c, "rollout", why, IN_A_CANARY)
    for r in compared:
        metric = c.definition(r.metric)
        if not metric.reads and metric.rows is None and metric.per_query is None:
            why = "it needs all rows at once, and two arms have different ones"
            _refuse(c, str(r), why, "compare what comes of the answers: outcome_rate, outcome_mean, outcome_ratio")


def notes_of(c: Capability, champion: str) -> tuple[str, ...]:
    """What the gate's evidence is worth, where answers change what happens."""
    if not c.influences_outcome:
        return ()
    return (
        f"answers change what happens here, and the gate's evidence is recorded rows of {c.source.name}, which turned out under "
        f"other answers than the candidate's: its figures, and each comparison with {champion or 'the fallback'}, favour "
        "whoever answered then. The canary decides",
    )


def _read(c: Capability, r: Requirement) -> bool:
    """Whether it is of what came of the answers, and not of what they cost."""
    return bool(c.definition(r.metric).reads) and not r.operational


def _refuse(c: Capability, where: str, why: str, hint: str) -> None:
    raise InvalidDeclaration(f"{c.name}: {where}: {why}", hint=hint)
