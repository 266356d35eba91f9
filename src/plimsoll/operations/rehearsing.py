"""A rehearsal: recorded traffic through the real pipeline and the real loop, under a virtual clock.

Time passes in steps (an hour). In each: the feeds deliver, questions are asked and answered, outcomes come, the loop
runs until it has nothing more to do, and the team commits what it commits. Nothing here knows how the story ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.data import ASKED_AT, Contract, check, enforce
from plimsoll.errors import UsageError
from plimsoll.features import FeatureSchema, Timeline, compile, read_columns
from plimsoll.kernel.case import Decision
from plimsoll.kernel.digest import digest_bytes
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.override import abort
from plimsoll.kernel.ports import EventLog, ReleaseRow
from plimsoll.kernel.records import Outcome, Question, Record
from plimsoll.kernel.rollout import Deployment
from plimsoll.kernel.verdict import Verdict
from plimsoll.operations.act import carry_out
from plimsoll.operations.bench import Timelines
from plimsoll.operations.intake import contract_of, literal, quoted, rows_of
from plimsoll.operations.loop import Loop
from plimsoll.operations.materialise import EPOCH, MICROSECOND, microseconds_of
from plimsoll.operations.shipping import ship
from plimsoll.operations.story.account import Told, unit_of
from plimsoll.operations.story.document import Story
from plimsoll.operations.story.wording import names_of, plainly, unchanged
from plimsoll.operations.warehouse import recompute
from plimsoll.operations.world import Candidate, FeedFault, Rehearsal
from plimsoll.operations.yard import Yard
from plimsoll.serving import Fleet, Pipeline, QuestionMaker, Recording, SeededIds, VirtualTiming, needed
from plimsoll.store import MemoryOnline


class VirtualClock:
    """A clock that somebody moves."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def move_to(self, at: datetime) -> None:
        self._at = at


Progress = Callable[[datetime, int], None]
Tell = Callable[[Told], None]


class Stage:
    """Everything that a rehearsal runs on: the capability's real parts, wired to a virtual clock."""

    def __init__(
        self, capability: Capability, plan: Rehearsal, yard: Yard, clock: VirtualClock, log: EventLog, *, seed: int
    ) -> None:
        self.capability, self.plan, self.yard, self.clock, self.log, self.seed = (
            capability,
            plan,
            yard,
            clock,
            log,
            seed,
        )
        self.timelines = Timelines()
        self.story = Story()
        self.online = MemoryOnline(history_us=int(2 * plan.step / MICROSECOND))
        self.fleet = Fleet(capability, yard.objects, self.online, drills=True, trust=yard.trust)
        contract = Contract.load(capability.folder / capability.source.contract)
        self._redacted = contract.redacted
        self.pipeline = Pipeline(
            capability=capability,
            fleet=self.fleet,
            log=log,
            timing=VirtualTiming(seed),
            recording=Recording(capability, contract, seal=lambda text: digest_bytes(f"{seed}\0{text}".encode())),
        )
        self.ask = QuestionMaker(capability, ids=SeededIds(seed))
        self._views = {v.name: v for c in self._capabilities() for v in c.known_views}
        self._tables = {t.name: t for c in self._capabilities() for t in c.sources}
        self._warehouse: dict[tuple[str, str], Timeline] = {}
        self._delivered: dict[tuple[str, str], Timeline] = {}
        self.feeding: dict[str, Timeline] = {}  # name in the online store → what its feed delivers
        self.loop = Loop(
            capability=capability,
            catalog=yard.catalog,
            log=log,
            clock=clock,
            notifier=yard.notifier,
            recompute=self.recompute,
            names=lambda release: self.schema(release).names,
            holder=f"rehearsal-{seed}",
            lease_ttl=timedelta(days=1),
        )
        self._schemas: dict[str, FeatureSchema] = {}
        self._loaded = -1
        self.deployment = yard.catalog.deployment(capability.name)

    def _capabilities(self) -> list[Capability]:
        return [self.capability, *(c.capability for c in self.plan.candidates)]

    def schema(self, release: str) -> FeatureSchema:
        if release not in self._schemas:
            manifest = self.yard.catalog.release(self.capability.name, release).manifest
            self._schemas[release] = FeatureSchema.from_plain(manifest.settings["schema"])
        return self._schemas[release]

    def recompute(
        self, release: str, inputs: Sequence[Mapping[str, Any]], asked_at: Sequence[datetime]
    ) -> NDArray[np.float32]:
        """The offline feature rows, from what the warehouse has: what skew is judged against."""
        schema = self.schema(release)
        timelines = {b.view: self.in_warehouse(b.view, b.feed) for b in schema.views}
        return recompute(schema, timelines, inputs, asked_at, redacted=self._redacted)

    def in_warehouse(self, view: str, feed: str) -> Timeline:
        """The timeline that the warehouse has of a view over a feed's table. Known times keep the future out."""
        if (view, feed) not in self._warehouse:
            self._warehouse[view, feed] = compile(self._views[view], self.kept(feed))
        return self._warehouse[view, feed]

    def kept(self, feed: str, faults: Sequence[FeedFault] = ()) -> Sequence[Path]:
        """The rows of a table that keep its contract, over the whole time, as its feed delivers them."""
        table = self._tables[feed]
        rows = rows_of(self.capability, table)
        if faults:
            rows = _faulty(rows, faults, table.arrives_at, self.yard.folder)
        related = {t.name: rows_of(self.capability, t) for t in self._tables.values() if t.name != feed}
        folder = self.yard.folder / "feeds" / f"{feed}-{'delivered' if faults else 'kept'}"
        checked = check(contract_of(self.capability, table), rows, out_folder=folder, related=related)
        enforce(checked)
        return checked.good

    def delivered(self, view: str, feed: str) -> Timeline:
        """The timeline of what the feed delivers: the warehouse's, but for the faults of that feed."""
        faults = [f for f in self.plan.faults if f.table == feed]
        if not faults:
            return self.in_warehouse(view, feed)
        if (view, feed) not in self._delivered:
            self._delivered[view, feed] = compile(self._views[view], self.kept(feed, faults))
        return self._delivered[view, feed]

    def load(self) -> None:
        """Make ready what the deployment needs: engines, and the rows that their views have seen so far."""
        deployment = self.deployment
        if deployment.version == self._loaded:
            return
        self._loaded = deployment.version
        rows = [self.yard.catalog.release(self.capability.name, digest) for digest in needed(deployment)]
        self._feed(rows)
        self.fleet.ensure(rows)

    def _feed(self, rows: Sequence[ReleaseRow]) -> None:
        now_us = microseconds_of(self.clock.now())
        for row in rows:
            for binding in self.schema(row.digest).views:
                if binding.online not in self.feeding:
                    self.feeding[binding.online] = self.delivered(binding.view, binding.feed)
                    before_us = now_us - int(2 * self.plan.step / MICROSECOND)  # the history that the store keeps
                    self.online.apply(binding.online, self.feeding[binding.online].rows_as_of(before_us))
                    self.online.apply(binding.online, self.feeding[binding.online].rows_between(before_us, now_us))


def rehearse(
    capability: Capability,
    plan: Rehearsal,
    yard: Yard,
    clock: VirtualClock,
    log: EventLog,
    *,
    seed: int,
    tell: Tell,
    progress: Progress,
) -> tuple[Stage, Story]:
    """Run the whole plan. ``tell`` gets each line of the story as it happens, ``progress`` each step's end."""
    began = time.perf_counter()
    stage = Stage(capability, plan, yard, clock, log, seed=seed)
    story = stage.story
    traffic = _Traffic(stage)
    team = _Team(stage, tell)
    at = plan.start
    clock.move_to(at)
    while at < plan.until:
        after = min(at + plan.step, plan.until)
        _one_step(stage, traffic, at, after)
        clock.move_to(after)
        for decision in stage.loop.settle():
            stage.deployment = decision.deployment
            team.tell(decision)
        team.act()
        stage.load()
        at = after
        progress(at, story.events)
    story.until = at
    story.wall_s = time.perf_counter() - began
    return stage, story


def _one_step(stage: Stage, traffic: _Traffic, at: datetime, after: datetime) -> None:
    """Feeds, questions and outcomes of (at, after]."""
    for name, timeline in stage.feeding.items():
        stage.online.apply(name, timeline.rows_between(microseconds_of(at), microseconds_of(after)))
    deployment = stage.deployment
    questions = traffic.asked(at, after)
    events = stage.pipeline.answer(questions, deployment)
    stage.pipeline.beside(events, deployment)
    for event, row in zip(events, traffic.rows, strict=True):
        traffic.remember(row, event.id)
    outcomes: Sequence[Record] = traffic.turned_out(after)
    if outcomes:
        stage.log.append(outcomes)
    stage.story.events += len(events)
    stage.story.outcomes += len(outcomes)


class _Traffic:
    """The recorded questions in order of asking, and their outcomes in order of becoming known."""

    def __init__(self, stage: Stage) -> None:
        c, plan = stage.capability, stage.plan
        s = c.source
        contract = contract_of(c, s)
        sent = [
            k.name for k in contract.columns if k.known_at and (k.known_at.published or k.known_at.column == ASKED_AT)
        ]
        label, arrives = c.task.label, s.arrives_at
        read = [name for name in c.follows or () if name in {k.name for k in contract.columns}]
        wanted = dict.fromkeys([*sent, s.asked_at, s.unit, label, arrives, *read])
        columns = read_columns(stage.kept(s.name), list(wanted), order=[s.asked_at, s.unit])
        asked = columns[s.asked_at].astype("datetime64[us]").astype(np.int64)
        rows = np.flatnonzero((asked > microseconds_of(plan.start)) & (asked <= microseconds_of(plan.until)))
        self._asked = asked[rows]
        self._inputs = {name: columns[name][rows].tolist() for name in sent}
        labels = columns[label][rows]
        known = columns[arrives][rows].astype("datetime64[us]").astype(np.int64)
        classes = {k: float(i) for i, k in enumerate(c.task.classes)}
        self._labels = [None if v is None or v != v else classes.get(v, v) for v in labels.tolist()]
        self._order = [int(i) for i in np.lexsort((np.arange(len(rows)), known)) if self._labels[int(i)] is not None]
        self._known = known
        self._values = {name: columns[name][rows].astype(np.float64) for name in read}
        self._ids: dict[int, str] = {}
        self._next = self._next_outcome = 0
        self._ask: Callable[..., Question] = stage.ask
        self.rows: range = range(0)

    def asked(self, at: datetime, after: datetime) -> list[Question]:
        """The questions of (at, after]."""
        last = int(np.searchsorted(self._asked, microseconds_of(after), side="right"))
        self.rows = range(self._next, last)
        self._next = last
        names = list(self._inputs)
        return [
            self._ask({n: self._inputs[n][i] for n in names}, EPOCH + int(self._asked[i]) * MICROSECOND)
            for i in self.rows
        ]

    def remember(self, row: int, event: str) -> None:
        self._ids[row] = event

    def turned_out(self, until: datetime) -> list[Outcome]:
        """The outcomes that became known by ``until``."""
        found: list[Outcome] = []
        while self._next_outcome < len(self._order):
            row = self._order[self._next_outcome]
            if self._known[row] > microseconds_of(until) or row not in self._ids:
                break
            label = self._labels[row]
            assert label is not None
            at = EPOCH + int(self._known[row]) * MICROSECOND
            values = {name: float(column[row]) for name, column in self._values.items() if column[row] == column[row]}
            found.append(Outcome(event=self._ids.pop(row), label=float(label), at=at, values=values))
            self._next_outcome += 1
        return found


class _Team:
    """The people: they commit candidates, withdraw what stays held, and retrain when they are asked to."""

    def __init__(self, stage: Stage, tell: Tell) -> None:
        self.stage, self._tell = stage, tell
        self.coming = sorted(stage.plan.candidates, key=lambda c: c.at)
        self.patience = {c.label: c.withdraw_after for c in stage.plan.candidates}
        self.asked: datetime | None = None
        self.retrained = 0

    def tell(self, decision: Decision) -> None:
        if decision.kind == "retrain" or (decision.kind == "held_live" and self.asked is None):
            self.asked = self.stage.clock.now()
        self._say(decision.kind, decision.subject, decision.summary, decision.verdict, decision.deployment)

    def _say(
        self, kind: str, release: str, text: str, verdict: Verdict | None = None, deployment: Deployment | None = None
    ) -> None:
        story, plain = self.stage.story, unchanged(text)
        if deployment is not None:
            name = names_of({s.release: s.label for s in story.shipped})
            unit = unit_of(self.stage.capability.source.block)
            plain = plainly(kind, release, text, verdict, deployment, name=name, unit=unit)
        line = Told(
            self.stage.clock.now(),
            kind,
            release,
            story.label(release) if release else "",
            text,
            plain,
            verdict.ruling.value if verdict else "",
        )
        story.told.append(line)
        self._tell(line)

    def act(self) -> None:
        now = self.stage.clock.now()
        while self.coming and self.coming[0].at <= now:
            self._commit(self.coming.pop(0))
        plan = self.stage.plan.retraining
        if plan and self.asked and now - self.asked >= plan.after:
            self.asked, self.retrained = None, self.retrained + 1
            self._commit(Candidate(label=f"{plan.label} {self.retrained}", at=now, capability=plan.make(now)))
        self._withdraw(now)

    def _commit(self, candidate: Candidate) -> None:
        committed = replace(candidate.capability, folder=self.stage.capability.folder)
        shipped = ship(
            committed,
            self.stage.yard,
            label=candidate.label,
            actor="team",
            timelines=self.stage.timelines,
            with_report=False,
        )
        self.stage.deployment = shipped.deployment
        if shipped.is_new:
            self.stage.story.shipped.append(shipped)
            self._say("gate", shipped.release, shipped.summary, shipped.verdict, shipped.deployment)
        else:
            self._say("unchanged", shipped.release, shipped.summary)

    def _withdraw(self, now: datetime) -> None:
        d = self.stage.deployment
        r = d.rollout
        if r is None or r.state is not State.HELD:
            return
        patience = self.patience.get(self.stage.story.label(r.release))
        if patience is None or now - r.since < patience:
            return
        decision = abort(d, "team", f"held for {r.held_for}")
        yard = self.stage.yard
        self.stage.deployment = carry_out(
            decision, catalog=yard.catalog, notifier=yard.notifier, fence=None, now=now, actor="team"
        )
        self.tell(decision)


def _faulty(rows: Path, faults: Sequence[FeedFault], arrives_at: str, folder: Path) -> Path:
    """The rows as a faulty feed delivers them."""
    import duckdb

    target = folder / f"delivered-{faults[0].table}.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    arrived = quoted(arrives_at)
    columns: dict[str, str] = {}
    for fault in faults:
        when = f"{arrived} >= TIMESTAMP '{fault.since:%Y-%m-%d %H:%M:%S}'"
        if fault.until is not None:
            when += f" AND {arrived} < TIMESTAMP '{fault.until:%Y-%m-%d %H:%M:%S}'"
        for column, expression in fault.replace.items():
            before = columns.get(column, quoted(column))
            columns[column] = f"CASE WHEN {when} THEN {expression} ELSE {before} END"
    replaced = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in columns.items())
    select = f"SELECT * REPLACE ({replaced}) FROM read_parquet({literal(rows)})"
    with duckdb.connect() as db:
        db.execute("SET threads = 1; SET TimeZone = 'UTC'")
        try:
            db.execute(f"COPY ({select}) TO {literal(target)} (FORMAT parquet)")
        except duckdb.Error as error:
            said = str(error).strip().splitlines()[0]
            raise UsageError(f"the fault of the feed {faults[0].table!r} cannot be made: {said}") from error
    return target
