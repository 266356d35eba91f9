"""All releases that are tried at one start: twins of the champion that differ by their seed, and its mutants."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from plimsoll.features import TrainingSet
from plimsoll.kernel.digest import digest
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.verdict import Ruling, judge
from plimsoll.operations.calibrating.ground import Floats, Ground, Matrix, Scorer
from plimsoll.operations.calibrating.mutants import Anatomy, Mutant
from plimsoll.operations.calibrating.traffic import COST_USD, Cast, plain
from plimsoll.operations.calibrating.trial import Trial, Tried, gate_of
from plimsoll.serving import Drill
from plimsoll.stats.confidence import confidence

TWIN = "A/A"
PROBED = 2_000
"""Rows by which it is found how much the answers rest on each feature."""
DISTINCT = 10
"""Values that a feature has at least, to be shifted and rescaled."""
PLENTY_MS = 50.0
"""An answer's time where no requirement names one."""
NOTHING = Drill()


@dataclass(frozen=True, kw_only=True)
class Line:
    """One start with its champion, from which twins and mutants are made."""

    at: Ground
    folder: Path
    seed: int
    _made: dict[str, Scorer] = field(default_factory=dict)

    @cached_property
    def champion(self) -> Scorer:
        return Scorer(self.at, self.at.capability, self._learnt)

    @property
    def _learnt(self) -> TrainingSet | None:
        return None if self.at.capability.model else self.at.train.labelled()

    @cached_property
    def _answers(self) -> tuple[Floats, Floats]:
        """The champion's, to the gate's rows and to the later ones."""
        return self.champion(self.at.gate.X), self.champion(self.at.after.X)

    @property
    def opens(self) -> bool:
        """Whether the gate lets the champion itself out: where it does not, it stops every release, and says nothing."""
        mine, name = self._answers[0], _named("champion")
        found = gate_of(self.at, mine, mine, candidate=name, champion=name)
        return judge(found, self.at.capability.policy, self.at.start).ruling is Ruling.PASS

    # ── twins and mutants ────────────────────────────────────────────────────────────────────────────────────────────

    def twin(self, number: int) -> Tried:
        """The same declaration trained with another seed: as good, and not the same."""
        other = self.at.capability.variant(seed=self.at.capability.seed + 1 + number)
        scorer = self.champion if self.at.capability.model else Scorer(self.at, other, self._learnt)
        return self._tried(TWIN, number, scorer(self.at.gate.X), self._cast("twin", scorer(self.at.after.X)))

    def mutant(self, mutant: Mutant, number: int) -> Tried | None:
        """The champion broken in one way; None where it cannot be (a given model is not trained here)."""
        scorer = self.champion
        if mutant.learnt is not None:
            if self._learnt is None:
                return None
            rng = np.random.default_rng([self.seed, number])
            scorer = Scorer(self.at, self.at.capability, mutant.learnt(self._learnt, self.anatomy, rng))
        gate, after = self.at.gate.X, self.at.after.X
        online = mutant.rows(after, self.anatomy) if mutant.rows else after
        at_gate = scorer(mutant.rows(gate, self.anatomy) if mutant.rows and mutant.where != "feed" else gate)
        live = scorer(online)
        if mutant.answers is not None:
            live = mutant.answers(live, self._hit(self.at.after), self.anatomy)
            if mutant.where == "release":
                at_gate = mutant.answers(at_gate, self._hit(self.at.gate), self.anatomy)
        offline = after if mutant.where == "feed" else online
        return self._tried(mutant.name, number, at_gate, self._broken(mutant, live, online, offline))

    def _broken(self, mutant: Mutant, live: Floats, online: Matrix, offline: Matrix) -> Cast:
        drill = Drill(error_share=mutant.error_share, latency_ms=2.0 * self.anatomy.latency_ms if mutant.late else 0.0)
        return Cast(
            release=_named(mutant.name),
            scores=live,
            online=online,
            offline=offline,
            drill=drill,
            cost_usd=COST_USD * mutant.dearer,
            abstain_below=self.anatomy.unsure_below if mutant.silent else self.at.capability.answer.abstain_below,
        )

    def _cast(self, name: str, scores: Floats) -> Cast:
        """A release in good health."""
        X, below = self.at.after.X, self.at.capability.answer.abstain_below
        return Cast(release=_named(name), scores=scores, online=X, offline=X, drill=NOTHING, abstain_below=below)

    def _tried(self, specimen: str, number: int, at_gate: Floats, cast: Cast) -> Tried:
        champion = self._cast("champion", self._answers[1])
        casts = {cast.release: cast, champion.release: champion}
        if self.at.zero:
            casts[FALLBACK] = Cast(
                release=FALLBACK, scores=self.at.zero["after"], online=None, offline=None, drill=NOTHING
            )
        trial = Trial(
            self.at,
            candidate=cast.release,
            champion=champion.release,
            gate=(at_gate, self._answers[0]),
            casts=casts,
            notifier=self.at.recorded.yard.notifier,
            folder=self.folder,
            seed=self.seed + number,
        )
        return replace(trial.run(specimen), seed=number)

    # ── the champion, looked at ──────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def anatomy(self) -> Anatomy:
        """What the champion rests on, and where a slice of it can be broken."""
        c, gate = self.at.capability, self.at.gate
        column, value = self._slice()
        answers = self._answers[0]
        below = float(np.median([confidence(s) for s in plain(answers)])) if c.task.kind != "regression" else 0.0
        known = self.at.train.X
        limits = [r.limit for r in c.watched if r.definition.quantile is not None and not r.compares]
        return Anatomy(
            task=c.task.kind,
            features=self._strongest(),
            means=np.nan_to_num(np.nanmean(known, axis=0)),
            sds=np.nan_to_num(np.nanstd(known, axis=0)),
            level=answers.mean(axis=0),
            per_block=max(1, len(gate) // max(1, len(np.unique(gate.blocks.astype(str))))),
            column=column,
            value=value,
            latency_ms=min(limits, default=PLENTY_MS),
            unsure_below=below,
        )

    def _strongest(self) -> tuple[int, ...]:
        """Features by how far the answers move when their values are dealt out anew; those with many values first."""
        rng = np.random.default_rng(self.seed)
        X = self.at.gate.X[:: max(1, len(self.at.gate) // PROBED)]
        plain, moved = self.champion(X), []
        for at in range(X.shape[1]):
            dealt = X.copy()
            dealt[:, at] = rng.permutation(X[:, at])
            many = len(np.unique(X[:, at])) >= DISTINCT
            moved.append((many, float(np.abs(self.champion(dealt) - plain).mean()), at))
        return tuple(at for _, _, at in sorted(moved, reverse=True))

    def _slice(self) -> tuple[str, str]:
        """The largest value of the first column that anything is sliced by; none where nothing is."""
        columns = [r.by for r in (*self.at.capability.gate, *self.at.capability.keep) if r.by]
        named = next(iter([*columns, *self.at.capability.slices]), "")
        if not named or named not in self.at.gate.slices:
            return "", ""
        values, n = np.unique(self.at.gate.slices[named].astype(str), return_counts=True)
        return named, str(values[int(n.argmax())])

    def _hit(self, rows: TrainingSet) -> NDArray[np.bool_]:
        """The rows of the slice; without one, each tenth row."""
        a = self.anatomy
        if a.column:
            found: NDArray[np.bool_] = rows.slices[a.column].astype(str) == a.value
            return found
        tenth: NDArray[np.bool_] = np.arange(len(rows)) % 10 == 0
        return tenth


def _named(name: str) -> str:
    """A digest, as releases are named."""
    return digest({"calibration": name})
