"""The loop: read, observe, decide, act. One pass does one thing; what changed is seen by the next.

Any process may run it and only one does: the passes of a process without the lease return at once, and a process
that lost the lease in the middle of a pass has its write refused by the fencing token.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from plimsoll.capability import Capability
from plimsoll.errors import Broken, Conflict
from plimsoll.kernel.case import Decision, Terms
from plimsoll.kernel.columns import Columns, Events
from plimsoll.kernel.decide import decide
from plimsoll.kernel.ports import Catalog, Clock, EventLog, Fence, Notifier, Position
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment
from plimsoll.operations.act import carry_out
from plimsoll.operations.exposure import ExposureWatch
from plimsoll.operations.observe import RETRAIN_BLOCKS, Observer
from plimsoll.operations.skew import Recompute, SkewWatch
from plimsoll.operations.tally import KEPT_BLOCKS, Tally

_log = logging.getLogger(__name__)
LEASE_TTL = timedelta(seconds=15)
MOST_STEPS = 20
"""Of one call of ``settle``: more changes in a row than this would be a rule that undoes another's work."""


def terms_of(capability: Capability) -> Terms:
    """What the capability declared, as the kernel takes it."""
    return Terms(
        plan=capability.stages,
        keep=tuple(capability.keep),
        policy=capability.policy,
        maturity=capability.maturity,
        grace=capability.grace,
        max_evidence_age=capability.max_evidence_age,
        unpaired=capability.influences_outcome,
    )


def tally_of(capability: Capability) -> Tally:
    """An empty tally that counts what the capability's requirements ask for."""
    return Tally(
        task=capability.task.measured_as,
        maturity=capability.maturity,
        limits_ms=[r.limit for r in capability.watched if r.definition.quantile is not None and not r.compares],
        latencies=any(r.compares_quantiles for r in capability.watched),
        columns=capability.sliced,
        metrics=capability.metrics,
        shown=capability.follows,
        group=capability.task.group,
        keep_blocks=max(KEPT_BLOCKS, sum(s.deadline_blocks for s in capability.stages) + RETRAIN_BLOCKS),
    )


def _judged(deployment: Deployment) -> set[str]:
    """The releases whose features evidence rests on: the live one, the candidate, its champion."""
    found = {deployment.lease.release} if deployment.lease else set()
    if deployment.rollout:
        found |= {deployment.rollout.release, deployment.rollout.champion}
    return found - {FALLBACK}


class Loop:
    """One capability's loop. ``recompute`` and ``names`` give the offline features that skew is judged by."""

    def __init__(
        self,
        *,
        capability: Capability,
        catalog: Catalog,
        log: EventLog,
        clock: Clock,
        notifier: Notifier,
        recompute: Recompute,
        names: Callable[[str], Sequence[str]],
        holder: str,
        lease_ttl: timedelta = LEASE_TTL,
    ) -> None:
        self.capability, self.catalog, self.log, self.clock = capability, catalog, log, clock
        self.notifier, self.holder, self.lease_ttl = notifier, holder, lease_ttl
        self.terms = terms_of(capability)
        self.tally = tally_of(capability)
        self.skew = SkewWatch(recompute, names)
        self.exposure = ExposureWatch()
        self.observer = Observer(
            self.tally,
            self.skew,
            self.exposure,
            self.terms,
            retrain=capability.retrain,
            block_length=capability.source.block_length,
        )
        self.position: Position | None = None
        self._fence: Fence | None = None

    def resign(self) -> None:
        """Let another process decide from now on, at once instead of when this one's lease has run out."""
        if self._fence is not None:
            self.catalog.release_lease(self._fence)
            self._fence = None

    def read(self) -> int:
        """Take in what was written since the last pass; how many records that were."""
        n = 0
        while True:
            columns, self.position = self.log.read_columns(self.position)
            if not columns:
                return n
            self.take(columns)
            n += sum(map(len, columns))

    def take(self, columns: Sequence[Columns]) -> None:
        """Take in ``columns``, the log's next records."""
        name = self.capability.name
        mine = [c for c in columns if not isinstance(c, Events) or (c.capability == name and not c.by_name)]
        self.skew.see(mine)
        self.exposure.see(mine)
        self.tally.read(mine)

    def settle(self, *, read: bool = True) -> list[Decision]:
        """Passes until nothing more is to be done; the decisions, in order. Empty when another process decides."""
        decisions: list[Decision] = []
        deployment = self.catalog.deployment(self.capability.name)
        self.exposure.follow(deployment.rollout)
        if read:
            self.read()
        now = self.clock.now()
        self.tally.tainted.update(deployment.tainted)
        self._refresh(deployment, now)
        while len(decisions) < MOST_STEPS:
            decision = self._pass(deployment, now)
            if decision is None:
                return decisions
            decisions.append(decision)
            deployment = decision.deployment
        raise Broken(f"{self.capability.name}: {MOST_STEPS} decisions in one pass: {decisions[-1].summary}")

    def _refresh(self, deployment: Deployment, now: datetime) -> None:
        """Close blocks, compare features, and mark the blocks that were gathered under skew."""
        self.tally.close(now)
        watched = _judged(deployment)
        self.skew.watch(watched)
        self.skew.compare(now)
        for release in watched:
            if self.skew.problem(release):
                self.tally.taint(release, now - self.skew.window)

    def _pass(self, deployment: Deployment, now: datetime) -> Decision | None:
        """One decision, written; None when there is nothing to decide or somebody else decides."""
        self.exposure.follow(deployment.rollout)
        decision = decide(deployment, self.observer.observe(deployment, now), self.terms)
        if decision is None:
            return None
        decision = replace(decision, deployment=replace(decision.deployment, tainted=tuple(sorted(self.tally.tainted))))
        fence = self.catalog.acquire(f"loop:{self.capability.name}", self.holder, self.lease_ttl, self.clock.now())
        self._fence = fence or self._fence
        if fence is None:
            return None
        try:
            written = carry_out(decision, catalog=self.catalog, notifier=self.notifier, fence=fence, now=now)
        except Conflict as conflict:
            _log.info("%s: %s; the next pass reads again", self.capability.name, conflict.message)
            return None
        return replace(decision, deployment=written)
