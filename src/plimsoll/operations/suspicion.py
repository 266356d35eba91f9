"""What makes a gate's evidence doubtful although every known time is kept: features that know too much, rows seen before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.evaluation.suite.overlap import MOST_ROWS, Overlap, overlap
from plimsoll.evaluation.suite.probe import IMPOSSIBLE, SUSPICIOUS, Suspect, suspects
from plimsoll.features import FeatureSchema, Inputs, TrainingSet
from plimsoll.kernel.figure import share
from plimsoll.operations.bench import Parts, Questions, numbered


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """``problems`` make the evidence inadmissible; ``warnings`` are for people. ``checks``: what was looked for, and what came
    of it, doubtful or not."""

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()


def suspicion(capability: Capability, schema: FeatureSchema, parts: Parts, gate: TrainingSet) -> Suspicion:
    """Of the gate's rows. A feature that is ``trusted`` in the suite is not suspected; ``schema`` is fitted."""
    trusted = {asked.name for asked in capability.trusted}
    found = suspects(
        capability.task.kind,
        gate.X,
        gate.names,
        gate.y,
        numbered(gate.blocks),
        frozenset(schema.categories),
    )
    doubted = [s for s in found if s.feature not in trusted]
    seen = _overlap(schema, parts) if len(parts.train) and len(parts.gate) else None
    return Suspicion(
        problems=(
            *(_too_good(capability, s) for s in doubted if s.alone >= IMPOSSIBLE),
            *([_said(seen, "train/test overlap")] if seen is not None and seen.is_leak else []),
        ),
        warnings=(
            *(_too_good(capability, s) for s in doubted if s.alone < IMPOSSIBLE),
            *([_said(seen, "recurring rows")] if seen is not None and seen.is_suspicious and not seen.is_leak else []),
        ),
        checks=(_probed(capability, gate, found), _looked_up(seen)),
    )


def _probed(capability: Capability, gate: TrainingSet, found: list[Suspect]) -> str:
    reach = "explains" if capability.task.kind == "regression" else "reaches an AUC of"
    least = f"{SUSPICIOUS:.0%} of the variance" if capability.task.kind == "regression" else f"{SUSPICIOUS:g}"
    named = ", ".join(f"{s.feature} ({s.alone:.3f})" for s in found) or "none"
    return f"Of {len(gate.names)} features, each alone on blocks that it did not learn from, {named} {reach} {least} or more."


def _looked_up(seen: Overlap | None) -> str:
    if seen is None:
        return "Whether gate rows were trained on cannot be told: nothing but categories says who is asked for."
    return f"{_said(seen, 'Overlap')}."


def _too_good(capability: Capability, s: Suspect) -> str:
    reaches = "explains" if capability.task.kind == "regression" else "reaches an AUC of"
    of = " of the variance" if capability.task.kind == "regression" else ""
    return (
        f"too good to be true: the feature {s.feature} alone {reaches} {s.alone:.3f}{of}; if it is honestly known when the "
        f'question is asked, say so: suite=[trusted("{s.feature}", because="…")]'
    )


def _said(seen: Overlap, what: str) -> str:
    usually = "" if seen.usually is None else f" (inside the training set {share(seen.usually)} recur so)"
    near = "" if seen.usually_near is None else f" (usually {share(seen.usually_near)})"
    return (
        f"{what}: {share(seen.exact)} of the gate's rows ask what a training row asked{usually}, "
        f"{share(seen.near)} nearly{near}"
    )


def _overlap(schema: FeatureSchema, parts: Parts) -> Overlap | None:
    train, gate, categories = _asked(schema, parts)
    if train.shape[1] == 0 or all(categories):  # levels recur by nature, and say nothing about who is asked for
        return None
    return overlap(train, gate, categories, numbered(parts.train.blocks[-MOST_ROWS:]), numbered(parts.gate.blocks))


def _asked(schema: FeatureSchema, parts: Parts) -> tuple[NDArray[np.float64], NDArray[np.float64], list[bool]]:
    """What was asked, as numbers: the question's own features, and the views' entities by codes that both parts share."""
    inputs = Inputs(*schema.inputs)
    train_rows = parts.train.take(np.arange(len(parts.train)) >= len(parts.train) - MOST_ROWS)
    parts = Parts(train_rows, parts.gate)
    own = [np.asarray(inputs.compute(p.columns), dtype=np.float64) for p in (parts.train, parts.gate)]
    entities = list(dict.fromkeys(binding.entity for binding in schema.views))
    coded = [list(column) for column in zip(*(_codes(e, parts.train, parts.gate) for e in entities), strict=True)]
    train, gate = (np.column_stack([x, *more]) for x, more in zip(own, coded or [[], []], strict=True))
    return train, gate, [name in schema.categories for name in inputs.names] + [True] * len(entities)


def _codes(column: str, train: Questions, gate: Questions) -> Iterator[NDArray[Any]]:
    together = np.concatenate([train.columns[column], gate.columns[column]]).astype(str)
    codes = np.unique(together, return_inverse=True)[1].reshape(-1).astype(np.float64)
    yield from (codes[: len(train)], codes[len(train) :])
