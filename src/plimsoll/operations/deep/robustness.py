"""Each input and each feature view in trouble, through the release's own features and model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import PlimsollError
from plimsoll.evaluation.deep.loss import loss, mean_move
from plimsoll.evaluation.deep.perturbation import Perturbation, kinds_of, perturbed, perturbed_matrix
from plimsoll.evaluation.deep.robustness import Strain, Target, grid
from plimsoll.operations.deep.ground import Ground
from plimsoll.operations.remaking import remade

Matrix = NDArray[np.float32]


def targets(ground: Ground) -> list[str]:
    """The columns of the question that features read, then the views."""
    schema = ground.again.schema
    return [*(f"input {name}" for name in schema.columns), *(f"view {b.view}" for b in schema.views)]


def troubled(ground: Ground, target: str) -> Target:
    """``target``, one of ``targets``, in every kind of trouble that it can be in, at every rate."""
    of, _, name = target.partition(" ")
    change = change_of(ground, name, is_view=of == "view")
    kinds = ("missing", "noisy", "swapped") if of == "view" else kinds_of(ground.columns[name])
    strains = tuple(_strain(ground, by, change) for by in grid(kinds))
    return Target(name=name, of="view" if of == "view" else "input", strains=strains)


def change_of(ground: Ground, name: str, *, is_view: bool) -> Callable[[Perturbation], Matrix]:
    """What makes the matrix of features under a perturbation of an input or a view."""
    return partial(_view if is_view else _input, ground, name)


def _input(ground: Ground, name: str, by: Perturbation) -> Matrix:
    a, rows = ground.again, ground.rows
    changed = perturbed(ground.columns[name], by, ground.row.digest, name)
    columns: dict[str, Any] = {**ground.columns, name: changed}
    return remade(a.schema, columns, {name}, rows.X, rows.asked_at, a.lines)


def _view(ground: Ground, name: str, by: Perturbation) -> Matrix:
    rows = ground.rows
    binding = next(b for b in ground.again.schema.views if b.view == name)
    places = [rows.names.index(feature) for feature in binding.names]
    made = rows.X.copy()
    made[:, places] = perturbed_matrix(rows.X[:, places], by, ground.row.digest, name)
    return made


def _strain(ground: Ground, by: Perturbation, change: Callable[[Perturbation], Matrix]) -> Strain:
    try:
        scores = np.asarray(ground.engine.predict(change(by)), dtype=np.float64)
    except PlimsollError as error:  # it is asked what nobody promised that it can take: that is a finding
        return Strain(by=by, note=f"it does not answer: {error.message}")
    answered = ground.answered
    return Strain(
        by=by,
        moved=mean_move(answered, scores),
        losses=tuple(loss(metric, answered, scores) for metric in ground.metrics),
    )
