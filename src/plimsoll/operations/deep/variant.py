"""The same declaration trained another way: without a feature, with another seed, on another draw of its blocks.

Each is a run of its own: what was trained before, for any part of the evaluation, is not trained again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.evaluation.deep.perturbation import chance
from plimsoll.features import TrainingSet
from plimsoll.models import open_engine, package
from plimsoll.operations.bench import numbered
from plimsoll.operations.building import code_of
from plimsoll.operations.deep.ground import Ground
from plimsoll.training import environment, step, train

Floats = NDArray[np.float64]


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """``without``: features that are left out. ``seed``: another one. ``draw``: the number of a draw, with replacement, of
    the training blocks; 0 takes them as they are."""

    without: tuple[str, ...] = ()
    seed: int | None = None
    draw: int = 0


def answers_of(ground: Ground, variant: Variant) -> Floats:
    """What the variant answers to the rows that are looked at, from an earlier run where there is one.

    Raises UsageError where nothing is left to learn from, and what its training raises.
    """
    manifest, yard = ground.row.manifest, ground.yard
    run = step(
        yard.catalog,
        yard.objects,
        name="variant",
        inputs={
            "variant": msgspec.to_builtins(variant),
            "snapshots": manifest.snapshots,
            "settings": {k: manifest.settings[k] for k in ("schema", "task", "params", "seed", "split")},
            "code": code_of(ground.capability),
            "environment": environment()["digest"],
        },
        work=lambda: _trained(ground, variant),
        clock=yard.clock,
    )
    scores = np.frombuffer(yard.objects.get(run.outputs["artifacts"]["scores"]), dtype="<f8")
    return scores.reshape(run.outputs["shape"])[ground.places]


def _trained(ground: Ground, variant: Variant) -> dict[str, Any]:
    c, yard = ground.capability, ground.yard
    learnt, gate = (_without(rows, variant.without) for rows in (ground.learnt, ground.again.gate))
    if not learnt.names:
        raise UsageError(
            f"{', '.join(variant.without)}: it is all that {c.name} learns from: without it there is nothing to train on"
        )
    if variant.draw:
        learnt = learnt.take(_drawn(learnt, variant.draw))
    if not len(learnt):
        raise UsageError(f"{c.name}: no question to train on has a label yet")
    model = train(c.train, learnt, c.params, c.seed if variant.seed is None else variant.seed)
    made = package(
        model, names=learnt.names, task=c.task.kind, sample=gate.X, classes=c.task.classes or None
    )  # as a release would answer: in the form that is shipped
    scores = np.asarray(open_engine(made.model).predict(gate.X), dtype="<f8")
    return {"artifacts": {"scores": yard.objects.put(scores.tobytes())}, "shape": list(scores.shape)}


def _without(rows: TrainingSet, names: tuple[str, ...]) -> TrainingSet:
    kept = [place for place, name in enumerate(rows.names) if name not in names]
    return replace(
        rows,
        X=np.ascontiguousarray(rows.X[:, kept]),
        names=tuple(rows.names[place] for place in kept),
        categories=tuple(c for c in rows.categories if c not in names),
    )


def _drawn(rows: TrainingSet, draw: int) -> NDArray[np.int64]:
    """As many blocks as there are, drawn with replacement and kept in order of time (a bootstrap of blocks)."""
    codes = numbered(rows.blocks)
    blocks = int(codes.max(initial=-1)) + 1
    chosen = np.sort(chance("draw", draw, blocks).integers(blocks, size=blocks))
    places = [np.flatnonzero(codes == c) for c in chosen.tolist()]
    return np.concatenate(places)
