"""Building a release again from its manifest: the same snapshots, split, parameters and seed, through the same code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plimsoll.capability import Capability
from plimsoll.data import Snapshots
from plimsoll.errors import Refused, UsageError
from plimsoll.features import FeatureSchema
from plimsoll.kernel.digest import canonical, short
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.operations.bench import Parts, Questions, Timelines, matrix_of, questions_of
from plimsoll.operations.building import code_of, trained
from plimsoll.operations.intake import Taken, contract_of
from plimsoll.operations.yard import Yard


@dataclass(frozen=True, slots=True, kw_only=True)
class Remade:
    """What building again gave: role → digest. ``code`` differs where the code has changed since."""

    artifacts: dict[str, str]


def reproduce(capability: Capability, yard: Yard, row: ReleaseRow) -> Remade:
    """Train ``row`` again, without looking at earlier runs.

    Parameters, seed, split and schema are the manifest's; the code is today's, and its digest shows whether it is the
    same. Raises Refused for a release that was never trained, UsageError where a snapshot or a view is gone.
    """
    manifest = row.manifest
    if "model" not in manifest.artifacts:
        raise Refused(
            f"{row.label} {short(row.digest)} was refused before it was trained: there is nothing to make again"
        )
    settings = manifest.settings
    again = capability.variant(params=settings["params"], seed=settings["seed"])
    taken = _taken(again, yard, manifest.snapshots)
    questions = questions_of(again, taken[again.source.name])
    parts = Parts(_spanned(questions, settings["split"]["train"]), _spanned(questions, settings["split"]["gate"]))
    schema = FeatureSchema.from_plain(settings["schema"])
    lines = Timelines().for_schema(schema, again.known_views, taken)
    made = trained(again, yard, schema, parts, lines, matrix_of(again, schema, parts.gate, lines))
    used = {b.digest for b in schema.views}
    code = {k: v for k, v in code_of(again).items() if not k.startswith("view ") or v in used}
    code |= {f"view {v.name}": v.digest for v in again.known_views if v.digest in used}
    return Remade(artifacts={**made["artifacts"], "code": yard.objects.put(canonical(code))})


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
