"""Every case of each golden set asked of a release's real features and model, and part of its gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.evaluation.suite.behaviour import Behaved, Turn, behaviour_evidence
from plimsoll.features import Timeline, TrainingSet, training_set
from plimsoll.kernel.digest import rounded
from plimsoll.kernel.verdict import Evidence
from plimsoll.models import open_model
from plimsoll.operations.bench import Timelines
from plimsoll.operations.building import Built
from plimsoll.operations.gold.intake import Cases
from plimsoll.operations.yard import Yard

Floats = NDArray[np.float64]
SHOWN = 3
"""Cases of a set that a report names: those that are furthest off."""


def golden_answers(capability: Capability, built: Built, yard: Yard, timelines: Timelines) -> tuple[Behaved, ...]:
    """What came of each golden set, in their order; nothing of a release that must not be measured."""
    if built.gate is None or not built.gold:
        return ()
    yard.say(f"asking the cases of {len(built.gold)} golden sets")
    lines = timelines.for_schema(built.schema, capability.known_views, built.taken)
    engine, _ = open_model(built.manifest, yard.objects, yard.trust)
    return tuple(_asked(cases, capability, built, lines, engine) for cases in built.gold)


def golden_evidence(found: tuple[Behaved, ...], built: Built) -> Iterator[Evidence]:
    """For the gate: all cases of a set, without an interval."""
    for cases, came in zip(built.gold, found, strict=bool(found)):
        yield behaviour_evidence(came, cases.asked.requirement, built.manifest.digest, built.problems)


def _asked(cases: Cases, capability: Capability, built: Built, lines: Mapping[str, Timeline], engine: Any) -> Behaved:
    rows = _rows(cases, capability, built, lines)
    scores = np.asarray(engine.predict(rows.X), dtype=np.float64)
    should, said, right = _compared(capability.task.kind, scores, rows.y, cases.asked.within)
    failing = np.flatnonzero(~right)
    worst = failing[np.argsort(-np.abs(said - should)[failing], kind="stable")][:SHOWN]
    hidden = capability.source.unit in built.taken[capability.source.name].contract.redacted
    return Behaved(
        name=cases.asked.name,
        kind="golden",
        fails=cases.asked.fails,
        rows=len(right),
        failing=len(failing),
        worst=tuple(
            Turn(
                unit="" if hidden else str(rows.units[i]),
                before=rounded(float(should[i])),
                after=rounded(float(said[i])),
            )
            for i in worst.tolist()
        ),
    )


def _rows(cases: Cases, capability: Capability, built: Built, lines: Mapping[str, Timeline]) -> TrainingSet:
    s = capability.source
    return training_set(
        schema=built.schema,
        columns=cases.columns,
        timelines=lines,
        unit=s.unit,
        asked_at=s.asked_at,
        blocks=cases.columns[s.unit],
        label=capability.task.label,
        classes=capability.task.classes,
    )


def _compared(task: str, scores: Floats, y: Floats, within: float) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """(what was due, what was said, whether that is right). Of several classes: the probability of the labelled one,
    right where it is the likeliest."""
    if task == "multiclass":
        code = y.astype(np.int64)
        return np.ones(len(y)), scores[np.arange(len(y)), code], np.asarray(scores.argmax(axis=1) == code)
    if task == "binary":
        return y, scores, np.asarray((scores >= 0.5) == (y >= 0.5))
    return y, scores, np.asarray(np.abs(scores - y) <= within)
