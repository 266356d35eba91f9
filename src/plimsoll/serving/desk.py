"""Where requests wait for each other: what one turn of the event loop brings is answered together.

There is no timer in it: an idle server answers a lone question at once. A turn whose releases answer in microseconds
is answered on the loop's own thread; one that may take longer in a thread of its own, while the next one gathers.
Answers leave when their events are durable; while the disk is busy with a turn's, further requests gather, because
their own events would only wait for it. What everybody else would have said follows after the answer has left,
in order, from a bounded queue; what the queue cannot take is recorded as lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from time import monotonic, perf_counter_ns

import msgspec

from plimsoll.errors import Unavailable
from plimsoll.kernel.ports import EventLog
from plimsoll.kernel.records import Event
from plimsoll.kernel.rollout import Deployment, beside
from plimsoll.serving.asking import Asking
from plimsoll.serving.metrics import Metrics
from plimsoll.serving.pipeline import Decided, Pipeline
from plimsoll.serving.questions import QuestionMaker
from plimsoll.serving.refusals import Full, TooLate
from plimsoll.serving.reply import Reply

_log = logging.getLogger(__name__)

_TOGETHER = 512
"""Events that others are asked about at once, the most questions of a turn of several requests, and the most that are
answered on the loop's thread."""
_ENOUGH = 32
"""As many requests share a turn and a flush well enough: they are answered while the disk is still busy, so that their
events lie there when it is not."""
_WAYS = 8
"""Turns of the loop, a few microseconds each, that are given to those who were answered with the last flush and may ask
again: the first of them would otherwise have a turn and a flush alone while the others come."""


class Desk:
    """Answers requests in turns. Belongs to one event loop; ``close`` finishes what was begun."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        log: EventLog,
        maker: QuestionMaker,
        now: Callable[[], datetime],
        deployment: Callable[[], Deployment],
        metrics: Metrics,
        most_waiting: int = 10_000,
        most_beside: int = 20_000,
        record_timeout_ms: float = 5_000.0,
    ) -> None:
        self._pipeline = pipeline
        self._log = log
        self._maker = maker
        self._now = now
        self._deployment = deployment
        self._metrics = metrics
        self._most_waiting = most_waiting
        self._most_beside = most_beside
        self._record_timeout_s = record_timeout_ms / 1000.0
        self._loop = asyncio.get_running_loop()
        self._askings: list[Asking] = []
        self._since_ns = 0
        self._hurried = False  # somebody who waits now has a deadline
        self._waiting = 0
        self._busy = False  # a thread answers a turn: the next one waits for it
        self._flushing = 0  # turns that are answered, and whose events are not durable yet
        self._gathers = False  # the next turn waits for them
        self._company = 0  # how many requests the last flush answered
        self._ways = 0  # how often the next turn has given way to them
        self._quiet = asyncio.Event()  # something ended: whoever waits for the end looks again
        self._beside: deque[tuple[Event, Deployment]] = deque()
        self._lost: deque[str] = deque(maxlen=100_000)
        self._others: tuple[Deployment | None, tuple[str, ...]] = None, ()
        self._looking: asyncio.Future[None] | None = None
        self._answerer = ThreadPoolExecutor(1, "plimsoll-answer")
        self._looker = ThreadPoolExecutor(1, "plimsoll-beside")

    @property
    def waiting(self) -> int:
        """Questions that have no answer yet."""
        return self._waiting

    def put(self, asking: Asking) -> None:
        """Answer it with the next turn. Raises Full when too many wait, UsageError when a row names no unit, and
        what its ticket does when it has more rows than it may."""
        rows = len(asking.rows)
        if self._waiting + rows > self._most_waiting:
            raise Full(f"{self._waiting} questions are waiting already; the limit is {self._most_waiting}")
        if asking.packed is None:  # packed ones were read as nothing but their numbers and their unit
            self._maker.check(asking)
        if rows > 1:  # it was admitted for one, before its body was read
            asking.ticket.more(rows - 1)
        self._waiting += rows
        self._askings.append(asking)
        if asking.ticket.deadline_s:
            self._hurried = True
        gathered = len(self._askings)
        if gathered == 1:
            self._since_ns = perf_counter_ns()
        if gathered in (1, _ENOUGH) and not self._busy:
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Answer what has gathered: here, where nothing of it takes long."""
        if self._busy or not self._askings:
            return
        deployment = self._deployment()
        swift = self._pipeline.swift(deployment)
        if swift and self._waits_for_more():
            return
        gathered, self._gathers, self._ways = self._gathers, False, 0
        askings = self._next()
        if not askings:
            return
        waited_us = (perf_counter_ns() - self._since_ns) // 1000
        before_us = (0, 0, 0, waited_us)
        turn = self._maker.turn(askings, self._now(), before_us)
        if swift and len(turn) <= _TOGETHER:
            try:
                decided = self._pipeline.decide(turn, deployment)
            except Exception as error:  # noqa: BLE001 - the supervisor of turns: whoever waits is told
                self._fail(askings, error)
                return
            self._record(askings, decided, deployment, waited_us / 1e6 if gathered else 0.0)
            return
        self._busy = True
        work = self._loop.run_in_executor(self._answerer, self._pipeline.decide, turn, deployment)
        work.add_done_callback(partial(self._decided, askings, deployment))

    def _waits_for_more(self) -> bool:
        """Whether the next turn is for more than those who have come: the disk is busy, or has just been."""
        come = len(self._askings)
        if self._flushing and come < _ENOUGH:
            self._gathers = True
            return True
        if self._flushing or 4 * come >= 3 * self._company or self._ways >= _WAYS:
            return False
        self._ways += 1
        self._loop.call_soon(self._begin)
        return True

    def _next(self) -> list[Asking]:
        """Whom this turn answers: those who still wait, and where they are too many, larger priorities first."""
        askings, self._askings = self._askings, []
        if self._hurried:
            self._hurried = False
            askings = self._in_time(askings)
        if self._waiting > _TOGETHER and len(askings) > 1:
            askings.sort(key=lambda asking: -asking.ticket.priority)  # stable: first come, first served among equals
            end = _fitting(askings)
            askings, self._askings = askings[:end], askings[end:]
            if self._askings:
                self._hurried = True  # some of those who are left may have a deadline
                self._loop.call_soon(self._begin)
        return askings

    def _in_time(self, askings: Sequence[Asking]) -> list[Asking]:
        """Work for somebody who has gone is not begun."""
        now_s = monotonic()
        late = [asking for asking in askings if 0.0 < asking.ticket.deadline_s <= now_s]
        self._fail(late, TooLate("the deadline passed before the work was begun", hint="give it more time"))
        return [asking for asking in askings if not 0.0 < asking.ticket.deadline_s <= now_s]

    def _decided(self, askings: Sequence[Asking], deployment: Deployment, work: asyncio.Future[Decided]) -> None:
        self._busy = False
        error = work.exception()
        if error is None:
            self._record(askings, work.result(), deployment)
        else:
            self._fail(askings, error)
        self._begin()

    def _record(
        self, askings: Sequence[Asking], decided: Decided, deployment: Deployment, waited_s: float = 0.0
    ) -> None:
        """Make the events durable, then hand out the replies: at once, or when the disk has them, for which they have
        waited already."""
        recorded = _Recorded(partial(self._end, askings, decided, deployment, perf_counter_ns()))
        try:
            self._log.append_then(decided.records, recorded)
        except Exception as error:
            if recorded.ended:  # it was handing out the replies that went wrong
                raise
            recorded(error)
        if not recorded.ended:
            self._flushing += 1
            timer = self._loop.call_later(max(0.0, self._record_timeout_s - waited_s), self._too_slow, recorded)
            recorded.wait(timer, partial(self._flushed, len(askings)))

    def _flushed(self, requests: int) -> None:
        """The disk has a turn's events, or has taken too long."""
        self._flushing -= 1
        self._company = min(requests, _ENOUGH)
        if self._gathers:
            self._loop.call_soon(self._begin)

    def _too_slow(self, recorded: _Recorded) -> None:
        """The events may still become durable, and nobody was answered, which is counted as what it is."""
        text = f"the event log took over {self._record_timeout_s:g} s: nothing is answered that is not recorded"
        recorded(Unavailable(text, hint="look after the disk of the event log"))

    def _end(
        self,
        askings: Sequence[Asking],
        decided: Decided,
        deployment: Deployment,
        began_ns: int,
        error: Exception | None,
    ) -> None:
        """Hand out the replies, then let the others have their say."""
        replies = decided.replies
        if error is not None:
            if not (isinstance(error, Unavailable) and self._pipeline.answer_unrecorded):
                self._fail(askings, error)
                return
            replies = [msgspec.structs.replace(reply, recorded=False) for reply in replies]
        self._waiting -= len(replies)
        self._quiet.set()
        recorded_ns = perf_counter_ns()
        if len(askings) == len(replies):
            for asking, reply in zip(askings, replies, strict=True):
                asking.answered((reply,))
        else:
            start = 0
            for asking in askings:
                end = start + len(asking.rows)
                asking.answered(replies[start:end])
                start = end
        plain = decided.plain and error is None
        self._metrics.answered(replies, record_us=(recorded_ns - began_ns) / 1000.0, plain=plain)
        if error is None:
            self._queue(replies, deployment)

    def _fail(self, askings: Sequence[Asking], error: BaseException) -> None:
        self._waiting -= sum(len(asking.rows) for asking in askings)
        self._quiet.set()
        told = error if isinstance(error, Exception) else Unavailable("the server is stopping")
        for asking in askings:
            asking.failed(told)

    # ── beside ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _queue(self, replies: Sequence[Reply], deployment: Deployment) -> None:
        if deployment is not self._others[0]:
            self._others = deployment, beside(deployment)
        others = self._others[1]
        if deployment.rollout is None and others == (replies[0].event.served.release,):
            return  # nobody else is asked about anything
        events = [reply.event for reply in replies if any(name != reply.event.served.release for name in others)]
        if not events:
            return
        room = max(0, self._most_beside - len(self._beside))
        self._beside.extend((event, deployment) for event in events[:room])
        lost = events[room:]
        self._lost.extend(event.id for event in lost)
        self._metrics.lost.inc(len(lost))
        self._metrics.waiting.set(len(self._beside))
        self._look()

    def _look(self) -> None:
        if self._looking is not None or not (self._beside or self._lost):
            return
        deployment = self._beside[0][1] if self._beside else None
        events: list[Event] = []
        while self._beside and len(events) < _TOGETHER and self._beside[0][1] is deployment:
            events.append(self._beside.popleft()[0])
        lost = list(self._lost)
        self._lost.clear()
        self._looking = self._loop.run_in_executor(self._looker, self._ask_others, events, deployment, lost)
        self._looking.add_done_callback(partial(self._looked, events))

    def _ask_others(self, events: Sequence[Event], deployment: Deployment | None, lost: Sequence[str]) -> None:
        if lost:
            self._pipeline.lose(lost)
        if deployment is not None:
            self._pipeline.beside(events, deployment)

    def _looked(self, events: Sequence[Event], work: asyncio.Future[None]) -> None:
        self._looking = None
        self._quiet.set()
        error = work.exception()
        if error is not None:
            self._metrics.lost.inc(len(events))
            _log.error("%d answers have nothing beside them: %s", len(events), error)
        self._metrics.waiting.set(len(self._beside))
        self._look()

    async def close(self) -> None:
        """Wait until every question is answered and the others have had their say; then stop the threads."""
        while self._waiting or self._looking is not None:
            self._quiet.clear()
            await self._quiet.wait()
        self._answerer.shutdown()
        self._looker.shutdown()


def _fitting(askings: Sequence[Asking]) -> int:
    """How many of them have no more questions than a turn takes; the first one has its turn, however many it has."""
    rows = len(askings[0].rows)
    for i, asking in enumerate(askings[1:], 1):
        rows += len(asking.rows)
        if rows > _TOGETHER:
            return i
    return len(askings)


class _Recorded:
    """What comes after a turn's events: once, by the log's word or when it has been waited for long enough."""

    __slots__ = ("_end", "_timer", "_waited", "ended")

    def __init__(self, end: Callable[[Exception | None], None]) -> None:
        self._end = end
        self.ended = False
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, timer: asyncio.TimerHandle, waited: Callable[[], None]) -> None:
        """It comes later: by ``timer`` at the latest; ``waited`` is called then."""
        self._timer, self._waited = timer, waited

    def __call__(self, error: Exception | None) -> None:
        if self.ended:
            return
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._waited()
        self._end(error)
