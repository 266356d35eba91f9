"""One release through the capability's own gate and, if that lets it out, through its own rollout: the gate's measures and
judgement, the loop, the ledger, as they are. Nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from plimsoll.capability import Capability
from plimsoll.errors import PlimsollError
from plimsoll.evaluation import evidence
from plimsoll.kernel.case import Decision
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.columns import Columns, Written, in_columns, one_by_one
from plimsoll.kernel.enqueue import gated
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.ports import Catalog, Commit, Notifier, Position
from plimsoll.kernel.records import FALLBACK, Record
from plimsoll.kernel.rollout import Deployment
from plimsoll.kernel.verdict import Evidence, Ruling, judge
from plimsoll.operations.act import carry_out
from plimsoll.operations.calibrating.ground import WATCHED, Floats, Ground, block_time
from plimsoll.operations.calibrating.traffic import STEP, Cast, Traffic
from plimsoll.operations.loop import Loop
from plimsoll.operations.measuring import Scored, compared_groups, measured
from plimsoll.operations.rehearsing import VirtualClock
from plimsoll.store import SqlCatalog

End = Literal["refused", "not gated", "rolled back", "held", "lapsed", "live", "undecided"]
CAUGHT: tuple[End, ...] = ("refused", "rolled back", "held", "lapsed")
"""Ends by evidence against a release. ``not gated``: the gate could not decide, and it stays in the yard."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one release. ``stage``: where it ended; ``blocks``: closed ones from the start until then.
    ``answers``: those of it that people were shown, ``bad``: errors among them, and what was wrong where the champion was
    right. ``effects``: requirement → how much worse it truly was than its champion on the rows after the start, and the
    spread of that from block to block."""

    specimen: str
    start: datetime
    seed: int
    end: End
    stage: str
    blocks: int
    answers: int
    bad: int
    reason: str
    effects: dict[str, tuple[float, float]] = {}

    @property
    def caught(self) -> bool:
        return self.end in CAUGHT


class Tape:
    """An event log in memory: what one trial records."""

    def __init__(self) -> None:
        self._records: list[Written] = []

    def append(self, records: Sequence[Written]) -> None:
        self._records.extend(records)

    def append_then(self, records: Sequence[Written], then: Callable[[PlimsollError | None], None]) -> None:
        self._records.extend(records)
        then(None)

    def read(self, after: Position | None = None, limit: int = 100_000) -> tuple[Sequence[Record], Position]:
        """What was written since; it is forgotten then, since one loop reads it once."""
        found, self._records = self._records, []
        return list(one_by_one(found)), Position("", (after.offset if after else 0) + len(found))

    def read_columns(self, after: Position | None = None, limit: int = 100_000) -> tuple[Sequence[Columns], Position]:
        """As ``read``, in columns."""
        found, self._records = self._records, []
        return in_columns(found), Position("", (after.offset if after else 0) + len(found))

    def close(self) -> None:
        self._records.clear()


class Trial:
    """A candidate against a champion on one ground. ``gate``: the candidate's and the champion's answers to the gate's
    rows; ``casts``: everybody's answers to the later ones."""

    def __init__(
        self,
        at: Ground,
        *,
        candidate: str,
        champion: str,
        gate: tuple[Floats, Floats],
        casts: dict[str, Cast],
        notifier: Notifier,
        folder: Path,
        seed: int,
    ) -> None:
        self.at, self.candidate, self.champion, self._gate, self._seed = at, candidate, champion, gate, seed
        self.traffic = Traffic(at, casts, candidate=candidate, champion=champion, seed=seed)
        self.clock, self._notifier, self._folder = VirtualClock(at.start), notifier, folder
        self._decisions: list[Decision] = []

    def run(self, specimen: str) -> Tried:
        """Judge it, let it out if it passes, and follow it to its end."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self.candidate}.db"
        path.unlink(missing_ok=True)
        catalog = SqlCatalog(f"sqlite:///{path}")
        try:
            end, reason = self._gated(catalog)
            if end is None:
                end, reason = self._rolled_out(catalog)
        finally:
            catalog.close()
            for left in self._folder.glob(f"{path.name}*"):
                left.unlink()
        return Tried(
            specimen=specimen,
            start=self.at.start,
            seed=self._seed,
            end=end,
            stage=self._stage(),
            blocks=self._blocks(),
            answers=self.traffic.shown.answers,
            bad=self.traffic.shown.bad,
            reason=reason,
            effects=effects(
                self.at, self.traffic.casts[self.candidate].scores, self.traffic.casts[self.champion].scores
            ),
        )

    # ── the gate ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _gated(self, catalog: Catalog) -> tuple[End | None, str]:
        now = self.clock.now()
        found = gate_of(self.at, *self._gate, candidate=self.candidate, champion=self.champion)
        verdict = judge(found, self.at.capability.policy, now)
        decision = gated(self._before(catalog), self.candidate, verdict, found, label="it")
        carry_out(decision, catalog=catalog, notifier=self._notifier, fence=None, now=now)
        self._decisions.append(decision)
        ends: dict[Ruling, End] = {
            Ruling.FAIL: "refused",
            Ruling.INVALID: "refused",
            Ruling.INCONCLUSIVE: "not gated",
        }
        return ends.get(verdict.ruling), verdict.reasons[0]

    def _before(self, catalog: Catalog) -> Deployment:
        """The champion is live, since before."""
        capability, now = self.at.capability, self.clock.now()
        d = Deployment(
            capability=capability.name,
            lease=Lease(release=self.champion, granted_at=now, keep=tuple(capability.keep), since=now, renewed_at=now),
            states={self.champion: State.LIVE},
            has_fallback=bool(self.at.zero),
        )
        entry = Entry(
            at=now, capability=d.capability, kind="live", subject=self.champion, summary="the champion", body={}
        )
        return catalog.commit(Commit(deployment=d, entries=(entry,)), None)

    # ── the rollout ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _rolled_out(self, catalog: Catalog) -> tuple[End, str]:
        capability, tape = self.at.capability, Tape()
        loop = Loop(
            capability=capability,
            catalog=catalog,
            log=tape,
            clock=self.clock,
            notifier=self._notifier,
            recompute=self.traffic.recompute,
            names=lambda release: self.at.schema.names,
            holder="trial",
            lease_ttl=timedelta(days=3650),
        )
        deployment = catalog.deployment(capability.name)
        step = min(STEP, block_time(capability))
        while not self.traffic.over:
            self.clock.move_to(self.clock.now() + step)
            records = self.traffic.until(self.clock.now(), deployment)
            if not records:
                continue
            tape.append(records)
            for decision in loop.settle():
                self._decisions.append(decision)
                deployment = decision.deployment
                if (end := self._end(decision)) is not None:
                    return end
            if (end := self._stays(deployment)) is not None:
                return end
        alive = deployment.lease is not None and deployment.lease.release == self.candidate
        return (
            ("live", "it is live where the rows end")
            if alive
            else ("undecided", "the rows end before its rollout does")
        )

    def _end(self, d: Decision) -> tuple[End, str] | None:
        if d.subject != self.candidate:
            return None
        if d.kind == "rolled_back":
            return ("lapsed" if self._went_live() else "rolled back"), d.summary
        if d.kind in ("lapsed", "held_live", "grace", "safe_answer"):
            return "lapsed", d.summary
        if d.kind == "held":
            rollout = d.deployment.rollout
            assert rollout is not None
            by_evidence = rollout.held_by == "evidence"
            return ("held" if by_evidence else "undecided"), d.summary
        return None

    def _stays(self, d: Deployment) -> tuple[End, str] | None:
        lease = d.lease
        if lease is None or lease.release != self.candidate:
            return None
        if self.clock.now() - lease.granted_at < WATCHED * block_time(self.at.capability):
            return None
        return "live", f"live, and its lease holds after {WATCHED} blocks"

    def _went_live(self) -> bool:
        return any(d.kind == "live" and d.subject == self.candidate for d in self._decisions)

    # ── what is told ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _stage(self) -> str:
        """The stage in which it ended: gate, shadow, canary or live."""
        if self._went_live():
            return "live"
        rollouts = [d.deployment.rollout for d in self._decisions if d.deployment.rollout is not None]
        return rollouts[-1].current.kind if rollouts else "gate"

    def _blocks(self) -> int:
        return max(0, round((self.clock.now() - self.at.start) / block_time(self.at.capability)))


def gate_of(at: Ground, ours: Floats, theirs: Floats, *, candidate: str, champion: str) -> tuple[Evidence, ...]:
    """The evidence that the gate is judged by, measured as a release's is."""
    capability = at.capability
    beside = {"champion": theirs, **({"fallback": at.zero["gate"]} if at.zero else {})}
    answers = Scored(rows=at.gate, scores=ours, comparators=beside)
    seen = measured(capability, answers, compared_groups(capability, answers), full=False)
    assert seen is not None
    asked = [r for r in capability.gate if not r.than or r.than in seen.comparators]
    return evidence(seen, asked, release=candidate, comparators={"champion": champion, "fallback": FALLBACK})


def effects(at: Ground, ours: Floats, theirs: Floats) -> dict[str, tuple[float, float]]:
    """For each comparison that anything asks for: the mean loss against the champion on the later rows, and its spread from
    block to block (positive: worse). Truth for the table, not evidence."""
    capability: Capability = at.capability
    known = ~np.isnan(at.after.y)
    labels = at.after.y[known]
    _, codes = np.unique(at.after.blocks[known].astype(str), return_inverse=True)
    n = np.bincount(codes.reshape(-1))
    found: dict[str, tuple[float, float]] = {}
    for r in (*capability.gate, *capability.watched):
        if r.operational or r.by or not r.compares:
            continue
        metric = capability.definition(r.metric)
        if metric.rows is None or r.metric in found:
            continue
        values = metric.loss_sign * (metric.rows(ours[known], labels) - metric.rows(theirs[known], labels))
        means = np.bincount(codes.reshape(-1), weights=values) / n
        found[r.metric] = (float(means.mean()), float(means.std(ddof=1)) if len(means) > 1 else 0.0)
    return found
