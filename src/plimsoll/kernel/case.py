"""What a pass of the loop is given, and what it gives back: terms and an observation, and a decision."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from plimsoll.kernel.digest import short
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.rollout import Deployment, Stage
from plimsoll.kernel.verdict import Evidence, Policy, Verdict, identified


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the capability declared: the plan, what a lease must keep, and the patience of each. ``unpaired``: answers change
    what happens, so quality is compared between those who were shown them."""

    plan: tuple[Stage, ...]
    keep: tuple[Requirement, ...] = ()
    policy: Policy = Policy()
    maturity: timedelta = timedelta(hours=36)
    grace: timedelta = timedelta(hours=6)
    max_evidence_age: timedelta = timedelta(days=7)
    unpaired: bool = False


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured since the last pass, as evidence. Empty is legal everywhere: nights have no flights.

    ``trial``: the rollout's stage requirements. ``keep``: the lease's, since it was last renewed. ``rivals``: for
    each good predecessor and the fallback, ``better`` than the live release on the recent window, paired.
    ``recent``: the lease's comparisons on that window. ``proof``: a provisional lease's. ``checked``: questions
    whose online features were just compared with offline ones. ``shared``: metrics that fail for everybody, so
    that nobody is blamed.
    """

    now: datetime
    trial: tuple[Evidence, ...] = ()
    stage_blocks: int = 0
    deadline_passed: bool = False
    keep: tuple[Evidence, ...] = ()
    kept: Verdict | None = None  # the verdict on ``keep``, filled in by decide
    recent: tuple[Evidence, ...] = ()
    rivals: dict[str, tuple[Evidence, ...]] = {}
    proof: tuple[Evidence, ...] = ()
    retrain: tuple[Evidence, ...] = ()
    checked: int = 0
    shared: frozenset[str] = frozenset()
    closed_until: str = ""
    counted_until: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What one pass decided: the deployment after it, one sentence, and the verdict and evidence it rests on.

    ``evidence`` begins with what the verdict's findings were judged on, in their order; more may follow (rivals).
    """

    kind: str
    subject: str
    summary: str
    deployment: Deployment
    verdict: Verdict | None = None
    evidence: tuple[Evidence, ...] = ()
    opens: tuple[str, str] | None = None  # (kind, summary) of an incident
    closes: tuple[str, ...] = ()  # the releases whose incidents end here
    notify: bool = False

    def body(self) -> dict[str, Any]:
        """For the ledger: everything needed to judge again."""
        judged = self.evidence[: len(self.verdict.findings)] if self.verdict else ()
        return {
            "verdict": msgspec.to_builtins(identified(self.verdict, judged)) if self.verdict else None,
            "evidence": [msgspec.to_builtins(e) for e in self.evidence],
            "deployment": msgspec.to_builtins(self.deployment),
        }


def never_back(d: Deployment, now: datetime) -> datetime:
    """``now``, or the latest time that the deployment has seen where a clock went back."""
    return max(now, d.seen_until) if d.seen_until else now


def carry_key(e: Evidence) -> str:
    """Under which a live detector's state is kept: the requirement, on which slice, against whom."""
    return f"{e.requirement}|{e.slice}|{e.comparator}"


def name_of(release: str) -> str:
    return "the fallback" if release == FALLBACK else short(release)
