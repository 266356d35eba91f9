"""What is deployed: one document per capability, changed only as a whole.

The deployment says who is live, who is on the way, who may come back and who never may. Everything else (traffic
shares, what runs beside, what is loaded) follows from it by the functions below, so it cannot disagree with them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.requirement import Requirement

StageKind = Literal["shadow", "canary", "live"]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a rollout. ``share`` of the units answered by the candidate; evidence asked for in closed blocks."""

    kind: StageKind
    share: float = 0.0
    blocks: int = 1
    deadline_blocks: int = 30
    requires: tuple[Requirement, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.kind} {self.share:.0%}" if self.kind == "canary" else self.kind


def Shadow(*, blocks: int = 10, deadline_blocks: int = 30, requires: tuple[Requirement, ...] = ()) -> Stage:
    """Everything is answered beside, nothing is shown. Judged on at least ``blocks`` closed blocks."""
    return Stage(kind="shadow", blocks=blocks, deadline_blocks=deadline_blocks, requires=tuple(requires))


def Canary(
    share: float, *, blocks: int = 7, deadline_blocks: int = 30, requires: tuple[Requirement, ...] = ()
) -> Stage:
    """``share`` (0–1) of the units get the candidate's answers."""
    return Stage(kind="canary", share=share, blocks=blocks, deadline_blocks=deadline_blocks, requires=tuple(requires))


def Live() -> Stage:
    """All units, under a lease."""
    return Stage(kind="live", share=1.0)


def required(plan: tuple[Stage, ...], *, unpaired: bool = False) -> int:
    """How many requirements a release meets on its whole way: they share one error, since they share one sequence.

    ``unpaired``: each stage has a sequence of its own, because each divides the units anew; so each counts its own."""
    met = [requirement for stage in plan for requirement in stage.requires]
    return len(met) if unpaired else len(set(met))


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """A release on its way. ``since`` is when this stage's evidence begins; ``evidence_since`` when the sequence does
    (paired stages share one sequence, so it is the shadow's beginning until something resets it; where answers change
    what happens, each stage's own)."""

    release: str
    champion: str  # the release it is compared with, or FALLBACK
    plan: tuple[Stage, ...]
    stage: int
    state: State  # shadow, canary or held
    started_at: datetime
    since: datetime
    evidence_since: datetime
    paused_by: str = ""
    held_for: str = ""  # why it is held, in words
    held_by: Literal["", "evidence", "champion", "deadline", "operator"] = ""  # what would let it go on
    looked: int = 0  # closed blocks of this stage at the last look
    waits_for: str = ""  # what the loop last said it waits for

    @property
    def current(self) -> Stage:
        return self.plan[self.stage]

    @property
    def share(self) -> float:
        return self.current.share if self.state is State.CANARY else 0.0


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Everything deployed of one capability. ``version`` counts changes; compare-and-set rests on it."""

    capability: str
    version: int = 0
    lease: Lease | None = None
    rollout: Rollout | None = None
    queue: tuple[str, ...] = ()  # gated releases waiting for their turn
    states: dict[str, State] = {}
    known_bad: dict[str, str] = {}  # release → why; set only by a fail attributed to it
    predecessors: tuple[str, ...] = ()  # releases that held a good lease, newest first
    frozen_by: str = ""  # an operator's freeze: no rollout moves forward
    retrain_asked: str = ""  # why retraining is asked for, until a newer release is live
    has_fallback: bool = True
    seen_until: datetime | None = None  # the loop's own clock; never goes back
    incidents: dict[str, str] = {}  # release → its open incident
    tainted: tuple[tuple[str, str], ...] = ()  # (release, block) gathered from wrong features: no evidence

    @property
    def live(self) -> str:
        """Who answers when no canary does: the live release, or release zero."""
        return self.lease.release if self.lease and self.lease.standing != "safe" else FALLBACK

    @property
    def predecessor(self) -> str | None:
        """Where a rollback would land: the newest good predecessor that is not known bad."""
        return next((r for r in self.predecessors if r not in self.known_bad), None)


def shares(deployment: Deployment) -> dict[str, float]:
    """Who answers which share of the units. Sums to one; names releases or FALLBACK."""
    rollout = deployment.rollout
    if rollout is None or rollout.share == 0.0:
        return {deployment.live: 1.0}
    return {rollout.release: rollout.share, deployment.live: 1.0 - rollout.share}


def beside(deployment: Deployment) -> tuple[str, ...]:
    """Who answers beside the served answer: the candidate, its champion, the live release and its comparators.

    The predecessor runs beside the live release for two reasons: the lease is judged against it, and a rollback
    must land on something that is loaded and known to work.
    """
    names: list[str] = []
    if deployment.rollout:  # held ones too: how else would their evidence become admissible again?
        names += [deployment.rollout.release, deployment.rollout.champion]
    if deployment.lease:
        names.append(deployment.lease.release)
        if deployment.predecessor:
            names.append(deployment.predecessor)
    if deployment.has_fallback:
        names.append(FALLBACK)
    return tuple(dict.fromkeys(names))


def serves(deployment: Deployment, position: float) -> str:
    """Which release answers a unit at ``position`` ∈ [0, 1) (a stable hash of capability and unit).

    The canary takes the positions below its share, so a growing share only adds units: nobody flips back.
    """
    rollout = deployment.rollout
    if rollout and position < shares(deployment).get(rollout.release, 0.0):
        return rollout.release
    return deployment.live
