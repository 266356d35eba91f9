"""What this process has loaded: a release's engine, its features and its policy, ready to answer.

A release becomes ready only if it reproduces its golden answers here. One that does not is left out with a reason,
and the ones that were loaded before go on answering.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.errors import PlimsollError, Refused, UsageError
from plimsoll.features import Ages, FeatureSchema, Freshness, OnlineJoin
from plimsoll.kernel.digest import short
from plimsoll.kernel.ports import Objects, OnlineFeatures, ReleaseRow
from plimsoll.kernel.promise import AnswerRule
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment, beside, shares
from plimsoll.models import (
    UNMEASURED,
    Engine,
    PythonEngine,
    Warmth,
    check_golden,
    golden_rows,
    is_code,
    open_engine,
    warmed,
)
from plimsoll.serving.batch import Batch, Columns
from plimsoll.serving.drill import NO_DRILL, Drill, drill_of

_log = logging.getLogger(__name__)

PLAIN_RULE = AnswerRule()
Matrix = NDArray[np.float32]
Scores = NDArray[np.float64]


class Loaded(Protocol):
    """Something that answers: a release, or the declared fallback."""

    @property
    def release(self) -> str:
        """Its digest, or FALLBACK."""
        ...

    @property
    def schema_key(self) -> str:
        """Two with the same key see the same features; ``""`` for one that has none."""
        ...

    @property
    def schema(self) -> FeatureSchema:
        """The features that it sees; an empty one for one that has none."""
        ...

    @property
    def rule(self) -> AnswerRule:
        """What is done with its scores."""
        ...

    @property
    def drill(self) -> Drill: ...

    @property
    def inline(self) -> bool:
        """Whether a turn of at most ``most_together`` may be answered in the event loop's own thread: measured here,
        never guessed; False where nothing was measured."""
        ...

    @property
    def most_together(self) -> int:
        """How many questions it is worth to answer in one call; 1 where more do not get cheaper."""
        ...

    def see(self, batch: Batch, ages: list[Ages] | None = None) -> Any:
        """What it predicts from. ``ages`` gets one entry a question, if it looks anything up."""
        ...

    def predict(self, seen: Any) -> Scores:
        """One score a question, or one row of them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRelease:
    """A release whose engine has reproduced its golden answers in this process."""

    release: str
    schema: FeatureSchema
    schema_key: str
    engine: Engine
    join: OnlineJoin
    rule: AnswerRule = PLAIN_RULE
    drill: Drill = NO_DRILL
    warmth: Warmth = UNMEASURED

    @property
    def inline(self) -> bool:
        return self.warmth.inline

    @property
    def most_together(self) -> int:
        return self.warmth.most_together

    def see(self, batch: Batch, ages: list[Ages] | None = None) -> Matrix:
        if batch.packed and batch.columns == self.join.numbers:
            return np.frombuffer(b"".join(batch.packed), np.float32).reshape(len(batch), -1)
        if len(batch) == 1:  # the same bits, without the cost of columns
            return self.join.row(batch.inputs[0], batch.asked_at_us[0], ages).reshape(1, -1)
        return self.join.rows(batch.inputs, batch.asked_at_us, ages)

    def predict(self, seen: Matrix) -> Scores:
        return self.engine.predict(seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseZero:
    """The capability's declared fallback: a function of the question's columns, and of nothing else."""

    engine: PythonEngine
    release: str = FALLBACK
    schema: FeatureSchema = field(default=FeatureSchema())
    schema_key: str = ""
    rule: AnswerRule = PLAIN_RULE
    drill: Drill = field(default=NO_DRILL)
    inline: bool = False  # a user's function: nobody can promise that it ends soon
    most_together: int = UNMEASURED.most_together

    def see(self, batch: Batch, ages: list[Ages] | None = None) -> Columns:
        return Columns(batch.inputs)

    def predict(self, seen: Columns) -> Scores:
        return self.engine.predict(seen)


class Standing(NamedTuple):
    """What is loaded at one moment, and what is not and why. It never changes: a new standing replaces it."""

    loaded: Mapping[str, Loaded]
    refused: Mapping[str, str]

    def knows(self, name: str) -> bool:
        """Whether ``name`` can be asked, or is refused. Neither: it was unloaded, and that is no error of its own."""
        return name in self.loaded or name in self.refused

    def why_not(self, name: str) -> str:
        return f"not ready: {self.refused.get(name, f'{short(name)} is not loaded here')}"[:200]


class Fleet:
    """The releases of one capability that are loaded here. Changed as a whole, so that readers need no lock."""

    def __init__(
        self,
        capability: Capability,
        objects: Objects,
        online: OnlineFeatures,
        *,
        drills: bool = False,
        measure: bool = False,
    ) -> None:
        """``measure``: find out what each release costs here as it is loaded (150 ms). A rehearsal must not: its
        machine would show."""
        self._capability = capability
        self._objects = objects
        self._online = online
        self._drills = drills
        self._measure = measure
        zero = capability.fallback and ReleaseZero(engine=PythonEngine(capability.fallback, task=capability.task.kind))
        self._standing = Standing(MappingProxyType({FALLBACK: zero} if zero else {}), MappingProxyType({}))

    @property
    def standing(self) -> Standing:
        """What is loaded and refused now, as one: take it once a batch."""
        return self._standing

    @property
    def loaded(self) -> Mapping[str, Loaded]:
        """By digest; with the fallback, where one is declared, under FALLBACK."""
        return self._standing.loaded

    @property
    def refused(self) -> Mapping[str, str]:
        """The releases that were asked for and are not ready here, with the reason."""
        return self._standing.refused

    def freshness(self) -> dict[str, Freshness]:
        """How old the rows of each view are that the loaded releases look up, and how many were too old."""
        joins = [loaded.join for loaded in self.loaded.values() if isinstance(loaded, LoadedRelease)]
        return {view: seen for join in joins for view, seen in join.freshness.items()}

    def ensure(self, rows: Sequence[ReleaseRow]) -> dict[str, str]:
        """Load what is missing of ``rows`` and unload every other release. Returns digest → why it is not ready.

        A release already loaded is not loaded again; one that was refused is tried again. Costs a session and a
        golden check (tens of milliseconds) a new release.
        """
        loaded: dict[str, Loaded] = {n: r for n, r in self.loaded.items() if n == FALLBACK}
        refused: dict[str, str] = {}
        for row in rows:
            try:
                loaded[row.digest] = self.loaded.get(row.digest) or self._load(row)
            except PlimsollError as error:
                refused[row.digest] = error.message
                _log.warning("release %s is not ready: %s", short(row.digest), error.message)
        self._standing = Standing(MappingProxyType(loaded), MappingProxyType(refused))
        return refused

    def _load(self, row: ReleaseRow) -> LoadedRelease:
        settings = row.manifest.settings
        drill = drill_of(settings)
        if drill != NO_DRILL and not self._drills:
            raise Refused("its manifest has a drill (faults on purpose); drills run in rehearsals only")
        model, golden = (self._objects.get(_artifact(row, role)) for role in ("model", "golden"))
        if is_code(model):
            raise Refused("its model is code (a Python class), and nobody who is trusted has signed it")
        engine = open_engine(model)
        if difference := check_golden(engine, golden):
            raise Refused(f"it does not reproduce its golden answers here: {difference}")
        warmth = warmed(engine, golden_rows(golden)) if self._measure else UNMEASURED
        schema = _schema(row)
        return LoadedRelease(
            release=row.digest,
            schema=schema,
            schema_key=schema.digest,
            engine=engine,
            join=OnlineJoin(schema, self._online),
            rule=_rule(row, self._capability),
            warmth=warmth,
            drill=drill,
        )


def needed(deployment: Deployment) -> tuple[str, ...]:
    """The releases that must be loaded for this deployment: who serves, who answers beside, who may come back."""
    names = [*shares(deployment), *beside(deployment)]
    names += [name for name in (deployment.predecessor,) if name]
    return tuple(n for n in dict.fromkeys(names) if n != FALLBACK)


def _artifact(row: ReleaseRow, role: str) -> str:
    found = row.manifest.artifacts.get(role)
    if found is None:
        raise UsageError(f"its manifest names no {role!r} among its artifacts")
    return found


def _schema(row: ReleaseRow) -> FeatureSchema:
    found = row.manifest.settings.get("schema")
    if found is None:
        raise UsageError("its manifest has no feature schema in its settings")
    try:
        return FeatureSchema.from_plain(found)
    except msgspec.ValidationError as error:
        raise UsageError(f"its feature schema cannot be read: {error}") from error


def _rule(row: ReleaseRow, capability: Capability) -> AnswerRule:
    """What the release was judged with; an older manifest without it follows the declaration."""
    found = row.manifest.settings.get("answer")
    if found is None:
        return capability.answer.rule()
    try:
        return AnswerRule.from_plain(found)
    except msgspec.ValidationError as error:
        raise UsageError(f"its answer policy cannot be read: {error}") from error
