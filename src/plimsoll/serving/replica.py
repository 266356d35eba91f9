"""What this process has loaded: a release's engine, its features and its policy, ready to answer.

A release becomes ready only if it reproduces its golden answers here. One that does not is left out with a reason,
and the ones that were loaded before go on answering.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.errors import PlimsollError, Refused, Unavailable, UsageError
from plimsoll.features import Ages, FeatureSchema, Freshness, OnlineJoin
from plimsoll.kernel.digest import short
from plimsoll.kernel.ports import Objects, OnlineFeatures, ReleaseRow
from plimsoll.kernel.promise import AnswerRule
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment, beside, shares
from plimsoll.models import (
    UNMEASURED,
    Engine,
    Guarded,
    PythonEngine,
    Warmth,
    check_golden,
    golden_rows,
    open_model,
    resident_bytes,
    warmed,
)
from plimsoll.serving.batch import Batch, Columns
from plimsoll.serving.drill import NO_DRILL, Drill, drill_of
from plimsoll.serving.hold import Growth, Hold, Spare
from plimsoll.store import Trust

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


class PackedRows(msgspec.Struct, frozen=True):
    """Rows that came as the bytes of their matrix, a row each."""

    each: Sequence[bytes]


class Size(NamedTuple):
    """What a release takes: the bytes of its model as stored, and by how much the process grew when it was loaded
    (at least 0; what was free already shows as nothing)."""

    model_bytes: int
    resident_bytes: int


NO_SIZE = Size(0, 0)


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
    size: Size = NO_SIZE

    @property
    def failing(self) -> str:
        """Why it is not asked now; ``""`` while all is well."""
        return self.engine.failing if isinstance(self.engine, Guarded) else ""

    @property
    def inline(self) -> bool:
        return self.warmth.inline and not self.join.far

    @property
    def most_together(self) -> int:
        return self.warmth.most_together

    def see(self, batch: Batch, ages: list[Ages] | None = None) -> Matrix | PackedRows:
        if batch.packed and batch.columns == self.join.numbers and not self.join.looks_up:
            return PackedRows(batch.packed)
        own = self._own(batch)
        if own is not None and not self.join.looks_up:
            return np.ascontiguousarray(own)
        if len(batch) == 1:  # the same bits, without the cost of columns
            return self.join.row(batch.inputs[0], batch.asked_at_us[0], ages, own).reshape(1, -1)
        return self.join.rows(batch.inputs, batch.asked_at_us, ages, own)

    def _own(self, batch: Batch) -> Matrix | None:
        """The questions' own features where they are the first of the numbers that came packed."""
        numbers = self.join.numbers
        if not (batch.packed and numbers and batch.columns[: len(numbers)] == numbers):
            return None
        sent = np.frombuffer(b"".join(batch.packed), np.float32).reshape(len(batch), -1)
        return sent[:, : len(numbers)]

    def predict(self, seen: Matrix | PackedRows) -> Scores:
        if isinstance(seen, PackedRows):
            seen = np.frombuffer(b"".join(seen.each), np.float32).reshape(len(seen.each), -1)
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


MOST_REFUSED = 64
"""Releases whose refusal is remembered; of those that nobody needs the oldest go."""
MOST_STUCK = 4
"""Threads of unloaded models that never came back. Each keeps its model's memory; with more the process is not sound."""


class Loader:
    """A release's row → the release, ready to answer; or why it is not."""

    def __init__(
        self,
        capability: Capability,
        objects: Objects,
        online: OnlineFeatures,
        *,
        drills: bool,
        measure: bool,
        trust: Trust | None,
        limit_s: float,
    ) -> None:
        self._capability = capability
        self._objects = objects
        self._online = online
        self._drills = drills
        self._measure = measure
        self._trust = trust
        self._limit_s = limit_s
        self._closed: list[Guarded] = []

    def load(self, row: ReleaseRow) -> LoadedRelease:
        """Raises Refused or UsageError with what is wrong with it, Damaged for bytes that are not what they were."""
        drill = drill_of(row.manifest.settings)
        if drill != NO_DRILL and not self._drills:
            raise Refused("its manifest has a drill (faults on purpose); drills run in rehearsals only")
        before = resident_bytes()
        opened, model_bytes = open_model(row.manifest, self._objects, self._trust)
        engine = opened if opened.native else self._guarded(opened)
        golden = self._objects.get(_artifact(row, "golden"))
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
            size=Size(model_bytes, max(0, resident_bytes() - before)),
        )

    def closing(self, release: LoadedRelease) -> None:
        """It is not in the standing any more: its thread ends with what it is doing, if it ever does."""
        if isinstance(release.engine, Guarded):
            release.engine.close()
            self._closed.append(release.engine)

    def _guarded(self, engine: Engine) -> Guarded:
        self._closed = [closed for closed in self._closed if closed.busy]
        if len(self._closed) >= MOST_STUCK:
            raise Refused(
                f"{len(self._closed)} models that were unloaded hang in their threads still; no other is begun here",
                hint="restart this process: Python cannot end a thread that hangs",
            )
        return Guarded(engine, limit_s=self._limit_s)


class Fleet:
    """The releases of one capability that are loaded here. Changed as a whole, so that readers need no lock.

    ``ensure`` loads what the deployment needs. Beside those stand the ones that somebody asked for (``load``, or a
    question to a version by its name): they are unloaded by ``unload``, or by the hold where memory runs short.
    """

    def __init__(
        self,
        capability: Capability,
        objects: Objects,
        online: OnlineFeatures,
        *,
        drills: bool = False,
        measure: bool = False,
        trust: Trust | None = None,
        hold: Hold | None = None,
        limit_s: float = 1.0,
    ) -> None:
        """``measure``: find out what each release costs here as it is loaded (80 ms). A rehearsal must not: its
        machine would show. ``trust``: whose code is run; without it none is. ``hold``: the memory of the process,
        shared by its fleets. ``limit_s``: how long a model that may not end is waited for.
        """
        self._capability = capability
        self._loader = Loader(capability, objects, online, drills=drills, measure=measure, trust=trust, limit_s=limit_s)
        self.hold = hold or Hold()
        self.hold.join(self)
        self._changing = threading.Lock()  # held by who changes the standing; readers never wait
        self._needed: frozenset[str] = frozenset()
        self._asked: dict[str, float] = {}  # loaded because somebody asked → when it was last used
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

    @property
    def failing(self) -> dict[str, str]:
        """The loaded releases that hang, with what is known of it."""
        return {name: why for name, release in self._releases().items() if (why := release.failing)}

    @property
    def sizes(self) -> dict[str, Size]:
        """What each loaded release takes."""
        return {name: release.size for name, release in self._releases().items()}

    @property
    def asked(self) -> int:
        """How many are loaded only because somebody asked for them."""
        return sum(name not in self._needed for name in tuple(self._asked))

    def freshness(self) -> dict[str, Freshness]:
        """How old the rows of each view are that the loaded releases look up, and how many were too old."""
        joins = [release.join for release in self._releases().values()]
        return {view: seen for join in joins for view, seen in join.freshness.items()}

    def ensure(self, rows: Sequence[ReleaseRow]) -> dict[str, str]:
        """Load what is missing of ``rows``, and unload what was needed before and is not among them. Returns digest →
        why it is not ready.

        A release already loaded is not loaded again; one that was refused is tried again. Costs a session and a
        golden check (tens of milliseconds) a new release; call it off the event loop.
        """
        with self._changing:
            self._needed = frozenset(row.digest for row in rows)
            kept = {n: r for n, r in self.loaded.items() if n == FALLBACK or n in self._asked}
            refused: dict[str, str] = {}
            for row in rows:
                try:
                    kept[row.digest] = self.loaded.get(row.digest) or self._loader.load(row)
                except PlimsollError as error:
                    refused[row.digest] = error.message
                    _log.warning("release %s is not ready: %s", short(row.digest), error.message)
            self._stand(kept, refused)
        self.hold.make_room()
        return refused

    def load(self, row: ReleaseRow) -> Loaded:
        """``row`` loaded, and its use noted: for a question to a version by name, and for who asks to have it ready.

        Off the event loop. What the deployment needs does not wait for it. Raises what keeps it from being ready, and
        Unavailable where there is no room for it.
        """
        made = None if row.digest in self.loaded else self._loaded_beside(row)
        with self._changing:
            release = self.loaded.get(row.digest)
            if release is None:
                release = made or self._loader.load(row)  # it was unloaded since we looked
                refused = {n: why for n, why in self.refused.items() if n != row.digest}
                self._stand({**self.loaded, row.digest: release}, refused)
            elif made is not None and made is not release:  # somebody else was faster
                self._loader.closing(made)
            if row.digest not in self._needed or row.digest in self._asked:
                self._asked[row.digest] = time.monotonic()
        if not self.hold.make_room(keep=row.digest) and row.digest not in self._needed:
            self._drop(row.digest)
            raise Unavailable(
                f"{short(row.digest)} does not fit: {self.hold.over}",
                hint="raise the setting server.memory_limit_mb, or ask for fewer releases at once",
                retry_after_s=30.0,
            )
        return release

    def asked_for(self, digest: str) -> Loaded | None:
        """The release, if it is loaded; its use is noted."""
        release = None if digest == FALLBACK else self.loaded.get(digest)
        if release is not None and digest in self._asked:
            self._asked[digest] = time.monotonic()
        return release

    def _loaded_beside(self, row: ReleaseRow) -> LoadedRelease:
        """Loaded and not standing yet. What keeps it from that is said in the standing."""
        try:
            return self._loader.load(row)
        except PlimsollError as error:
            with self._changing:
                known = {n: why for n, why in self.refused.items() if n != row.digest}
                while len(known) >= MOST_REFUSED:
                    del known[next(iter(known))]
                self._stand(dict(self.loaded), known | {row.digest: error.message})
            raise

    def unload(self, digest: str) -> bool:
        """Whether it was loaded. Questions that have it go on. Raises Refused for one that the deployment needs."""
        with self._changing:
            if digest in self._needed:
                raise Refused(
                    f"{short(digest)} is needed by the deployment: it answers, is asked beside, or may come back",
                    hint="end that first: plimsoll rollback, or plimsoll rollout abort",
                )
        return self._drop(digest)

    def spare(self) -> list[Spare]:
        """What the hold may unload."""
        names = [name for name in tuple(self._asked) if name not in self._needed]
        return [Spare(self._asked.get(name, 0.0), name, partial(self._drop, name)) for name in names]

    def growth(self) -> list[Growth]:
        """By how much the process grew while each release answered, of those where it is watched."""
        return [Growth(r.engine.grown_bytes, n) for n, r in self._releases().items() if isinstance(r.engine, Guarded)]

    def _drop(self, digest: str) -> bool:
        with self._changing:
            self._asked.pop(digest, None)
            if digest in self._needed or digest not in self.loaded:
                return False
            self._stand({n: r for n, r in self.loaded.items() if n != digest}, dict(self.refused))
            return True

    def _stand(self, loaded: dict[str, Loaded], refused: dict[str, str]) -> None:
        """The new standing; what is in it no longer may end its thread. Under ``_changing``."""
        gone = [r for n, r in self._releases().items() if n not in loaded]
        self._standing = Standing(MappingProxyType(loaded), MappingProxyType(refused))
        for release in gone:
            self._loader.closing(release)

    def _releases(self) -> dict[str, LoadedRelease]:
        return {n: r for n, r in self.loaded.items() if isinstance(r, LoadedRelease)}


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
