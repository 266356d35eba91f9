"""Who is turned away rests: refused unread, heard again soon, and last among those who come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from plimsoll.sections import Limits
from plimsoll.serving import resting
from plimsoll.serving.admission import Admission, Lanes, Overload
from plimsoll.serving.resting import Resting

from .conftest import live, parcel
from .running import Running, running, until
from .test_protocol import connected, request


def test_those_who_rest_are_woken_longest_first_and_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many they are: what is left over at the end of a tick has its turn in the next ones."""
    monkeypatch.setattr(resting, "MOST_PER_S", 200)
    woken: list[int] = []

    class Numbered:
        def __init__(self, number: int) -> None:
            self.number = number

        def wake(self) -> None:
            woken.append(self.number)

    async def rested() -> int:
        waiting = Resting()
        for number in range(30):
            waiting.add(Numbered(number))
        while len(waiting):
            await asyncio.sleep(resting.TICK_S)
        return waiting.ticks

    assert asyncio.run(rested()) == 15 and woken == [*range(30)]


@pytest.fixture
def full(yard: Any) -> Any:
    """A server with a queue that stands, and nobody who ever leaves it."""
    row = yard.release()
    overload = Overload(target_s=0.1, most=100)
    with running(
        yard, live(row.digest), rows=[row], admission=Admission(overload=overload, lanes=Lanes(Limits()))
    ) as up:
        stand(overload)
        yield up, overload


def stand(overload: Overload) -> None:
    overload.enter("interactive", 0.0)
    overload.standing, overload.per_s = True, 1.0


def test_who_does_not_fit_is_refused_before_anything_is_looked_at(full: tuple[Running, Overload]) -> None:
    """Even a body that is none: 503 with the time to come back, counted as shed and as refused."""
    up, overload = full
    with connected(up) as raw:
        status, headers, body = raw.send(request(b"{nonsense")).response()
    assert status == 503 and headers["retry-after"] == "1" and b"more is asked" in body
    refused = 'plimsoll_requests_refused_total{capability="parcel-late",status="503"} 1.0'
    until(lambda: overload.shed == 1 and refused in up.server.metrics_text().decode())


def test_what_was_sent_too_early_is_refused_and_what_comes_later_is_answered(full: tuple[Running, Overload]) -> None:
    """On one connection, as soon as there is no queue any more."""
    up, overload = full
    with connected(up) as raw:
        ask = request(parcel(1))
        assert [raw.send(ask).response()[0] for _ in range(3)] == [503, 503, 503]
        overload.withdraw()
        overload.standing = False
        assert raw.send(ask).response()[0] == 200


def test_requests_of_one_chunk_are_all_refused_in_order(full: tuple[Running, Overload]) -> None:
    up, overload = full
    with connected(up) as raw:
        raw.send(request(parcel(1)) * 3)
        assert [raw.response()[0] for _ in range(3)] == [503, 503, 503]
    until(lambda: overload.shed == 3)
