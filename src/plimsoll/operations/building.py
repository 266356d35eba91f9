"""Snapshots become a model: questions split by time, features joined as of each question, trained, packed, named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from plimsoll.capability import Capability
from plimsoll.errors import Refused, UsageError
from plimsoll.evaluation import Selection, select
from plimsoll.features import FeatureSchema, TrainingSet
from plimsoll.kernel.digest import canonical, digest_bytes
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.promise import AnswerRule
from plimsoll.models import code_model, is_code, open_engine, package
from plimsoll.operations.bench import Parts, Questions, Timelines, matrix_of, questions_of, split
from plimsoll.operations.gold.intake import Cases, take_gold
from plimsoll.operations.intake import Taken, take_in
from plimsoll.operations.leakage import known_in_time, leakage
from plimsoll.operations.suspicion import suspicion
from plimsoll.operations.yard import Yard
from plimsoll.training import code_digest, environment, step, train


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A release before it is judged: its manifest, and what its gate set looks like to it.

    ``selection``: how its answer policy came to its threshold, where it promises something. ``warnings`` are for people,
    and ``checks`` say what was looked for, and what came of it."""

    manifest: Manifest
    schema: FeatureSchema
    parts: Parts
    gate: TrainingSet | None
    problems: tuple[str, ...]
    taken: Mapping[str, Taken]
    selection: Selection | None = None
    warnings: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    gold: tuple[Cases, ...] = ()


def build(capability: Capability, yard: Yard, timelines: Timelines) -> Built:
    """The manifest of ``capability`` on the rows that have arrived; trained unless it was trained before.

    Where a feature was not known when its question was asked, nothing is trained: the problems say why.
    """
    taken = take_in(capability, yard)
    questions = questions_of(capability, taken[capability.source.name])
    parts = split(capability, questions, yard.clock.now())
    declared = FeatureSchema.of(capability.features, bindings=capability.bindings)
    problems = leakage(capability, declared, taken, timelines, parts.gate, yard.folder)
    schema = declared.fit(parts.train.columns)
    gold = take_gold(capability, schema, yard)
    settings = _settings(capability, schema, parts, gold)
    snapshots = {name: t.snapshot.digest for name, t in taken.items()}
    code = code_of(capability)
    base = Manifest(
        capability=capability.name,
        artifacts={"code": yard.objects.put(canonical(code))},
        snapshots=snapshots,
        settings=settings,
    )
    if problems:
        return Built(manifest=base, schema=schema, parts=parts, gate=None, problems=problems, taken=taken)
    yard.say(f"joining {len(parts.train) + len(parts.gate):,} questions with what was known when each was asked")
    lines = timelines.for_schema(schema, capability.known_views, taken)
    gate = matrix_of(capability, schema, parts.gate, lines)
    doubt = suspicion(capability, schema, parts, gate)
    checks = (known_in_time(schema), *doubt.checks)
    for warning in doubt.warnings:
        yard.say(f"warning: {warning}")
    if doubt.problems:
        return Built(
            manifest=base,
            schema=schema,
            parts=parts,
            gate=None,
            problems=doubt.problems,
            taken=taken,
            checks=checks,
        )
    work = partial(trained, capability, yard, schema, parts, lines, gate)
    run = step(
        yard.catalog,
        yard.objects,
        name="train",
        inputs={
            "snapshots": snapshots,
            "settings": {k: settings[k] for k in ("schema", "task", "params", "seed", "split")},
            "code": code,
            "environment": environment()["digest"],
        },
        work=work,
        clock=yard.clock,
    )
    artifacts = {**base.artifacts, **run.outputs["artifacts"]}
    selection = _selected(capability, yard, artifacts["model"], gate)
    rule = _ruled(capability, selection)
    manifest = msgspec.structs.replace(base, artifacts=artifacts, settings={**settings, "answer": rule.to_plain()})
    return Built(
        manifest=signed(manifest, yard),
        schema=schema,
        parts=parts,
        gate=gate,
        problems=_promised(selection),
        taken=taken,
        selection=selection,
        warnings=doubt.warnings,
        checks=checks,
        gold=gold,
    )


def signed(manifest: Manifest, yard: Yard) -> Manifest:
    """Signed where its model is code; nothing else needs it, and an unsigned one is the same for everybody."""
    if not is_code(yard.objects.get(manifest.artifacts["model"])):
        return manifest
    if yard.trust is None:
        raise Refused(f"{manifest.capability}: its model is code (a Python class), and code is not released here")
    return yard.trust.signed(manifest, yard.objects)


NEVER = 1.5
"""A threshold that no confidence reaches."""


def _selected(capability: Capability, yard: Yard, model: str, gate: TrainingSet) -> Selection | None:
    """The threshold of the answer policy; None where nothing is promised. The scores are those that serving gives."""
    promise = capability.answer.promise
    if promise is None:
        return None
    yard.say(f"choosing the threshold of the answer policy: {promise}")
    return select(
        promise,
        task=capability.task.kind,
        scores=open_engine(yard.objects.get(model)).predict(gate.X),
        labels=gate.y,
        blocks=gate.blocks.tolist(),
    )


def _ruled(capability: Capability, selection: Selection | None) -> AnswerRule:
    if selection is None:
        return capability.answer.rule()
    return capability.answer.rule(NEVER if selection.threshold is None else selection.threshold, selection.widths)


def _promised(selection: Selection | None) -> tuple[str, ...]:
    """A promise that cannot be kept is no release: it would answer nothing, or break its word."""
    if selection is None or selection.threshold is not None:
        return ()
    return (f"the answer policy cannot keep its promise: {selection.why}",)


def trained(
    capability: Capability, yard: Yard, schema: FeatureSchema, parts: Parts, lines: Any, gate: TrainingSet
) -> dict[str, Any]:
    """Join what is learnt from, train and pack: the outputs of the run."""
    learnt = None if capability.model else matrix_of(capability, schema, parts.train, lines).labelled()
    return packed(capability, yard, schema, learnt, gate)


def packed(
    capability: Capability, yard: Yard, schema: FeatureSchema, learnt: TrainingSet | None, gate: TrainingSet
) -> dict[str, Any]:
    """The model trained on ``learnt`` (labelled rows; None where one is given), packed and compared with itself on the
    gate's rows. Raises UsageError where there is nothing to learn from."""
    if capability.model:
        model = _given(capability)
    else:
        if learnt is None or not len(learnt):
            raise UsageError(f"{capability.name}: no question to train on has a label yet")
        yard.say(f"training on {len(learnt):,} questions, {len(schema.names)} features")
        model = train(capability.train, learnt, capability.params, capability.seed)
    yard.say(f"packing the model, and comparing it with itself on {len(gate.X):,} questions")
    made = package(
        model,
        names=schema.names,
        task=capability.task.kind,
        sample=gate.X,
        classes=capability.task.classes or None,
    )
    if made.note:
        yard.say(made.note)
    artifacts = {
        "model": yard.objects.put(made.model),
        "golden": yard.objects.put(made.golden),
        "environment": yard.objects.put(canonical(environment())),
    }
    return {"artifacts": artifacts, "parity": made.parity, "kind": made.kind, "note": made.note}


def _given(capability: Capability) -> Any:
    """The model that the capability names: a file, or ``FILE.py:Class``."""
    file, _, name = capability.model.partition(":")
    path = capability.folder / file
    if not path.is_file():
        raise UsageError(f"{capability.name}: model={capability.model!r}: there is no such file in {capability.folder}")
    return code_model(path, name) if path.suffix == ".py" else path


def _settings(capability: Capability, schema: FeatureSchema, parts: Parts, gold: tuple[Cases, ...]) -> dict[str, Any]:
    """Everything but bytes and rows that can change an answer, and what it will be judged by."""
    return {
        "schema": schema.to_plain(),
        "task": {
            "kind": capability.task.kind,
            "label": capability.task.label,
            "classes": list(capability.task.classes),
            **({"group": capability.task.group} if capability.task.group else {}),
        },
        "params": dict(capability.params),
        "seed": capability.seed,
        "answer": capability.answer.rule().to_plain(),
        "fallback": code_digest(capability.fallback) if capability.fallback else "",
        "split": {"train": _span(parts.train), "gate": _span(parts.gate)},
        "gate": [str(r) for r in capability.gate],
        **({"suite": _asks(capability, gold)} if capability.suite else {}),
        "keep": [str(r) for r in capability.keep],
        **({"drill": dict(capability.drill)} if capability.drill else {}),
        **({"influences_outcome": True} if capability.influences_outcome else {}),
    }


def _asks(capability: Capability, gold: tuple[Cases, ...]) -> dict[str, Any]:
    """By name: the digest of what is asked; of a golden set that of its cases, too."""
    asks: dict[str, Any] = {asked.name: asked.digest for asked in capability.suite}
    return asks | {c.asked.name: {"asks": c.asked.digest, "cases": c.snapshot.digest} for c in gold}


def _span(questions: Questions) -> list[str]:
    return [str(questions.blocks[0]), str(questions.blocks[-1])] if len(questions) else []


def code_of(capability: Capability) -> dict[str, str]:
    """The digests of the code that made it: the train function's file, and each view's."""
    code = {f"view {v.name}": v.digest for v in capability.views}
    if capability.train is not None:
        code["train"] = code_digest(capability.train)
    if capability.model:
        code["model"] = _model_digest(capability)
    return code


def _model_digest(capability: Capability) -> str:
    """Of the file, or of everything that a class is made of; "" where it is not there."""
    path = capability.folder / capability.model.partition(":")[0]
    if not path.is_file():
        return ""
    return digest_bytes(_given(capability).to_bytes() if path.suffix == ".py" else path.read_bytes())
