"""What every part of a deep evaluation stands on: the release's labelled gate rows, its answers to them, its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.errors import Refused, UsageError
from plimsoll.evaluation.deep.loss import Answered
from plimsoll.features import TrainingSet
from plimsoll.kernel.digest import canonical, digest_bytes, short
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.models import Engine, open_model
from plimsoll.operations.again import Again, again, code_again
from plimsoll.operations.bench import matrix_of
from plimsoll.operations.building import code_of
from plimsoll.operations.yard import Yard
from plimsoll.stats import Metric

MOST = 20_000
"""Labelled rows of the gate that are looked at, spread evenly."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """``places`` are the rows of the gate that are looked at; ``rows``, ``columns`` and ``answered`` are of these."""

    yard: Yard
    row: ReleaseRow
    again: Again
    engine: Engine
    places: NDArray[np.int64]
    metrics: tuple[Metric, ...]

    @property
    def capability(self) -> Capability:
        return self.again.capability

    @cached_property
    def rows(self) -> TrainingSet:
        return self.again.gate.take(self.places)

    @cached_property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The question's columns."""
        return {name: values[self.places] for name, values in self.again.parts.gate.columns.items()}

    @cached_property
    def answered(self) -> Answered:
        return Answered(
            task=self.capability.task.kind,
            scores=np.asarray(self.engine.predict(self.rows.X), dtype=np.float64),
            labels=self.rows.y,
            blocks=self.rows.blocks.tolist(),
        )

    @cached_property
    def learnt(self) -> TrainingSet:
        """The labelled rows that it was trained on. Joined when it is first asked for."""
        a = self.again
        self.yard.say(f"joining {len(a.parts.train):,} questions of the training set")
        return matrix_of(a.capability, a.schema, a.parts.train, a.lines).labelled()

    @cached_property
    def hidden(self) -> frozenset[str]:
        """The features that its contract does not let be shown."""
        redacted = self.again.taken[self.capability.source.name].contract.redacted
        names = self.again.schema.names
        return frozenset(names[place] for place in self.again.schema.nulls(redacted))

    @property
    def units_are_hidden(self) -> bool:
        return self.capability.source.unit in self.again.taken[self.capability.source.name].contract.redacted

    def check_it_can_be_trained(self) -> None:
        """Raises Refused where nothing is trained, or the code is no longer what the release was trained by."""
        if self.capability.model:
            raise Refused(
                f"{self.capability.name}: its model is given ({self.capability.model}): nothing is trained here, so there "
                "is no second training to compare with",
                hint="plimsoll evaluate --only robustness --only attribution",
            )
        code = canonical(code_again(self.again, code_of(self.capability)))
        if digest_bytes(code) != self.row.manifest.artifacts.get("code"):
            raise Refused(
                f"the code has changed since {self.row.label} {short(self.row.digest)} was trained: another training "
                "would differ by that, too",
                hint="release what is declared now, and evaluate that",
            )


def ground(capability: Capability, yard: Yard, row: ReleaseRow) -> Ground:
    """Raises Refused for a release without a model, UsageError where its gate has nothing to compare answers by."""
    if "model" not in row.manifest.artifacts:
        raise Refused(
            f"{row.label} {short(row.digest)} was refused before it was trained: there is nothing to evaluate"
        )
    if capability.task.group:
        raise UsageError(
            f"{capability.name}: a deep evaluation asks what each row's answer is worth, and a ranking's rows have an order only",
            hint="its report has the metrics query by query: plimsoll release",
        )
    yard.say(f"reading the rows of {row.label} {short(row.digest)} as they were")
    rows = again(capability, yard, row.manifest)
    engine, _ = open_model(row.manifest, yard.objects, yard.trust)
    return Ground(
        yard=yard,
        row=row,
        again=rows,
        engine=engine,
        places=_places(rows),
        metrics=_metrics(capability),
    )


def _places(again: Again) -> NDArray[np.int64]:
    gate, name = again.gate, again.capability.name
    known = np.flatnonzero(~np.isnan(gate.y))
    if not len(known):
        raise UsageError(
            f"{name}: none of the gate's {len(gate):,} rows has an outcome: nothing can be measured",
            hint="wait until they are labelled, and release again",
        )
    if again.capability.task.kind != "regression" and len(there := np.unique(gate.y[known])) < 2:
        raise UsageError(
            f"{name}: all {len(known):,} outcomes of the gate's rows are {there[0]:g}: with one class nothing is better or worse"
        )
    if len(blocks := np.unique(gate.blocks[known].astype(str))) < 2:
        raise UsageError(
            f"{name}: all labelled rows lie in one block ({blocks[0]}): nothing can be bounded",
            hint="raise split=Split(gate_blocks=…)",
        )
    if len(known) <= MOST:
        return known
    return np.asarray(known[np.linspace(0, len(known) - 1, MOST).astype(np.int64)])


def _metrics(capability: Capability) -> tuple[Metric, ...]:
    """Those that the gate requires, a mean over rows first: it is bounded best, and the plots show it."""
    asked = [capability.definition(r.metric) for r in capability.gate if not r.definition.of]
    distinct = list({m.id: m for m in asked}.values())
    if not distinct:
        raise UsageError(f"{capability.name}: its gate requires no metric of answers and outcomes")
    return tuple(sorted(distinct, key=lambda m: m.rows is None))
