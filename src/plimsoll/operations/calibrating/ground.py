"""The ground that releases are tried on: recorded questions, split at a time as a release of that day would have had them.

Everything before the start is for training and the gate, by the capability's own split; what came after is the traffic of
the rollout. Known times keep the future out of every row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.errors import UsageError
from plimsoll.features import FeatureSchema, TrainingSet
from plimsoll.kernel.manifest import Manifest
from plimsoll.models import PythonEngine, open_model
from plimsoll.operations.bench import Parts, Questions, Timelines, matrix_of, questions_of, split
from plimsoll.operations.building import packed, signed
from plimsoll.operations.intake import Taken, take_in
from plimsoll.operations.yard import Yard
from plimsoll.serving import position

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]
LEAST_TRAINING = 14
"""Blocks to train on at the earliest start."""
WATCHED = 14
"""Blocks that a release which went live is watched for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Every recorded question of a capability, with the rows that its features are made from."""

    capability: Capability
    yard: Yard
    questions: Questions
    taken: Mapping[str, Taken]
    timelines: Timelines

    def matrix(self, schema: FeatureSchema, questions: Questions) -> TrainingSet:
        """The features of ``questions``, each as of its time."""
        lines = self.timelines.for_schema(schema, self.capability.known_views, self.taken)
        return matrix_of(self.capability, schema, questions, lines)


def recorded(capability: Capability, yard: Yard) -> Recorded:
    """All rows that have arrived by the yard's clock, taken in as a release takes them. Raises Refused for a broken
    contract."""
    if capability.influences_outcome:
        raise UsageError(
            f"{capability.name}: its answers change what happens, and recorded rows turned out as they did, mutants or not",
            hint="how long two arms of a canary take to part: plimsoll plan",
        )
    if capability.task.group:
        raise UsageError(
            f"{capability.name}: mutants are made of what single rows are worth, and a ranking's have an order only"
        )
    taken = take_in(capability, yard)
    arrives = capability.source.arrives_at
    questions = questions_of(capability, taken[capability.source.name], [arrives] if arrives else [])
    return Recorded(capability=capability, yard=yard, questions=questions, taken=taken, timelines=Timelines())


def starts(capability: Capability, questions: Questions, count: int) -> list[datetime]:
    """``count`` times, evenly over the recorded blocks, from which a release has rows to train on behind it and a rollout
    before it. Raises UsageError where the rows are too few for one."""
    ends = _ends(questions)
    asked = [s.blocks for s in capability.trial_stages]
    before = capability.split.gate_blocks + LEAST_TRAINING + _maturing(capability)
    after = sum(asked) + WATCHED
    if len(ends) < before + sum(asked) + 1:
        raise UsageError(
            f"{capability.name}: {len(ends)} recorded blocks are too few to try a release on: {before} come before its start "
            f"and {sum(asked)} are what its rollout asks for",
            hint="wait for more rows, or lower Split(gate_blocks=…) or the stages' blocks",
        )
    last = len(ends) - after if len(ends) - after >= before else len(ends) - sum(asked) - 1
    places = np.unique(np.linspace(before, last, count).round().astype(int))
    return [ends[place - 1] for place in places.tolist()]


def _ends(questions: Questions) -> list[datetime]:
    """The end of each block, in order of time."""
    _, codes = np.unique(questions.blocks, return_inverse=True)
    last = np.full(int(codes.max()) + 1, np.datetime64("1970-01-01", "us"))
    np.maximum.at(last, codes.reshape(-1), questions.asked_at)
    return [datetime.fromtimestamp(int(at.astype(np.int64)) / 1e6, UTC) for at in np.sort(last)]


def _maturing(capability: Capability) -> int:
    """Blocks whose labels are not due at a start."""
    length = capability.source.block_length
    return 2 if length is None else int(capability.maturity / length) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One start: what a release of that day is trained on, judged on, and answers then. ``after`` has the rows of the
    rollout, ``label_at_us`` when each one's outcome became known, ``places`` where each unit stands on the line of traffic."""

    recorded: Recorded
    start: datetime
    schema: FeatureSchema
    parts: Parts
    train: TrainingSet
    gate: TrainingSet
    after: TrainingSet
    asked_us: NDArray[np.int64]
    label_at_us: NDArray[np.int64]
    units: Sequence[str]
    places: Floats
    columns: Mapping[str, NDArray[Any]]
    zero: Mapping[str, Floats]  # part ("gate", "after") → the fallback's answers; empty without one

    @property
    def capability(self) -> Capability:
        return self.recorded.capability


def ground(recorded: Recorded, start: datetime, *, blocks: int) -> Ground:
    """The ground at ``start``, with at most ``blocks`` blocks after it."""
    capability = recorded.capability
    parts = split(capability, recorded.questions, start)
    schema = FeatureSchema.of(capability.features, bindings=capability.bindings).fit(parts.train.columns)
    after = _later(recorded.questions, start, blocks)
    sets = {
        name: recorded.matrix(schema, q)
        for name, q in {"train": parts.train, "gate": parts.gate, "after": after}.items()
    }
    s = capability.source
    asked = after.asked_at.astype(np.int64)
    known = after.columns[s.arrives_at].astype("datetime64[us]").astype(np.int64) if s.arrives_at else asked
    units = [str(u) for u in after.columns[s.unit]]
    sticky = [str(u) for u in after.columns[s.sticky]] if s.sticky else units
    zero = {}
    if capability.fallback is not None:
        engine = PythonEngine(capability.fallback, task=capability.task.kind)
        zero = {"gate": engine.predict(parts.gate.columns), "after": engine.predict(after.columns)}
    return Ground(
        recorded=recorded,
        start=start,
        schema=schema,
        parts=parts,
        train=sets["train"],
        gate=sets["gate"],
        after=sets["after"],
        asked_us=asked,
        label_at_us=known,
        units=units,
        places=np.array([position(capability.name, unit) for unit in sticky]),
        columns=after.columns,
        zero=zero,
    )


def _later(questions: Questions, start: datetime, blocks: int) -> Questions:
    """The questions of the next ``blocks`` blocks that begin after ``start``."""
    limit = np.datetime64(start.astimezone(UTC).replace(tzinfo=None), "us")
    _, first, codes = np.unique(questions.blocks, return_index=True, return_inverse=True)
    begins = questions.asked_at[first]
    later = [int(c) for c in np.argsort(begins, kind="stable") if begins[c] > limit][:blocks]
    return questions.take(np.isin(codes.reshape(-1), later))


class Scorer:
    """A trained and packed release: what its engine says of any rows of the ground's schema. ``training``: what it learns
    from; None where the capability brings its model."""

    def __init__(self, at: Ground, capability: Capability, training: TrainingSet | None) -> None:
        yard = at.recorded.yard
        made = packed(capability, yard, at.schema, training, at.gate)
        manifest = Manifest(
            capability=capability.name,
            artifacts=made["artifacts"],
            settings={"seed": capability.seed, "at": str(at.start)},
        )
        self._engine, _ = open_model(signed(manifest, yard), yard.objects, yard.trust)

    def __call__(self, rows: Matrix) -> Floats:
        return np.asarray(self._engine.predict(np.ascontiguousarray(rows, dtype=np.float32)), dtype=np.float64)


def span_of(capability: Capability) -> int:
    """The blocks after a start that a trial may take: every stage to its deadline, and the watch after it."""
    return sum(s.deadline_blocks for s in capability.trial_stages) + WATCHED


def block_time(capability: Capability) -> timedelta:
    """How long one block is; a day where a column names them."""
    return capability.source.block_length or timedelta(days=1)
