"""What a release's answers rest on: Shapley values where its model is made of trees, else what dealing a feature's values
to other rows costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import PlimsollError, UsageError
from plimsoll.evaluation.deep.attribution import Attributed, permuted, shapley_parts
from plimsoll.evaluation.deep.loss import loss, nothing_lost
from plimsoll.evaluation.deep.perturbation import chance
from plimsoll.models import contributions, leaves_of
from plimsoll.operations.deep.ground import Ground

SHAPLEY = "Shapley values"
WORK = 20_000_000
"""Leaves × rows: what is looked at, some ten seconds of it."""
FEWEST, MOST = 200, 2_000
DEALS = 5
"""Times that a feature's values are dealt anew; their mean is taken."""


def asked(ground: Ground) -> list[str]:
    """The Shapley values at once, or each feature by itself."""
    return [SHAPLEY] if reason(ground) == "" else list(ground.rows.names)


def reason(ground: Ground) -> str:
    """Why there are no Shapley values of this model; "" where there are."""
    try:
        contributions(_model(ground), ground.rows.X[:1], ground.rows.X[:FEWEST])
    except UsageError as error:
        return error.message
    return ""


def attributed(ground: Ground, item: str) -> tuple[Attributed, ...]:
    """One of ``asked``."""
    return _shapley(ground) if item == SHAPLEY else (_permuted(ground, item),)


def _shapley(ground: Ground) -> tuple[Attributed, ...]:
    rows, model = ground.rows, _model(ground)
    most = int(np.clip(WORK // max(1, leaves_of(model)), FEWEST, MOST))
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64))
    some = rows.take(chosen)
    found = contributions(model, some.X, some.X)
    return shapley_parts(
        found.values,
        some.X,
        some.blocks.tolist(),
        rows.names,
        {b.view: [rows.names.index(name) for name in b.names] for b in ground.again.schema.views},
        unit=found.unit,
        unordered=ground.hidden | frozenset(rows.categories),
    )


def _permuted(ground: Ground, name: str) -> Attributed:
    place, metric = ground.rows.names.index(name), ground.metrics[0]
    why = reason(ground)
    try:
        dealt = [_dealt(ground, place, deal) for deal in range(DEALS)]
    except PlimsollError as error:
        return permuted(name, nothing_lost(metric, f"it does not answer: {error.message}"), why)
    return permuted(name, loss(metric, ground.answered, *dealt), why)


def _model(ground: Ground) -> bytes:
    return ground.yard.objects.get(ground.row.manifest.artifacts["model"])


def _dealt(ground: Ground, place: int, deal: int) -> NDArray[np.float64]:
    X = ground.rows.X.copy()
    X[:, place] = X[chance("deal", ground.row.digest, place, deal).permutation(len(X)), place]
    return np.asarray(ground.engine.predict(X), dtype=np.float64)
