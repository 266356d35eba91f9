"""Where requests wait for each other: what one turn of the event loop brings is answered together.

There is no timer in it. While a turn is being answered and recorded (in a thread of its own), the next one gathers;
an idle server answers a lone question at once. What everybody else would have said follows after the answer has
left, in order, from a bounded queue; what the queue cannot take is recorded as lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from plimsoll.errors import Unavailable
from plimsoll.kernel.records import Event, Question
from plimsoll.kernel.rollout import Deployment
from plimsoll.serving.batch import turn_of
from plimsoll.serving.metrics import Metrics
from plimsoll.serving.pipeline import Pipeline, Reply

_log = logging.getLogger(__name__)

Turn = list[tuple[Sequence[Question], "asyncio.Future[list[Reply]]"]]
_TOGETHER = 512
"""Events that others are asked about at once."""


class Desk:
    """Answers questions in turns. Belongs to one event loop; ``close`` finishes what was begun."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        deployment: Callable[[], Deployment],
        metrics: Metrics,
        most_waiting: int = 10_000,
        most_beside: int = 20_000,
    ) -> None:
        self._pipeline = pipeline
        self._deployment = deployment
        self._metrics = metrics
        self._most_waiting = most_waiting
        self._most_beside = most_beside
        self._turn: Turn = []
        self._waiting = 0
        self._answering: asyncio.Future[list[Reply]] | None = None
        self._beside: deque[tuple[Event, Deployment]] = deque()
        self._lost: deque[str] = deque(maxlen=100_000)
        self._looking: asyncio.Future[None] | None = None
        self._answerer = ThreadPoolExecutor(1, "plimsoll-answer")
        self._looker = ThreadPoolExecutor(1, "plimsoll-beside")

    async def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """The replies, recorded. Raises Unavailable when too many wait, or when the log cannot record."""
        if self._waiting + len(questions) > self._most_waiting:
            raise Unavailable(f"{self._waiting} questions are waiting already; the limit is {self._most_waiting}")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Reply]] = loop.create_future()
        self._waiting += len(questions)
        self._turn.append((questions, future))
        if len(self._turn) == 1 and self._answering is None:
            loop.call_soon(self._begin, loop)
        return await future

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._answering is not None or not self._turn:
            return
        turn, self._turn = self._turn, []
        questions = [question for asked, _ in turn for question in asked]
        deployment = self._deployment()
        self._answering = loop.run_in_executor(self._answerer, self._pipeline.reply, turn_of(questions), deployment)
        self._answering.add_done_callback(partial(self._end, loop, turn, deployment))

    def _end(
        self,
        loop: asyncio.AbstractEventLoop,
        turn: Turn,
        deployment: Deployment,
        work: asyncio.Future[list[Reply]],
    ) -> None:
        """Hand out the replies, begin the next turn, then let the others have their say."""
        self._answering = None
        self._waiting -= sum(len(asked) for asked, _ in turn)
        error = work.exception()
        if error is not None:
            for _, future in turn:
                if not future.done():
                    future.set_exception(error)
        else:
            _hand_out(turn, work.result())
        self._begin(loop)
        if error is None:
            self._metrics.answered(work.result())
            self._queue([r.event for r in work.result() if r.recorded], deployment)
            self._look(loop)

    def _queue(self, events: Sequence[Event], deployment: Deployment) -> None:
        room = max(0, self._most_beside - len(self._beside))
        self._beside.extend((event, deployment) for event in events[:room])
        lost = events[room:]
        self._lost.extend(event.id for event in lost)
        self._metrics.lost.inc(len(lost))
        self._metrics.waiting.set(len(self._beside))

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._looking is not None or not (self._beside or self._lost):
            return
        deployment = self._beside[0][1] if self._beside else None
        events: list[Event] = []
        while self._beside and len(events) < _TOGETHER and self._beside[0][1] is deployment:
            events.append(self._beside.popleft()[0])
        lost = list(self._lost)
        self._lost.clear()
        self._looking = loop.run_in_executor(self._looker, self._ask_others, events, deployment, lost)
        self._looking.add_done_callback(partial(self._looked, loop, events))

    def _ask_others(self, events: Sequence[Event], deployment: Deployment | None, lost: Sequence[str]) -> None:
        if lost:
            self._pipeline.lose(lost)
        if deployment is not None:
            self._pipeline.beside(events, deployment)

    def _looked(self, loop: asyncio.AbstractEventLoop, events: Sequence[Event], work: asyncio.Future[None]) -> None:
        self._looking = None
        error = work.exception()
        if error is not None:
            self._metrics.lost.inc(len(events))
            _log.error("%d answers have nothing beside them: %s", len(events), error)
        self._metrics.waiting.set(len(self._beside))
        self._look(loop)

    async def close(self) -> None:
        """Wait until every question is answered and the others have had their say; then stop the threads."""
        while working := [work for work in (self._answering, self._looking) if work is not None]:
            await asyncio.wait(working)
            await asyncio.sleep(0)  # their callbacks begin what comes next
        self._answerer.shutdown()
        self._looker.shutdown()


def _hand_out(turn: Turn, replies: Sequence[Reply]) -> None:
    start = 0
    for asked, future in turn:
        if not future.done():  # its caller may have gone; the event is recorded all the same
            future.set_result(list(replies[start : start + len(asked)]))
        start += len(asked)
