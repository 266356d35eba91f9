"""The declared tolerances, measured on the gate's rows: what a release has to stand, and what it loses by it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.errors import PlimsollError
from plimsoll.evaluation.deep.perturbation import Perturbation, hit
from plimsoll.evaluation.measurement import Measure, measure_one
from plimsoll.evaluation.rows import rowset
from plimsoll.kernel.records import ITSELF
from plimsoll.kernel.verdict import Evidence
from plimsoll.models import Engine, PythonEngine, open_model
from plimsoll.operations.bench import Timelines
from plimsoll.operations.building import Built
from plimsoll.operations.measuring import Scored
from plimsoll.operations.troubling import Untroubled
from plimsoll.operations.yard import Yard
from plimsoll.suite import Tolerance


def tolerance_evidence(
    capability: Capability, built: Built, answers: Scored | None, yard: Yard, timelines: Timelines
) -> Iterator[Evidence]:
    """For the gate: the loss against the release's untroubled answers, by block. A tolerance of what this release does not
    read says nothing about it, and is left out; so are all where nothing may be measured."""
    if answers is None or not capability.tolerances:
        return
    yard.say(f"putting inputs in trouble: {len(capability.tolerances)} tolerances")
    rows = Untroubled(
        model=built.manifest.artifacts["model"],
        schema=built.schema,
        lines=timelines.for_schema(built.schema, capability.known_views, built.taken),
        columns=built.parts.gate.columns,
        X=answers.rows.X,
        asked_at=answers.rows.asked_at,
    )
    engine, _ = open_model(built.manifest, yard.objects, yard.trust)
    known = {*built.schema.columns, *(b.view for b in built.schema.views)}
    for asked in capability.tolerances:
        if asked.of in known:
            yield _evidence(asked, capability, built, answers, rows, engine)


def _evidence(
    asked: Tolerance, capability: Capability, built: Built, answers: Scored, rows: Untroubled, engine: Engine
) -> Evidence:
    scores, problem = _answers(asked, capability, answers, rows, engine)
    measured = None if scores is None else _measured(asked, capability, answers, scores)
    return Evidence(
        requirement=asked.requirement,
        release=built.manifest.digest,
        source="gate",
        comparator=ITSELF,
        slice=f"tolerance={asked.name}",
        blocks=measured.blocks if measured else (),
        problems=(*built.problems, *([problem] if problem else [])),
        waits_for="" if measured is None or measured.blocks else f"{asked.name}: {measured.note}",
    )


def _answers(
    asked: Tolerance, capability: Capability, answers: Scored, rows: Untroubled, engine: Engine
) -> tuple[NDArray[np.float64] | None, str]:
    """The answers in trouble; where the model has none, those that are given instead: the fallback's, to the rows that are
    hit. Without a fallback there is nothing to measure, and that is a problem."""
    by = Perturbation(kind=asked.trouble, rate=asked.rate, spread=asked.spread)
    X = rows.in_trouble(asked.of, by)
    try:
        return np.asarray(engine.predict(X), dtype=np.float64), ""
    except PlimsollError as error:
        if capability.fallback is None:
            return None, f"{asked.name}: the model does not answer, and there is no fallback: {error.message}"
    instead = PythonEngine(capability.fallback, task=capability.task.kind).predict(rows.columns)
    struck = hit(len(X), asked.rate, rows.model, asked.of)
    scores = answers.scores.copy()
    scores[struck] = instead[struck]
    return scores, ""


def _measured(asked: Tolerance, capability: Capability, answers: Scored, scores: NDArray[np.float64]) -> Measure:
    beside = {ITSELF: answers.scores}
    rows = rowset(capability.task.kind, scores, answers.rows.y, answers.rows.blocks.tolist(), beside)
    return measure_one(capability.definition(asked.requirement.metric), rows, ITSELF)
