"""Rows become a release: contract → snapshot → training set → run → model → measured → verdict → manifest → queue.

The same for a person's ``plimsoll release`` and for a rehearsal's team. A step whose inputs have the digests of an
earlier run is not run again, and a manifest that exists already changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from plimsoll.capability import Capability
from plimsoll.errors import Conflict
from plimsoll.evaluation import Evaluation, report
from plimsoll.evaluation.suite.examination import Examination
from plimsoll.influence import notes_of
from plimsoll.kernel.digest import short
from plimsoll.kernel.enqueue import gated
from plimsoll.kernel.explanation import explained
from plimsoll.kernel.manifest import differences
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment
from plimsoll.kernel.verdict import Evidence, Verdict, identified, judge
from plimsoll.operations.act import carry_out
from plimsoll.operations.behaving import behaviours, behaviours_evidence
from plimsoll.operations.bench import Timelines
from plimsoll.operations.building import Built, build
from plimsoll.operations.calibrating.keeping import calibration_of
from plimsoll.operations.examining import examined
from plimsoll.operations.gold.asking import golden_answers, golden_evidence
from plimsoll.operations.measuring import (
    Scored,
    compared_groups,
    gate_evidence,
    measured,
    policy_without_promise,
    scored,
)
from plimsoll.operations.tolerating import tolerance_evidence
from plimsoll.operations.yard import Yard

ATTEMPTS = 5
"""The loop writes too, every second: whoever is second judges again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What became of a release at the gate. ``is_new`` is False where its manifest was here already; ``evidence`` is
    what the verdict was judged on."""

    release: str
    label: str
    is_new: bool
    verdict: Verdict | None
    summary: str
    deployment: Deployment
    evidence: tuple[Evidence, ...] = ()


def ship(
    capability: Capability,
    yard: Yard,
    *,
    label: str = "",
    actor: str = "release",
    timelines: Timelines | None = None,
    with_report: bool = True,
) -> Shipped:
    """Build, measure and judge ``capability`` as it is declared now; a passed one queues for its rollout.

    ``with_report`` measures all that a person wants to see and keeps the page; a rehearsal judges by the same
    evidence without it.

    Raises Refused where a contract is broken; a gate that says no is not an exception but a verdict.
    """
    timelines = timelines or Timelines()
    built = build(capability, yard, timelines)
    for _ in range(ATTEMPTS - 1):
        try:
            return _judged(capability, yard, timelines, built, label=label, actor=actor, with_report=with_report)
        except Conflict:  # the loop, or another release, changed the deployment: who is champion may have changed, too
            continue
    return _judged(capability, yard, timelines, built, label=label, actor=actor, with_report=with_report)


def _judged(
    capability: Capability,
    yard: Yard,
    timelines: Timelines,
    built: Built,
    *,
    label: str,
    actor: str,
    with_report: bool,
) -> Shipped:
    """``built`` measured and judged against what is deployed now. Raises Conflict if that changed meanwhile."""
    release = built.manifest.digest
    before = _deployment(capability, yard)
    known = {r.digest: r for r in yard.catalog.releases(capability.name)}
    label = label or f"v{len(known) + 1}"
    if release in before.states:
        return _unchanged(release, label, known[release].label, before)
    if release in known:  # kept, but never judged: what a killed release left. It has its name already
        label = known[release].label
    now = yard.clock.now()
    yard.catalog.add_release(
        ReleaseRow(digest=release, capability=capability.name, manifest=built.manifest, label=label, created_at=now)
    )
    champion = before.lease.release if before.lease else FALLBACK
    for note in notes_of(capability, known[champion].label if champion in known else ""):
        yard.say(f"note: {note}")
    yard.say("measuring it on the gate's blocks, beside its champion and the fallback")
    answers = scored(capability, built, champion, yard, timelines)
    groups = compared_groups(capability, answers)
    seen = measured(capability, answers, groups, full=with_report)
    came = behaviours(capability, built, answers, yard, timelines)
    gold = golden_answers(capability, built, yard, timelines)
    found = (
        *gate_evidence(capability, built, seen, champion),
        *behaviours_evidence(capability, came, built),
        *golden_evidence(gold, built),
        *tolerance_evidence(capability, built, answers, yard, timelines),
    )
    verdict = identified(judge(found, capability.policy, now), found)
    if with_report:
        yard.say("drawing the report")
    looked = examined(capability, built, answers, (*came, *gold), groups, yard) if with_report else None
    page = _report(capability, built, answers, seen, verdict, found, before, yard, label, looked) if with_report else ""
    yard.catalog.set_gate(release, msgspec.to_builtins(verdict), page)
    decision = gated(before, release, verdict, found, label=label)
    after = carry_out(decision, catalog=yard.catalog, notifier=yard.notifier, fence=None, now=now, actor=actor)
    return Shipped(
        release=release,
        label=label,
        is_new=True,
        verdict=verdict,
        summary=decision.summary,
        deployment=after,
        evidence=found,
    )


def _unchanged(release: str, label: str, same: str, deployment: Deployment) -> Shipped:
    state = deployment.states[release].replace("_", " ")
    return Shipped(
        release=release,
        label=label,
        is_new=False,
        verdict=None,
        summary=f"{label} is {same} {short(release)} to the byte, which is {state}: nothing changes",
        deployment=deployment,
    )


def _deployment(capability: Capability, yard: Yard) -> Deployment:
    found = yard.catalog.deployment(capability.name)
    return msgspec.structs.replace(found, has_fallback=capability.fallback is not None)


def _report(
    capability: Capability,
    built: Built,
    answers: Scored | None,
    seen: Evaluation | None,
    verdict: Verdict,
    found: tuple[Evidence, ...],
    before: Deployment,
    yard: Yard,
    label: str,
    looked: Examination | None,
) -> str:
    """The digest of the evaluation report."""
    champion = before.lease and yard.catalog.release(capability.name, before.lease.release)
    page = report(
        seen,
        verdict,
        built.manifest,
        title=f"{capability.name} {label}",
        differences=differences(champion.manifest, built.manifest) if champion else None,
        names={"champion": champion.label if champion else FALLBACK, "fallback": FALLBACK},
        explanations=explained(verdict, found),
        selection=built.selection or policy_without_promise(capability, answers),
        examination=looked,
        notes=(*built.warnings, *notes_of(capability, champion.label if champion else "")),
        checks=built.checks,
        calibration=calibration_of(yard.catalog, capability),
    )
    return yard.objects.put(page)
