"""The request's way, from questions to recorded answers: route → cache → features → engine → answer policy → record.

Synchronous and without I/O of its own but the log: the server runs it on its event loop or in a thread, a rehearsal
calls it as it is. A turn's questions go through as columns. Nothing is answered that is not recorded: ``reply``
returns when the events are durable; who calls ``decide`` records what it returns before anything of it leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from plimsoll.capability import Capability
from plimsoll.errors import Unavailable
from plimsoll.features import Ages
from plimsoll.kernel.columns import MOST_ROWS, Columns, in_columns
from plimsoll.kernel.ports import EventLog
from plimsoll.kernel.promise import AnswerRule
from plimsoll.kernel.records import FALLBACK, Action, Answer, Beside, Event, Question, Record, Role
from plimsoll.kernel.rollout import Deployment, shares
from plimsoll.kernel.rollout import beside as who_else
from plimsoll.serving.answering import Said, Timeouts, ask, failed
from plimsoll.serving.batch import Batch, Turn, turn_of
from plimsoll.serving.caching.question import QuestionKey
from plimsoll.serving.caching.turn import kept_or_asked
from plimsoll.serving.circuits import Circuits
from plimsoll.serving.cost import Prices
from plimsoll.serving.policy import Thresholds
from plimsoll.serving.recording import Recording
from plimsoll.serving.replica import Fleet, Loaded, Standing
from plimsoll.serving.reply import Reply, TurnEvents, reply_of
from plimsoll.serving.route import beside_role, position, served_role, target
from plimsoll.serving.seams import AnswerPolicy, Judgement, ResponseCache
from plimsoll.serving.shared_rows import SharedRows
from plimsoll.serving.standing_in import Instead, StandIns, oddities, stood_in
from plimsoll.serving.straight import is_plain, plain_columns, plain_events, sole
from plimsoll.serving.timing import Timing

_T = TypeVar("_T")
DEFAULT_TIMEOUTS: Final = Timeouts()
_FALLBACK: Final = "fallback"
_NO_RELEASE: Final = "no_release"
_SAYS = AnswerRule().sentence(_NO_RELEASE, "fallback")
"""What release zero's callers are told: there is no manifest that could have other words for it."""


class Decided(msgspec.Struct, frozen=True):
    """A turn's replies, the records that must be durable before one of them leaves, and the turn's stages in ms.

    ``plain``: one release answered all of them, each at the same cost, and nothing stands in for any of its answers.
    """

    replies: list[Reply]
    records: Sequence[Columns]
    features_ms: float
    engine_ms: float
    policy_ms: float
    plain: bool = False


class _Served(NamedTuple):
    """What the served release said to each row, and what is done with it."""

    said: Sequence[Answer]
    actions: Sequence[Action]
    reasons: Sequence[str]
    confidences: Sequence[float | None]
    cached: Sequence[bool]
    features_ms: float = 0.0
    engine_ms: float = 0.0
    policy_ms: float = 0.0
    ages: Sequence[Ages] = ()  # one a row, or none at all


class _Found(NamedTuple):
    """What follows from these two: whether the loop may wait for it, and the one release that answers everybody."""

    standing: Standing
    deployment: Deployment
    swift: bool
    sole: Loaded | None


class Pipeline:
    """Answers the questions of one capability with what ``fleet`` has loaded.

    ``timeouts``: an answer that took longer counts as an error, and what was declared is given instead.
    ``circuits``: a release that keeps being too late is left alone for a while.
    ``answer_unrecorded``: answer even where the log cannot record; such replies say so. ``recording``: what may be
    written down of a question; replies have all of it.
    """

    def __init__(
        self,
        *,
        capability: Capability,
        fleet: Fleet,
        log: EventLog,
        timing: Timing,
        policy: AnswerPolicy | None = None,
        cache: ResponseCache | None = None,
        prices: Prices | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        circuits: Circuits | None = None,
        answer_unrecorded: bool = False,
        recording: Recording | None = None,
    ) -> None:
        self._capability = capability
        self._fleet = fleet
        self._log = log
        self._timing = timing
        self._policy = policy or Thresholds()
        self._stand_ins = StandIns()
        self._found: _Found | None = None
        self._cache = cache
        self._keys = QuestionKey(capability)
        self._prices = prices if prices is not None and prices.known else None
        self._timeouts = timeouts
        self._circuits = circuits
        self.answer_unrecorded = answer_unrecorded
        self._recording = recording or Recording(capability, None)

    def answer(self, questions: Sequence[Question], deployment: Deployment) -> list[Event]:
        """The event of each question, in order, durable on return. Raises what :meth:`reply` raises."""
        return [reply.event for reply in self.reply(turn_of(questions), deployment)]

    def reply(self, turn: Turn, deployment: Deployment) -> list[Reply]:
        """The event of each question and what its caller gets, in order, durable on return.

        Raises Unavailable if nothing is deployed that could answer, or if the log cannot record; then nothing was
        answered.
        """
        if not len(turn):
            return []
        decided = self.decide(turn, deployment)
        return self.recorded(decided, self._why_not(decided.records))

    def reply_by_name(self, turn: Turn, release: Loaded) -> list[Reply]:
        """What ``release`` says, whoever is deployed; durable on return. Nobody answers beside it, and nothing stands in
        for it. Raises Unavailable if the log cannot record."""
        began_s = self._timing.cpu_s() if self._prices is not None else 0.0
        said = ask(release, turn.batch, role="asked", timing=self._timing, timeouts=self._timeouts)
        judged, policy_ms = self._judged(release, said)
        served = _weighed(said, judged, policy_ms, (False,) * len(turn))
        nobody = Deployment(capability=self._capability.name)
        replies = self._replies(turn, served, {}, nobody, self._cost_usd(began_s, len(turn)))
        records = in_columns([self._recording.event(reply.event, {release.release: release}) for reply in replies])
        decided = Decided(replies, records, served.features_ms, served.engine_ms, served.policy_ms)
        return self.recorded(decided, self._why_not(records))

    def decide(self, turn: Turn, deployment: Deployment) -> Decided:
        """What is to be recorded, and said after that. Raises Unavailable if nothing is deployed that could answer."""
        fleet = self._fleet.standing
        began_s = self._timing.cpu_s() if self._prices is not None else 0.0
        sole = self._of(fleet, deployment).sole
        if sole is None:
            served = self._served(turn, deployment, fleet)
        else:
            said, cached = self._said(sole.release, turn, turn.batch, range(len(turn)), "live", fleet)
            judged, policy_ms = self._judged(sole, said)
            if is_plain(said, judged):
                return self._plainly(turn, said, judged, policy_ms, began_s, fleet)
            served = _weighed(said, judged, policy_ms, cached)
        instead = self._instead(turn, served, deployment, fleet)
        replies = self._replies(turn, served, instead, deployment, self._cost_usd(began_s, len(turn)))
        records: list[Record] = [reply.event for reply in replies]
        if not self._recording.whole:
            records = [self._recording.event(reply.event, fleet.loaded) for reply in replies]
        for reply in replies if instead else ():
            if reply.given is not reply.event.served and stood_in(reply.event) != "cached":
                also = Beside(event=reply.event.id, answers=(reply.given,))
                records.append(self._recording.beside(also, reply.event, fleet.loaded))
        return Decided(replies, in_columns(records), served.features_ms, served.engine_ms, served.policy_ms)

    def _plainly(
        self, turn: Turn, said: Said, judged: Judgement, policy_ms: float, began_s: float, fleet: Standing
    ) -> Decided:
        """See ``straight``."""
        name, cost_usd = self._capability.name, self._cost_usd(began_s, len(turn))
        stages_us = self._timing.stages_us(turn.before_us, said.features_ms, said.engine_ms, policy_ms)
        events = TurnEvents(partial(plain_events, turn, said, judged, name, stages_us, cost_usd), len(turn))
        replies = [
            Reply(answer, events, row, id, tenant=tenant)
            for row, (answer, id, tenant) in enumerate(zip(said.answers, turn.batch.ids, turn.tenants, strict=True))
        ]
        if self._recording.whole and len(turn) <= MOST_ROWS:
            records: Sequence[Columns] = [plain_columns(turn, said, judged, name, stages_us, cost_usd)]
        else:
            records = in_columns([self._recording.event(reply.event, fleet.loaded) for reply in replies])
        return Decided(replies, records, said.features_ms, said.engine_ms, policy_ms, plain=True)

    def _cost_usd(self, began_s: float, questions: int) -> float:
        """Of each question of a turn that was begun at ``began_s``."""
        if self._prices is None:
            return 0.0
        return self._prices.each_usd(cpu_s=self._timing.cpu_s() - began_s, questions=questions)

    def swift(self, deployment: Deployment) -> bool:
        """Whether whoever may answer now does so in microseconds and without I/O, so that an event loop may wait."""
        return self._of(self._fleet.standing, deployment).swift

    def _of(self, standing: Standing, deployment: Deployment) -> _Found:
        """What follows from who is loaded and who is deployed; worked out when either is another one."""
        found = self._found
        if found is None or found.standing is not standing or found.deployment is not deployment:
            swift, alone = self._is_swift(standing, deployment), sole(deployment, standing)
            found = self._found = _Found(standing, deployment, swift, alone)
        return found

    def _is_swift(self, standing: Standing, deployment: Deployment) -> bool:
        names = dict.fromkeys(shares(deployment))
        if any("previous" in standing.loaded[name].rule.steps for name in names if name in standing.loaded):
            names[deployment.predecessor or FALLBACK] = None
        return (self._cache is None or self._cache.inline) and all(
            standing.loaded[name].inline for name in names if name in standing.loaded
        )

    def recorded(self, decided: Decided, error: Unavailable | None) -> list[Reply]:
        """The replies, now that the records are durable; or are not, and ``error`` says why: it is raised, but where
        answering unrecorded was asked for."""
        if error is None:
            return decided.replies
        if not self.answer_unrecorded:
            raise error
        return [msgspec.structs.replace(reply, recorded=False) for reply in decided.replies]

    def beside(self, events: Sequence[Event], deployment: Deployment) -> list[Beside]:
        """What everybody else says to the same questions: one record an event, in one append.

        A release that sees the same features as the served one is given the very row that was served from. Raises
        Unavailable if the log cannot record.
        """
        if not events:
            return []
        fleet, rows = self._fleet.standing, SharedRows(events)
        said: list[list[Answer]] = [[] for _ in events]
        for name in who_else(deployment):
            picked = [i for i, event in enumerate(events) if not _has_answered(event, name, deployment.predecessor)]
            if not picked or not fleet.knows(name):
                continue
            loaded, batch = fleet.loaded.get(name), rows.batch.take(picked)
            seen = rows.of(loaded, fleet.loaded, picked) if loaded else None
            answered = self._ask(name, batch, beside_role(deployment, name), fleet, seen).answers
            for i, answer in zip(picked, answered, strict=True):
                said[i].append(answer)
        found = [(Beside(event=e.id, answers=tuple(a)), e) for e, a in zip(events, said, strict=True) if a]
        self._log.append(in_columns([self._recording.beside(record, event, fleet.loaded) for record, event in found]))
        return [record for record, _ in found]

    def lose(self, events: Sequence[str]) -> None:
        """Record that nobody else was asked about these: exposures lost, each a ``Beside`` without answers."""
        self._log.append(in_columns([Beside(event=event, answers=()) for event in events]))

    def _why_not(self, records: Sequence[Columns]) -> Unavailable | None:
        """Append; the reason if that could not be done."""
        try:
            self._log.append(records)
        except Unavailable as error:
            return error
        return None

    # ── who answers, and what is done with it ────────────────────────────────────────────────────────────────────

    def _served(self, turn: Turn, deployment: Deployment, fleet: Standing) -> _Served:
        """The answer of the release that each unit is routed to; one prediction a release."""
        routed = self._routes(turn.units, deployment, fleet.loaded)
        if len(routed) == 1:
            (name,) = routed
            return self._served_by(name, turn, turn.batch, range(len(turn)), deployment, fleet)
        parts = [
            (rows, self._served_by(name, turn, turn.batch.take(rows), rows, deployment, fleet))
            for name, rows in routed.items()
        ]
        return _joined(parts)

    def _routes(
        self, units: Sequence[str], deployment: Deployment, loaded: Mapping[str, Loaded]
    ) -> dict[str, Sequence[int]]:
        """The rows that each release answers. A unit's place is only looked for where it makes a difference."""
        rollout = deployment.rollout
        if rollout is None or rollout.share == 0.0:
            return {self._routed(deployment.live, deployment, loaded): range(len(units))}
        routed: dict[str, list[int]] = {}
        for i, unit in enumerate(units):
            name = target(deployment, position(self._capability.name, unit))
            routed.setdefault(self._routed(name, deployment, loaded), []).append(i)
        return dict(routed)

    def _routed(self, name: str, deployment: Deployment, loaded: Mapping[str, Loaded]) -> str:
        """Who answers for ``name``. A canary that is not ready here shows nothing: the live release goes on."""
        if name in loaded:
            return name
        if name != deployment.live and deployment.live in loaded:
            return deployment.live
        if name == FALLBACK:
            raise Unavailable(
                f"{self._capability.name}: no release is live, and no fallback is declared",
                hint="release one: plimsoll release",
                retry_after_s=5.0,
            )
        return name

    def _served_by(
        self, name: str, turn: Turn, batch: Batch, rows: Sequence[int], deployment: Deployment, fleet: Standing
    ) -> _Served:
        """What ``name`` said to these rows, or said before, and what is done with each score."""
        role, count, loaded = served_role(deployment, name), len(batch), fleet.loaded.get(name)
        said, cached = self._said(name, turn, batch, rows, role, fleet)
        if name == FALLBACK or loaded is None:
            reasons = (_NO_RELEASE if name == FALLBACK else "",) * count
            took = said.features_ms, said.engine_ms
            return _Served(said.answers, [_FALLBACK] * count, reasons, (None,) * count, cached, *took)
        judged, policy_ms = self._judged(loaded, said)
        return _weighed(said, judged, policy_ms, cached)

    def _judged(self, loaded: Loaded, said: Said) -> tuple[Judgement, float]:
        """What is done with its scores, and how many ms it took to say so."""
        began_ms = self._timing.now_ms()
        judged = self._policy.judge(loaded, [answer.score for answer in said.answers], self._capability.task.kind)
        return judged, self._timing.now_ms() - began_ms

    def _said(
        self, name: str, turn: Turn, batch: Batch, rows: Sequence[int], role: Role, fleet: Standing
    ) -> tuple[Said, Sequence[bool]]:
        """What a release says to these rows, and which of them it said before: answers that are kept are given again,
        the other questions are asked, each once, and their answers kept."""
        cache = self._cache
        if cache is None or name == FALLBACK or name not in fleet.loaded:
            return self._ask(name, batch, role, fleet), (False,) * len(batch)
        tenants, asked_at = turn.tenants, turn.asked_at
        if batch is not turn.batch:
            tenants, asked_at = [tenants[row] for row in rows], [asked_at[row] for row in rows]
        keys = self._keys.of_turn(name, tenants, batch, asked_at)
        return kept_or_asked(cache, keys, lambda picked: self._ask(name, batch.take(picked), role, fleet), role)

    def _instead(self, turn: Turn, served: _Served, deployment: Deployment, fleet: Standing) -> dict[int, Instead]:
        """What stands in for the release, by row, where its answer failed or was not sure enough."""
        odd = oddities(served.said, served.actions, served.reasons)
        if odd:

            def ask_of(name: str, rows: Sequence[int]) -> Sequence[Answer]:
                role: Role = "fallback" if name == FALLBACK else "beside"
                return self._ask(name, turn.batch.take(rows), role, fleet).answers

            found = self._stand_ins.find(
                turn, served.said, odd, loaded=fleet.loaded, previous=deployment.predecessor or "", ask=ask_of
            )
        else:
            found = {}
        self._stand_ins.remember(turn, served.said, odd, fleet.loaded)
        return found

    def _ask(self, name: str, batch: Batch, role: Role, fleet: Standing, seen: Any = None) -> Said:
        loaded = fleet.loaded.get(name)
        if loaded is None:
            return Said([failed(name, role, fleet.why_not(name))] * len(batch))
        if self._circuits is None or name == FALLBACK:
            return ask(loaded, batch, role=role, timing=self._timing, timeouts=self._timeouts, seen=seen)
        if why := self._circuits.why_not(name):
            return Said([failed(name, role, why)] * len(batch))
        said = ask(loaded, batch, role=role, timing=self._timing, timeouts=self._timeouts, seen=seen)
        self._circuits.told(name, said.answers)
        return said

    def _replies(
        self, turn: Turn, served: _Served, instead: Mapping[int, Instead], deployment: Deployment, cost_usd: float
    ) -> list[Reply]:
        capability = self._capability.name
        rollout = deployment.rollout.release if deployment.rollout else ""
        actions, reasons = served.actions, served.reasons
        if instead:
            actions, reasons = list(actions), list(reasons)
            for i, found in instead.items():
                actions[i], reasons[i] = found.action, found.reason
        stages = self._timing.stages_us(turn.before_us, served.features_ms, served.engine_ms, served.policy_ms)
        events = [
            Event(
                id=id,
                capability=capability,
                at=at,
                block=block,
                unit=unit,
                inputs=inputs,
                served=said,
                action=action,
                tenant=tenant,
                rollout=rollout,
                principal=principal,
                confidence=confidence,
                reason=reason,
                stages_us=stages,
                cost_usd=cost_usd,
                trace_id=trace_id,
                cached=cached,
                feature_ages_s=ages,
            )
            for (
                id,
                at,
                block,
                unit,
                inputs,
                tenant,
                principal,
                trace_id,
                said,
                action,
                reason,
                confidence,
                cached,
                ages,
            ) in zip(
                turn.batch.ids,
                turn.asked_at,
                turn.blocks,
                turn.units,
                turn.batch.inputs,
                turn.tenants,
                turn.principals,
                turn.trace_ids,
                served.said,
                actions,
                reasons,
                served.confidences,
                served.cached,
                served.ages or ({},) * len(turn),
                strict=True,
            )
        ]
        return [_reply(event, instead.get(i)) for i, event in enumerate(events)]


def _weighed(said: Said, judged: Judgement, policy_ms: float, cached: Sequence[bool]) -> _Served:
    """What a release said, with what is done with each score; a failure is nobody's answer, whatever was judged."""
    actions = [
        _FALLBACK if answer.error else action for answer, action in zip(said.answers, judged.actions, strict=True)
    ]
    return _Served(
        said.answers,
        actions,
        judged.reasons,
        judged.confidences,
        cached,
        said.features_ms,
        said.engine_ms,
        policy_ms,
        said.ages,
    )


def _reply(event: Event, instead: Instead | None) -> Reply:
    if instead is None:
        return reply_of(event, event.served, says=_SAYS if event.reason == _NO_RELEASE else "")
    return reply_of(event, instead.given or event.served, says=instead.says)


def _joined(parts: Sequence[tuple[Sequence[int], _Served]]) -> _Served:
    """The rows of several releases in the order of the turn."""
    rows = [row for each, _ in parts for row in each]
    order = sorted(range(len(rows)), key=rows.__getitem__)

    def column(of: Callable[[_Served], Sequence[_T]]) -> list[_T]:
        joined = [value for _, part in parts for value in of(part)]
        return [joined[place] for place in order]

    return _Served(
        column(lambda part: part.said),
        column(lambda part: part.actions),
        column(lambda part: part.reasons),
        column(lambda part: part.confidences),
        column(lambda part: part.cached),
        sum(part.features_ms for _, part in parts),
        sum(part.engine_ms for _, part in parts),
        sum(part.policy_ms for _, part in parts),
        column(lambda part: part.ages or ({},) * len(part.said)),
    )


def _has_answered(event: Event, name: str, previous: str | None) -> bool:
    """Whether ``name``'s answer to this event is recorded already: served, or given instead of the served one."""
    if event.served.release == name:
        return True
    if name == FALLBACK:
        return event.action == "fallback" and stood_in(event) not in ("previous", "cached")
    return name == previous and stood_in(event) == "previous"
