"""Recorded questions answered by releases whose answers are known beforehand: the records that the loop reads.

Who answers, who answers beside and who is shown are decided by the deployment as in serving; only the engines' work is done
in one go before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.kernel.records import FALLBACK, Answer, Beside, Event, Outcome, Record
from plimsoll.kernel.rollout import Deployment, beside, serves
from plimsoll.operations.calibrating.ground import Floats, Ground, Matrix
from plimsoll.operations.materialise import EPOCH, MICROSECOND, microseconds_of
from plimsoll.serving import Drill, VirtualTiming, beside_role, served_role
from plimsoll.stats.confidence import confidence

COST_USD = 0.0001
"""Of an answer, where nothing else is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """One release on the ground's later rows: its answers, the features it saw online, and those recomputed offline."""

    release: str
    scores: Floats
    online: Matrix | None
    offline: Matrix | None
    drill: Drill
    cost_usd: float = COST_USD
    abstain_below: float = 0.0


@dataclass(slots=True, kw_only=True)
class Shown:
    """What people saw of the candidate: answers, and how many of them were errors or wrong where the champion was right."""

    answers: int = 0
    bad: int = 0


class Traffic:
    """The later rows of a ground in order of asking, and their outcomes in order of becoming known."""

    def __init__(self, at: Ground, casts: Mapping[str, Cast], *, candidate: str, champion: str, seed: int) -> None:
        self.at, self.casts, self.candidate, self.champion = at, casts, candidate, champion
        self.shown = Shown()
        timing = VirtualTiming(seed)
        self._ids = [f"{seed:x}-{i}" for i in range(len(at.after))]
        self._latency = {name: timing.latencies_ms(name, self._ids, 0.0, cast.drill) for name, cast in casts.items()}
        self._fails = {
            name: [cast.drill.raises(i, name) for i in self._ids] if cast.drill.error_share else None
            for name, cast in casts.items()
        }
        self._said = {name: plain(cast.scores) for name, cast in casts.items()}
        labels = at.after.y
        self._labels = labels.tolist()
        known = np.flatnonzero(~np.isnan(labels))
        self._turned_out: list[int] = known[np.argsort(at.label_at_us[known], kind="stable")].tolist()
        self._worse = _worse(at, casts[candidate].scores, casts[champion].scores)
        self._next = self._next_outcome = 0
        self._inputs = _inputs(at)

    @property
    def over(self) -> bool:
        return self._next >= len(self._ids)

    def until(self, now: datetime, deployment: Deployment) -> list[Record]:
        """Everything that is written until ``now``: questions answered by ``deployment``, and outcomes."""
        limit = microseconds_of(now)
        last = int(np.searchsorted(self.at.asked_us, limit, side="right"))
        names = beside(deployment)
        records: list[Record] = []
        for i in range(self._next, last):
            records += self._answered(i, deployment, names)
        self._next = last
        while self._next_outcome < len(self._turned_out):
            i = self._turned_out[self._next_outcome]
            if self.at.label_at_us[i] > limit or i >= last:
                break
            at = EPOCH + int(self.at.label_at_us[i]) * MICROSECOND
            records.append(Outcome(event=self._ids[i], label=self._labels[i], at=at))
            self._next_outcome += 1
        return records

    def _answered(self, i: int, d: Deployment, names: Sequence[str]) -> list[Record]:
        target = serves(d, float(self.at.places[i]))
        served = self._answer(i, target, served_role(d, target))
        action = self._action(target, served)
        if target == self.candidate:
            self.shown.answers += 1
            self.shown.bad += bool(served.error) or bool(self._worse[i])
        event = Event(
            id=self._ids[i],
            capability=d.capability,
            at=EPOCH + int(self.at.asked_us[i]) * MICROSECOND,
            block=str(self.at.after.blocks[i]),
            unit=self.at.units[i],
            inputs=self._inputs[i],
            served=served,
            action=action,
            rollout=d.rollout.release if d.rollout else "",
            cost_usd=self.casts[target].cost_usd if target in self.casts else 0.0,
        )
        others = tuple(self._answer(i, name, beside_role(d, name)) for name in names if name != target)
        return [event, Beside(event=event.id, answers=others)] if names else [event]

    def _action(self, target: str, served: Answer) -> Any:
        if served.error:
            return "fallback" if FALLBACK in self.casts else "abstain"
        below = self.casts[target].abstain_below
        return "abstain" if below > 0.0 and confidence(served.score) < below else "answer"

    def _answer(self, i: int, name: str, role: Any) -> Answer:
        cast = self.casts[name]
        fails = self._fails[name]
        late = self._latency[name][i]
        if fails is not None and fails[i]:
            return Answer(release=name, role=role, error="drill", latency_ms=late)
        seen = b"" if cast.online is None else cast.online[i].tobytes()
        return Answer(release=name, role=role, score=self._said[name][i], latency_ms=late, features=seen)

    def recompute(
        self, release: str, inputs: Sequence[Mapping[str, Any]], asked_at: Sequence[datetime]
    ) -> NDArray[np.float32]:
        """The offline features of the questions whose row ``inputs`` name."""
        offline = self.casts[release].offline
        assert offline is not None
        return offline[[row["row"] for row in inputs]]


def plain(scores: Floats) -> list[Any]:
    """As serving has them: numbers, or tuples of them."""
    return [tuple(row) for row in scores.tolist()] if scores.ndim == 2 else scores.tolist()


def _inputs(at: Ground) -> list[dict[str, Any]]:
    """What events keep of a question: its row, and the columns that evidence is sliced by."""
    sliced = {name: at.columns[name].tolist() for name in at.capability.sliced}
    return [{"row": i, **{name: values[i] for name, values in sliced.items()}} for i in range(len(at.after))]


def _worse(at: Ground, ours: Floats, theirs: Floats) -> NDArray[np.bool_]:
    """Rows on which the candidate is wrong and its champion is not; for a number, more than twice as far off."""
    y = at.after.y
    known = ~np.isnan(y)
    found = np.zeros(len(y), dtype=np.bool_)
    if at.capability.task.kind == "regression":
        found[known] = np.abs(ours[known] - y[known]) > 2.0 * np.abs(theirs[known] - y[known])
        return found
    called = [s.argmax(axis=1) if s.ndim == 2 else (s >= 0.5).astype(np.int64) for s in (ours, theirs)]
    found[known] = (called[0][known] != y[known]) & (called[1][known] == y[known])
    return found


STEP = timedelta(hours=1)
