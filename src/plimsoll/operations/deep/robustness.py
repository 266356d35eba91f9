"""Each input and each feature view in trouble, through the release's own features and model."""

from __future__ import annotations

import numpy as np

from plimsoll.errors import PlimsollError
from plimsoll.evaluation.deep.loss import loss, mean_move
from plimsoll.evaluation.deep.perturbation import Perturbation, kinds_of
from plimsoll.evaluation.deep.robustness import Strain, Target, grid
from plimsoll.operations.deep.ground import Ground
from plimsoll.operations.troubling import Untroubled


def targets(ground: Ground) -> list[str]:
    """The columns of the question that features read, then the views."""
    schema = ground.again.schema
    return [*(f"input {name}" for name in schema.columns), *(f"view {b.view}" for b in schema.views)]


def troubled(ground: Ground, target: str) -> Target:
    """``target``, one of ``targets``, in every kind of trouble that it can be in, at every rate."""
    of, _, name = target.partition(" ")
    kinds = ("missing", "noisy", "swapped") if of == "view" else kinds_of(ground.columns[name])
    rows = Untroubled(
        model=ground.row.manifest.artifacts["model"],
        schema=ground.again.schema,
        lines=ground.again.lines,
        columns=ground.columns,
        X=ground.rows.X,
        asked_at=ground.rows.asked_at,
    )
    strains = tuple(_strain(ground, rows, name, by) for by in grid(kinds))
    return Target(name=name, of="view" if of == "view" else "input", strains=strains)


def _strain(ground: Ground, rows: Untroubled, name: str, by: Perturbation) -> Strain:
    try:
        scores = np.asarray(ground.engine.predict(rows.in_trouble(name, by)), dtype=np.float64)
    except PlimsollError as error:  # it is asked what nobody promised that it can take: that is a finding
        return Strain(by=by, note=f"it does not answer: {error.message}")
    answered = ground.answered
    return Strain(
        by=by,
        moved=mean_move(answered, scores),
        losses=tuple(loss(metric, answered, scores) for metric in ground.metrics),
    )
