"""The request's way, from questions to recorded answers: route → features → engine → answer policy → record.

Synchronous and without I/O of its own but the log: the server runs it in a thread, a rehearsal calls it as it is.
Nothing is answered that is not recorded: the events are durable before ``reply`` returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from plimsoll.capability import Capability
from plimsoll.errors import Unavailable
from plimsoll.kernel.ports import EventLog
from plimsoll.kernel.records import FALLBACK, Answer, Beside, Event, Question, Record, Role
from plimsoll.kernel.rollout import Deployment
from plimsoll.kernel.rollout import beside as who_else
from plimsoll.serving.answering import answers, failed
from plimsoll.serving.batch import Batch, of_questions
from plimsoll.serving.replica import Fleet, Loaded, Standing
from plimsoll.serving.route import beside_role, position, served_role, target
from plimsoll.serving.shared_rows import SharedRows
from plimsoll.serving.timing import Timing

Action = Literal["answer", "abstain", "fallback"]


class Reply(NamedTuple):
    """What the caller gets. ``given`` is the fallback's answer where the served release failed, else what it said."""

    event: Event
    given: Answer
    recorded: bool = True

    @property
    def answered(self) -> bool:
        """False where neither the release nor the fallback had a score: the caller gets an error."""
        return not self.given.error


class Pipeline:
    """Answers the questions of one capability with what ``fleet`` has loaded.

    ``timeout_ms``: an answer that took longer counts as an error, and the fallback's is given instead.
    ``answer_unrecorded``: answer even where the log cannot record; such replies say so.
    """

    def __init__(
        self,
        *,
        capability: Capability,
        fleet: Fleet,
        log: EventLog,
        timing: Timing,
        timeout_ms: float = 1_000.0,
        answer_unrecorded: bool = False,
    ) -> None:
        self._capability = capability
        self._fleet = fleet
        self._log = log
        self._timing = timing
        self._timeout_ms = timeout_ms
        self._answer_unrecorded = answer_unrecorded

    def answer(self, questions: Sequence[Question], deployment: Deployment) -> list[Event]:
        """The event of each question, in order, durable on return. Raises what :meth:`reply` raises."""
        return [reply.event for reply in self.reply(questions, deployment)]

    def reply(self, questions: Sequence[Question], deployment: Deployment) -> list[Reply]:
        """The event of each question and what its caller gets, in order, durable on return.

        Raises Unavailable if nothing is deployed that could answer, or if the log cannot record; then nothing was
        answered.
        """
        if not questions:
            return []
        fleet = self._fleet.standing
        batch = of_questions(questions)
        served = self._served(batch, [q.unit for q in questions], deployment, fleet)
        instead = self._instead(batch, served, fleet)
        replies = [
            self._replied(question, said, instead.get(i), deployment, fleet)
            for i, (question, said) in enumerate(zip(questions, served, strict=True))
        ]
        records: list[Record] = [reply.event for reply in replies]
        records += [Beside(event=batch.ids[i], answers=(said,)) for i, said in instead.items()]
        return replies if self._recorded(records) else [reply._replace(recorded=False) for reply in replies]

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
            picked = [i for i, event in enumerate(events) if not _has_answered(event, name)]
            if not picked or not fleet.knows(name):
                continue
            loaded, batch = fleet.loaded.get(name), rows.batch.take(picked)
            seen = rows.of(loaded, fleet.loaded, picked) if loaded else None
            answered = self._ask(name, batch, beside_role(deployment, name), fleet, seen)
            for i, answer in zip(picked, answered, strict=True):
                said[i].append(answer)
        records = [Beside(event=e.id, answers=tuple(a)) for e, a in zip(events, said, strict=True) if a]
        self._log.append(records)
        return records

    def lose(self, events: Sequence[str]) -> None:
        """Record that nobody else was asked about these: exposures lost, each a ``Beside`` without answers."""
        self._log.append([Beside(event=event, answers=()) for event in events])

    def _recorded(self, records: Sequence[Record]) -> bool:
        """False only where answering unrecorded was asked for, and was needed."""
        try:
            self._log.append(records)
        except Unavailable:
            if not self._answer_unrecorded:
                raise
            return False
        return True

    def _served(self, batch: Batch, units: Sequence[str], deployment: Deployment, fleet: Standing) -> list[Answer]:
        """The answer of the release that each unit is routed to; one prediction a release."""
        routed: dict[str, list[int]] = {}
        for i, unit in enumerate(units):
            routed.setdefault(self._routed(unit, deployment, fleet.loaded), []).append(i)
        found: dict[int, Answer] = {}
        for name, rows in routed.items():
            role = served_role(deployment, name)
            found.update(zip(rows, self._ask(name, batch.take(rows), role, fleet), strict=True))
        return [found[i] for i in range(len(batch))]

    def _routed(self, unit: str, deployment: Deployment, loaded: Mapping[str, Loaded]) -> str:
        """Who answers ``unit``. A canary that is not ready here shows nothing: the live release goes on."""
        name = target(deployment, position(self._capability.name, unit))
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

    def _instead(self, batch: Batch, served: Sequence[Answer], fleet: Standing) -> dict[int, Answer]:
        """The fallback's answers to the questions whose release failed, by row."""
        rows = [i for i, said in enumerate(served) if said.error and said.release != FALLBACK]
        if not rows or FALLBACK not in fleet.loaded:
            return {}
        return dict(zip(rows, self._ask(FALLBACK, batch.take(rows), "fallback", fleet), strict=True))

    def _ask(self, name: str, batch: Batch, role: Role, fleet: Standing, seen: Any = None) -> list[Answer]:
        loaded = fleet.loaded.get(name)
        if loaded is None:
            return [failed(name, role, fleet.why_not(name))] * len(batch)
        return answers(loaded, batch, role=role, timing=self._timing, timeout_ms=self._timeout_ms, seen=seen)

    def _replied(
        self,
        question: Question,
        said: Answer,
        instead: Answer | None,
        deployment: Deployment,
        fleet: Standing,
    ) -> Reply:
        event = Event(
            id=question.id,
            capability=self._capability.name,
            at=question.asked_at,
            block=question.block,
            unit=question.unit,
            inputs=question.inputs,
            served=said,
            action=self._action(said, instead, fleet.loaded),
            tenant=question.tenant,
            rollout=deployment.rollout.release if deployment.rollout else "",
        )
        return Reply(event, instead or said)

    def _action(self, said: Answer, instead: Answer | None, loaded: Mapping[str, Loaded]) -> Action:
        """The answer policy: what failed falls back, what is not sure enough abstains."""
        if instead is not None or said.error or said.release == FALLBACK:
            return "fallback"
        below = loaded[said.release].abstain_below
        if below > 0.0 and confidence(said.score, self._capability.task.kind) < below:
            return "abstain"
        return "answer"


def confidence(score: float | tuple[float, ...] | None, kind: str) -> float:
    """How sure a score is, in [0, 1]: the probability of its likeliest class. A regression is always sure."""
    if score is None or kind == "regression":
        return 1.0
    return max(score) if isinstance(score, tuple) else max(score, 1.0 - score)


def _has_answered(event: Event, name: str) -> bool:
    """Whether ``name``'s answer to this event is recorded already: served, or given instead of a failed one."""
    if event.served.release == name:
        return True
    return name == FALLBACK and event.action == "fallback"
