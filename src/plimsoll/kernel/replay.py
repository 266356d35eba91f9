"""A past verdict judged again, from its line in the ledger and nothing else.

The line holds the evidence, the policy and what else the judge was given. This kernel judges it again: where the
verdict was this version's, the two have to be equal; where it was another's, what differs is what that version changed.

=========== ==========================================================================================================
version     what is known to differ
=========== ==========================================================================================================
1           the error of failing was split over the pieces of one look; how many blocks a stage asks for was not kept
            (it is read off the rollout, where the line has one)
1 to 3      a gate's bounds of fewer than ten blocks were narrower than what seven skewed ones cover
1 to 4      rows that fail a behaviour were judged by Student's t, which said of blocks without one that none ever will
1 to 5      a rollout's rate was one row of totals, whose events were taken as independent; and all of the error of failing went
            to the sequence that begins with the evidence, none to later starts. A gate's bounds believed the estimate of how much
            neighbouring blocks resemble each other, without its error
=========== ==========================================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from plimsoll.kernel.verdict import KERNEL_VERSION, Evidence, Verdict, identified, judge
from plimsoll.stats.metrics import judgeable

TOLERANCE = 1e-9
"""Between two computers: a ledger's numbers have twelve digits."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that came out otherwise. ``where``: the requirement and slice, or the verdict as a whole."""

    where: str
    what: str
    then: Any
    now: Any


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """``then``: as written. ``again``: as this kernel judges the same evidence; None where it cannot (``problem``)."""

    then: Verdict
    again: Verdict | None
    evidence: tuple[Evidence, ...]
    differences: tuple[Difference, ...] = ()
    problem: str = ""

    @property
    def same(self) -> bool:
        return not self.differences and not self.problem

    @property
    def broken(self) -> bool:
        """It differs though the kernel is the same: the line was changed, or judging is not what it has to be."""
        return not self.same and self.then.kernel_version == KERNEL_VERSION


def has_verdict(body: Mapping[str, Any]) -> bool:
    """Whether a line's body holds a verdict that can be judged again."""
    return bool(body.get("verdict"))


def stored(body: Mapping[str, Any]) -> tuple[Verdict, tuple[Evidence, ...]]:
    """The verdict in a line's body with the evidence that it was judged on, of any version."""
    verdict = msgspec.convert({"kernel_version": 1, **body["verdict"]}, Verdict)
    if "minimum_blocks" not in body["verdict"]:
        verdict = msgspec.structs.replace(verdict, minimum_blocks=_asked_blocks(body))
    evidence = msgspec.convert(body["evidence"][: len(verdict.findings)], tuple[Evidence, ...])
    return verdict, evidence


def _asked_blocks(body: Mapping[str, Any]) -> int:
    """How many blocks the rollout's stage asks for, where the line has a rollout."""
    rollout = (body.get("deployment") or {}).get("rollout")
    return int(rollout["plan"][rollout["stage"]]["blocks"]) if rollout and body["verdict"]["findings"] else 0


def replay(body: Mapping[str, Any]) -> Replayed:
    """The verdict of a ledger line's ``body`` judged again by this kernel, with every difference."""
    verdict, evidence = stored(body)
    unknown = sorted(m for m in {e.requirement.metric for e in evidence} if not judgeable(m))
    if unknown:
        why = f"this Plimsoll does not know the metric {', '.join(unknown)}"
        return Replayed(then=verdict, again=None, evidence=evidence, problem=why)
    again = judge(
        evidence,
        verdict.policy,
        verdict.at,
        minimum_blocks=verdict.minimum_blocks,
        requirements=verdict.requirements,
    )
    again = identified(again, evidence)
    return Replayed(then=verdict, again=again, evidence=evidence, differences=_differences(verdict, again))


def _differences(then: Verdict, now: Verdict) -> tuple[Difference, ...]:
    found = []
    if then.ruling is not now.ruling:
        found.append(Difference(where="the verdict", what="ruling", then=then.ruling, now=now.ruling))
    for old, new in zip(then.findings, now.findings, strict=True):
        where = old.requirement if old.slice == "all" else f"{old.requirement} ({old.slice})"
        for name in old.__struct_fields__:
            if name == "evidence" and not old.evidence:
                continue  # a line of an early Plimsoll did not name it
            a, b = getattr(old, name), getattr(new, name)
            if not _equal(a, b):
                found.append(Difference(where=where, what=name, then=a, now=b))
    return tuple(found)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-12)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b)
