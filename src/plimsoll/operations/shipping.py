"""Rows become a release: contract → snapshot → training set → run → model → measured → verdict → manifest → queue.

The same for a person's ``plimsoll release`` and for a rehearsal's team. A step whose inputs have the digests of an
earlier run is not run again, and a manifest that exists already changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from plimsoll.capability import Capability
from plimsoll.data import unknown_at_question
from plimsoll.errors import UsageError
from plimsoll.features import FeatureSchema, TrainingSet
from plimsoll.kernel.digest import canonical, digest, short
from plimsoll.kernel.enqueue import gated
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment
from plimsoll.kernel.verdict import Evidence, Verdict, judge
from plimsoll.models import OnnxEngine, PythonEngine, package
from plimsoll.operations.act import carry_out
from plimsoll.operations.bench import Parts, Questions, Timelines, matrix_of, questions_of, split
from plimsoll.operations.gate import Scores, gate_evidence
from plimsoll.operations.intake import Taken, take_in
from plimsoll.operations.yard import Yard
from plimsoll.training import code_digest, environment, step, train


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What became of a release at the gate. ``is_new`` is False where its manifest was here already."""

    release: str
    label: str
    is_new: bool
    verdict: Verdict | None
    summary: str
    deployment: Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A release before it is judged: its manifest, and what its gate set looks like to it."""

    manifest: Manifest
    schema: FeatureSchema
    parts: Parts
    gate: TrainingSet | None
    problems: tuple[str, ...]
    taken: Mapping[str, Taken]


def ship(
    capability: Capability, yard: Yard, *, label: str = "", actor: str = "release", timelines: Timelines | None = None
) -> Shipped:
    """Build, measure and judge ``capability`` as it is declared now; a passed one queues for its rollout.

    Raises Refused where a contract is broken; a gate that says no is not an exception but a verdict.
    """
    timelines = timelines or Timelines()
    built = build(capability, yard, timelines)
    release = built.manifest.digest
    label = label or f"v{len(yard.catalog.releases(capability.name)) + 1}"
    before = _deployment(capability, yard)
    row = ReleaseRow(
        digest=release,
        capability=capability.name,
        manifest=built.manifest,
        label=label,
        created_at=yard.clock.now(),
    )
    known = {r.digest: r for r in yard.catalog.releases(capability.name)}
    if release in before.states:
        state, same = before.states[release], known[release].label
        return Shipped(
            release=release,
            label=label,
            is_new=False,
            verdict=None,
            summary=f"{label} is {same} {short(release)} to the byte, which is {state.replace('_', ' ')}: nothing changes",
            deployment=before,
        )
    yard.catalog.add_release(row)
    evidence = _evidence(capability, built, before, yard, timelines)
    verdict = judge(evidence, capability.policy, yard.clock.now())
    decision = gated(before, release, verdict, evidence, label=label)
    yard.catalog.set_gate(release, msgspec.to_builtins(verdict), "")
    written = carry_out(
        decision, catalog=yard.catalog, notifier=yard.notifier, fence=None, now=yard.clock.now(), actor=actor
    )
    return Shipped(
        release=release, label=label, is_new=True, verdict=verdict, summary=decision.summary, deployment=written
    )


def _deployment(capability: Capability, yard: Yard) -> Deployment:
    found = yard.catalog.deployment(capability.name)
    return msgspec.structs.replace(found, has_fallback=capability.fallback is not None)


# ── building ──────────────────────────────────────────────────────────────────────────────────────────────────────


def build(capability: Capability, yard: Yard, timelines: Timelines) -> Built:
    """The manifest of ``capability`` on the rows that have arrived; trained unless it was trained before.

    Where a feature was not known when its question was asked, nothing is trained: the problems say why.
    """
    taken = take_in(capability, yard)
    questions = questions_of(capability, taken[capability.source.name])
    parts = split(capability, questions, yard.clock.now())
    declared = FeatureSchema.of(capability.features, bindings=capability.bindings)
    problems = _unknown(capability, declared, taken)
    schema = declared.fit(parts.train.columns)
    settings = _settings(capability, schema, parts)
    snapshots = {name: t.snapshot.digest for name, t in taken.items()}
    code = _code(capability)
    base = Manifest(
        capability=capability.name,
        artifacts={"code": yard.objects.put(canonical(code))},
        snapshots=snapshots,
        settings=settings,
    )
    if problems:
        return Built(manifest=base, schema=schema, parts=parts, gate=None, problems=problems, taken=taken)
    lines = timelines.for_schema(schema, capability.known_views, taken)
    gate = matrix_of(capability, schema, parts.gate, lines)
    work = partial(_trained, capability, yard, schema, parts, lines, gate)
    run = step(
        yard.catalog,
        yard.objects,
        name="train",
        inputs={"snapshots": snapshots, "settings": settings, "code": code, "environment": environment()["digest"]},
        work=work,
        clock=yard.clock,
    )
    manifest = msgspec.structs.replace(base, artifacts={**base.artifacts, **run.outputs["artifacts"]})
    return Built(manifest=manifest, schema=schema, parts=parts, gate=gate, problems=(), taken=taken)


def _trained(
    capability: Capability, yard: Yard, schema: FeatureSchema, parts: Parts, lines: Any, gate: TrainingSet
) -> dict[str, Any]:
    """Train and pack: the outputs of the run."""
    if capability.model:
        model: Any = capability.folder / capability.model
        if not Path(model).is_file():
            raise UsageError(
                f"{capability.name}: model={capability.model!r}: there is no such file in {capability.folder}"
            )
    else:
        learnt = matrix_of(capability, schema, parts.train, lines).labelled()
        if not len(learnt):
            raise UsageError(f"{capability.name}: none of the {len(parts.train):,} training questions has a label yet")
        model = train(capability.train, learnt, capability.params, capability.seed)
    packed = package(
        model,
        names=schema.names,
        task=capability.task.kind,
        sample=gate.X,
        classes=capability.task.classes or None,
    )
    artifacts = {
        "model": yard.objects.put(packed.onnx),
        "golden": yard.objects.put(packed.golden),
        "environment": yard.objects.put(canonical(environment())),
    }
    return {"artifacts": artifacts, "parity": packed.parity}


def _settings(capability: Capability, schema: FeatureSchema, parts: Parts) -> dict[str, Any]:
    """Everything but bytes and rows that can change an answer, and what it will be judged by."""
    return {
        "schema": schema.to_plain(),
        "task": {
            "kind": capability.task.kind,
            "label": capability.task.label,
            "classes": list(capability.task.classes),
        },
        "params": dict(capability.params),
        "seed": capability.seed,
        "answer": {"abstain_below": capability.answer.abstain_below},
        "fallback": code_digest(capability.fallback) if capability.fallback else "",
        "split": {"train": _span(parts.train), "gate": _span(parts.gate)},
        "gate": [str(r) for r in capability.gate],
        "keep": [str(r) for r in capability.keep],
        **({"drill": dict(capability.drill)} if capability.drill else {}),
    }


def _span(questions: Questions) -> list[str]:
    return [str(questions.blocks[0]), str(questions.blocks[-1])] if len(questions) else []


def _code(capability: Capability) -> dict[str, str]:
    """The digests of the code that made it: the train function's file, and each view's."""
    code = {f"view {v.name}": v.digest for v in capability.views}
    if capability.train is not None:
        code["train"] = code_digest(capability.train)
    if capability.model:
        path = capability.folder / capability.model
        code["model"] = digest(path.read_bytes().hex()) if path.is_file() else ""
    return code


def _unknown(capability: Capability, schema: FeatureSchema, taken: Mapping[str, Taken]) -> tuple[str, ...]:
    """What the declared features read that was not known when it was asked for: one sentence a column."""
    source = taken[capability.source.name]
    faults = unknown_at_question(source.files, source.contract, capability.source.asked_at, schema.columns)
    return tuple(f"leakage: {fault.sentence}" for fault in faults)


# ── judging ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _evidence(
    capability: Capability, built: Built, deployment: Deployment, yard: Yard, timelines: Timelines
) -> tuple[Evidence, ...]:
    release = built.manifest.digest
    if built.gate is None:
        return tuple(
            Evidence(requirement=r, release=release, source="gate", problems=built.problems)
            for r in capability.gate[:1]
        )
    champion = deployment.lease.release if deployment.lease else FALLBACK
    scores = {release: _scores(built.manifest, built.gate.X, yard)}
    if capability.fallback is not None:
        engine = PythonEngine(capability.fallback, task=capability.task.kind)
        scores[FALLBACK] = engine.predict(built.parts.gate.columns)
    if champion != FALLBACK:
        scores[champion] = _champion_scores(capability, champion, built, yard, timelines)
    return gate_evidence(capability.gate, built.gate, scores, release=release, champion=champion)


def _scores(manifest: Manifest, X: np.ndarray[Any, np.dtype[np.float32]], yard: Yard) -> Scores:
    return OnnxEngine(yard.objects.get(manifest.artifacts["model"])).predict(X)


def _champion_scores(capability: Capability, champion: str, built: Built, yard: Yard, timelines: Timelines) -> Scores:
    """The champion's answers to the same questions, from its own features as they were known then."""
    manifest = yard.catalog.release(capability.name, champion).manifest
    schema = FeatureSchema.from_plain(manifest.settings["schema"])
    if schema == built.schema:
        assert built.gate is not None
        return _scores(manifest, built.gate.X, yard)
    lines = timelines.for_schema(schema, capability.known_views, built.taken)
    rows = matrix_of(capability, schema, built.parts.gate, lines)
    return _scores(manifest, rows.X, yard)
