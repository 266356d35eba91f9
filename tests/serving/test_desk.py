"""Who is answered when there are many: nobody who has gone, and those first who wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from plimsoll.errors import PlimsollError
from plimsoll.kernel.columns import Written, rows_in
from plimsoll.kernel.records import Event
from plimsoll.models.warmth import Warmth
from plimsoll.sections import Limits
from plimsoll.serving import QuestionMaker
from plimsoll.serving.admission import Admission, Lanes, Overload
from plimsoll.serving.asking import Awaited
from plimsoll.serving.desk import Desk
from plimsoll.serving.metrics import Metrics
from plimsoll.store import SegmentLog

from .conftest import live, parcel
from .running import running
from .test_seams import Kept

ASK = "/v1/capabilities/parcel-late/ask"


class Elsewhere(Kept):
    """A cache that does I/O, so that turns are answered in a thread."""

    inline = False


def test_work_whose_deadline_has_passed_is_not_begun(yard_of: Any) -> None:
    """Its caller gets 504, nothing is recorded of it, and the others of the turn are answered."""
    entered, goes_on = threading.Event(), threading.Event()

    def slow(columns: Mapping[str, Any]) -> Any:
        entered.set()
        assert goes_on.wait(20)
        return np.full(len(columns["weight"]), 0.5)

    yard = yard_of(fallback=slow)
    door = Admission(overload=Overload(target_s=60, most=100), lanes=Lanes(Limits()))
    with running(yard, live("fallback"), cache=Elsewhere(), admission=door) as up, ThreadPoolExecutor(3) as pool:

        def ask(n: int, **headers: str) -> int:
            return up.call("POST", ASK, {"inputs": parcel(n)}, **headers)[0]

        first = pool.submit(ask, 1)
        assert entered.wait(20)
        late, patient = pool.submit(ask, 2, x_request_timeout_ms="50"), pool.submit(ask, 3)
        threading.Event().wait(0.3)
        goes_on.set()
        assert [first.result(), late.result(), patient.result()] == [200, 504, 200]
    units = [record.unit for record in yard.log.read()[0] if isinstance(record, Event)]
    assert units == ["p1", "p3"]


class Waiting:
    """A ticket with a priority."""

    principal, tenant, deadline_s = "", "", 0.0

    def __init__(self, priority: int) -> None:
        self.priority = priority

    def more(self, questions: int) -> None:
        """Nothing counts them."""

    def done(self) -> None:
        """It holds no place."""


def desk_of(yard: Any, release: str, **more: Any) -> Desk:
    """A desk on the event loop that runs, with ``release`` live."""
    return Desk(
        pipeline=yard.pipeline(),
        log=yard.log,
        maker=QuestionMaker(yard.capability),
        now=lambda: datetime.now(UTC),
        deployment=lambda: live(release),
        metrics=Metrics("parcel-late"),
        **more,
    )


def test_where_more_wait_than_fit_a_turn_people_go_before_batches(yard: Any) -> None:
    """In the order in which they came among equals; everybody is answered."""
    row = yard.release()
    yard.fleet.ensure([row])

    async def asked() -> list[str]:
        desk = desk_of(yard, row.digest)
        askings = [Awaited([parcel(n)], Waiting(0 if n >= 600 else -1)) for n in range(700)]
        for asking in askings:
            desk.put(asking)
        await asyncio.gather(*(asking.future for asking in askings))
        await desk.close()
        return [record.unit for record in yard.log.read()[0] if isinstance(record, Event)]

    order = [int(unit[1:]) for unit in asyncio.run(asked())]
    assert order == [*range(600, 700), *range(600)]


def test_a_turn_has_so_many_questions_and_not_so_many_requests(yard: Any) -> None:
    """Large requests do not go together where a small one would wait for all of them."""
    row = yard.release()
    yard.fleet.ensure([row])

    async def asked() -> list[int]:
        desk = desk_of(yard, row.digest)
        askings = [Awaited([parcel(n + i) for i in range(300)], Waiting(0)) for n in (0, 300, 600)]
        for asking in askings:
            desk.put(asking)
        await asyncio.gather(*(asking.future for asking in askings))
        await desk.close()
        return [len({str(reply.event.at) for reply in asking.future.result()}) for asking in askings] + [
            len({str(reply.event.at) for asking in askings for reply in asking.future.result()})
        ]

    assert asyncio.run(asked()) == [1, 1, 1, 3]


class Busy(SegmentLog):
    """A disk that is busy until it is told that it has what it was given."""

    given: list[tuple[int, Callable[[PlimsollError | None], None]]]
    """How many records a turn had, and who waits for them."""

    def append_then(self, records: Sequence[Written], then: Callable[[PlimsollError | None], None]) -> None:
        self.given.append((sum(map(rows_in, records)), then))


@pytest.fixture
def busy(yard: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A yard whose release answers on the loop's thread, and whose disk is busy."""
    monkeypatch.setattr("plimsoll.serving.replica.UNMEASURED", Warmth(most_together=512, inline=True))
    yard.log.__class__, yard.log.given = Busy, []
    yield yard
    yard.log.__class__ = SegmentLog


async def asked_of(desk: Desk, numbers: range, *, apart: int = 3) -> list[Awaited]:
    """Requests that come one after the other, with turns of the loop between them."""
    askings = []
    for n in numbers:
        askings.append(Awaited([parcel(n)], Waiting(0)))
        desk.put(askings[-1])
        for _ in range(apart):
            await asyncio.sleep(0)
    return askings


def test_who_comes_while_the_disk_is_busy_shares_the_next_flush(busy: Any) -> None:
    """A turn of their own each would only queue for the same disk."""
    row = busy.release()
    busy.fleet.ensure([row])

    async def asked() -> tuple[list[int], list[int]]:
        desk, given = desk_of(busy, row.digest), busy.log.given
        askings = await asked_of(desk, range(5))
        meanwhile = [records for records, _ in given]
        for turn in (0, 1):
            given[turn][1](None)
            await asyncio.sleep(0)
        await asyncio.gather(*(asking.future for asking in askings))
        await desk.close()
        return meanwhile, [records for records, _ in given]

    assert asyncio.run(asked()) == ([1], [1, 4])


def test_who_was_answered_with_the_last_flush_may_come_back_for_the_next(busy: Any) -> None:
    """A few turns of the loop are given to them, and no more: who does not come is not waited for."""
    row = busy.release()
    busy.fleet.ensure([row])

    async def asked() -> list[int]:
        desk, given = desk_of(busy, row.digest), busy.log.given
        askings = []
        for turn, numbers in enumerate((range(8), range(8, 14), range(14, 15))):
            askings += await asked_of(desk, numbers, apart=min(turn, 1))
            while len(given) == turn:
                await asyncio.sleep(0)
            given[turn][1](None)
        await asyncio.gather(*(asking.future for asking in askings))
        await desk.close()
        return [records for records, _ in given]

    assert asyncio.run(asked()) == [8, 6, 1]


def test_enough_of_them_are_answered_while_it_is_still_busy(busy: Any) -> None:
    """So that their events lie there when the disk is free."""
    row = busy.release()
    busy.fleet.ensure([row])

    async def asked() -> list[int]:
        desk, given = desk_of(busy, row.digest), busy.log.given
        askings = await asked_of(desk, range(40))
        meanwhile = [records for records, _ in given]
        while not all(asking.future.done() for asking in askings):
            if given:
                given.pop(0)[1](None)
            await asyncio.sleep(0)
        await desk.close()
        return meanwhile

    assert asyncio.run(asked()) == [1, 32]


def test_nobody_waits_longer_for_a_disk_that_never_answers_because_it_gathered(busy: Any) -> None:
    """Who gathered is told, too, that the log took too long, and none of them is answered."""
    row = busy.release()
    busy.fleet.ensure([row])

    async def asked() -> set[str]:
        desk = desk_of(busy, row.digest, record_timeout_ms=20.0)
        askings = await asked_of(desk, range(3))
        found = await asyncio.gather(*(asking.future for asking in askings), return_exceptions=True)
        await desk.close()
        return {f"{type(error).__name__}: {error}" for error in found}

    (said,) = asyncio.run(asked())
    assert said.startswith("Unavailable: the event log took over 0.02 s")
