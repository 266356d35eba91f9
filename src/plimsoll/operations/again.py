"""A release's rows as they were when it was built: its snapshots, its split, its features, with today's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from plimsoll.capability import Capability
from plimsoll.data import Snapshots
from plimsoll.errors import UsageError
from plimsoll.features import FeatureSchema, Timeline, TrainingSet
from plimsoll.kernel.digest import short
from plimsoll.kernel.manifest import Manifest
from plimsoll.operations.bench import Parts, Questions, Timelines, matrix_of, questions_of
from plimsoll.operations.intake import Taken, contract_of
from plimsoll.operations.yard import Yard


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """``capability`` has the release's parameters and seed; ``gate`` is the joined gate set of ``parts``."""

    capability: Capability
    taken: Mapping[str, Taken]
    parts: Parts
    schema: FeatureSchema
    lines: Mapping[str, Timeline]
    gate: TrainingSet


def again(capability: Capability, yard: Yard, manifest: Manifest) -> Again:
    """Raises UsageError where a snapshot is gone, or a view's code has changed since."""
    settings = manifest.settings
    same = capability.variant(params=settings["params"], seed=settings["seed"])
    taken = _taken(same, yard, manifest.snapshots)
    questions = questions_of(same, taken[same.source.name])
    parts = Parts(_spanned(questions, settings["split"]["train"]), _spanned(questions, settings["split"]["gate"]))
    schema = FeatureSchema.from_plain(settings["schema"])
    lines = Timelines().for_schema(schema, same.known_views, taken)
    gate = matrix_of(same, schema, parts.gate, lines)
    return Again(capability=same, taken=taken, parts=parts, schema=schema, lines=lines, gate=gate)


def code_again(again: Again, code: dict[str, str]) -> dict[str, str]:
    """``code``, the digests of what is declared now, with the views that the release was built with, retired ones too."""
    used = {b.digest for b in again.schema.views}
    kept = {k: v for k, v in code.items() if not k.startswith("view ") or v in used}
    return kept | {f"view {v.name}": v.digest for v in again.capability.known_views if v.digest in used}


def _taken(capability: Capability, yard: Yard, snapshots: dict[str, str]) -> dict[str, Taken]:
    """The tables as they were when the release was built."""
    keeper = Snapshots(yard.objects, yard.catalog)
    found: dict[str, Taken] = {}
    for name, digest in snapshots.items():
        table = next((t for t in capability.sources if t.name == name), None)
        row = yard.catalog.snapshot(name, digest=digest)
        if table is None or row is None:
            what = f"its snapshot {short(digest)} is gone" if table else "the capability no longer declares it"
            raise UsageError(f"the release was built from the table {name!r}, but {what}")
        files = tuple(keeper.materialise(row, yard.folder / "snapshots"))
        found[name] = Taken(
            table=table, contract=contract_of(capability, table), snapshot=row, files=files, checked=None
        )
    return found


def _spanned(questions: Questions, span: list[str]) -> Questions:
    """The questions of the blocks from the first to the last of ``span``, in the order of time."""
    if not span:
        return questions.take(np.zeros(len(questions), dtype=np.bool_))
    places = np.flatnonzero(np.isin(questions.blocks, span))
    inside = np.zeros(len(questions), dtype=np.bool_)
    inside[places[0] : places[-1] + 1] = True
    return questions.take(inside)
