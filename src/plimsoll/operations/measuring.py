"""A built release on the gate's rows, beside its champion and the fallback: the evidence its gate is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.evaluation import Evaluation, Selection, evidence, measure, select
from plimsoll.evaluation.suite.fairness import Fairness, fairness
from plimsoll.features import FeatureSchema, TrainingSet
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.verdict import Evidence
from plimsoll.models import PythonEngine, open_model
from plimsoll.operations.bench import Timelines, matrix_of
from plimsoll.operations.building import Built
from plimsoll.operations.yard import Yard


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The gate's rows as the candidate and each comparator that is there answer them; ``rows`` has what they rest on."""

    rows: TrainingSet
    scores: NDArray[np.float64]
    comparators: Mapping[str, NDArray[np.float64]]


def scored(capability: Capability, built: Built, champion: str, yard: Yard, timelines: Timelines) -> Scored | None:
    """The candidate's answers, beside its champion's and the fallback's; None where it must not be measured."""
    if built.gate is None:
        return None
    zero = None
    if capability.fallback is not None:
        zero = PythonEngine(capability.fallback, task=capability.task.kind).predict(built.parts.gate.columns)
    beside = {"champion": zero, "fallback": zero}
    if champion != FALLBACK:
        beside["champion"] = _champion_scores(capability, champion, built, yard, timelines)
    return Scored(
        rows=built.gate,
        scores=_scores(built.manifest, built.gate.X, yard),
        comparators={role: s for role, s in beside.items() if s is not None},
    )


def measured(
    capability: Capability, answers: Scored | None, groups: Sequence[Fairness], *, full: bool
) -> Evaluation | None:
    """What the candidate is worth; None where it must not be measured.

    ``groups``: as ``compared_groups`` found them. ``full``: everything that a report shows; else what the gate asks for.
    """
    if answers is None:
        return None
    gate = answers.rows
    asked = [r.metric for r in capability.gate if not r.definition.of]
    sliced = [r.by for r in capability.gate if r.by]
    found = measure(
        [capability.definition(m) for m in ([*asked, *capability.report] if full else asked)],
        task=capability.task.measured_as,
        scores=answers.scores,
        labels=gate.y,
        blocks=gate.blocks.tolist(),
        groups=gate.slices[gate.group].tolist() if gate.group else None,
        comparators=answers.comparators,
        slices={c: v.tolist() for c, v in gate.slices.items() if c in sliced or (full and c in capability.slices)},
        sliced=list(dict.fromkeys(r.metric for r in capability.gate if full or r.by)),
    )
    pairs = tuple(pair for compared in groups for pair in compared.pairs)
    return msgspec.structs.replace(found, measures=(*found.measures, *pairs)) if pairs else found


def compared_groups(capability: Capability, answers: Scored | None) -> tuple[Fairness, ...]:
    """Each requirement on groups, measured; none where nothing may be measured."""
    if answers is None:
        return ()
    gate = answers.rows
    return tuple(
        fairness(
            r.metric,
            by=r.by,
            scores=answers.scores,
            labels=gate.y,
            blocks=gate.blocks.tolist(),
            groups=gate.slices[r.by].tolist(),
        )
        for r in capability.gate
        if r.definition.of == "groups" and r.by
    )


def gate_evidence(
    capability: Capability, built: Built, measured: Evaluation | None, champion: str
) -> tuple[Evidence, ...]:
    """What the gate's requirements ask for. A comparison with somebody who is not there is left out."""
    release = built.manifest.digest
    if measured is None:
        return (Evidence(requirement=capability.gate[0], release=release, source="gate", problems=built.problems),)
    there = [r for r in capability.gate if not r.than or r.than in measured.comparators]
    names = {"champion": champion, "fallback": FALLBACK}
    return evidence(measured, there, release=release, comparators=names, problems=built.problems)


def policy_without_promise(capability: Capability, answers: Scored | None) -> Selection | None:
    """What the declared threshold does on the gate's rows, for people; None where there is nothing to say."""
    if answers is None:
        return None
    return select(
        None,
        task=capability.task.kind,
        scores=answers.scores,
        labels=answers.rows.y,
        blocks=answers.rows.blocks.tolist(),
        abstain_below=capability.answer.abstain_below,
    )


def _scores(manifest: Manifest, X: NDArray[np.float32], yard: Yard) -> NDArray[np.float64]:
    return open_model(manifest, yard.objects, yard.trust)[0].predict(X)


def _champion_scores(
    capability: Capability, champion: str, built: Built, yard: Yard, timelines: Timelines
) -> NDArray[np.float64]:
    """The champion's answers to the same questions, from its own features as they were known then."""
    manifest = yard.catalog.release(capability.name, champion).manifest
    schema = FeatureSchema.from_plain(manifest.settings["schema"])
    if schema == built.schema:
        assert built.gate is not None
        return _scores(manifest, built.gate.X, yard)
    lines = timelines.for_schema(schema, capability.known_views, built.taken)
    rows = matrix_of(capability, schema, built.parts.gate, lines)
    return _scores(manifest, rows.X, yard)
