"""Shedding: a queue that stands is cut to what can be answered in time; a burst that drains is let be."""

from __future__ import annotations

import contextlib
import math
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import Unavailable
from plimsoll.serving.admission import Overload

from .conftest import Clocks


def simulated(
    offered_per_s: float, capacity_per_s: float, *, seconds: float = 20.0, target_s: float = 0.2, most: int = 10_000
) -> tuple[float, list[float], Overload]:
    """One server, first come first served: (goodput over capacity, stays in the second half, the gate)."""
    clocks = Clocks()
    start = clocks.passed_s
    overload = Overload(target_s=target_s, most=most, now=clocks.monotonic)
    queue: deque[float] = deque()
    stays: list[float] = []
    free_at, next_at, ends, half = start, start, start + seconds, start + seconds / 2
    while next_at < ends:
        while queue and max(free_at, queue[0]) + 1 / capacity_per_s <= next_at:
            came = queue.popleft()
            free_at = clocks.passed_s = max(free_at, came) + 1 / capacity_per_s
            overload.leave(came)
            if free_at >= half:
                stays.append(free_at - came)
        clocks.passed_s = next_at
        try:
            overload.enter("interactive", next_at)
            queue.append(next_at)
        except Unavailable:
            pass
        next_at += 1 / offered_per_s
    return len(stays) / (seconds / 2) / capacity_per_s, stays, overload


def test_at_twice_the_capacity_the_goodput_stays_and_the_wait_is_bounded() -> None:
    """At least 90 % of what the server can do, and nobody who was let in waits for much longer than the target."""
    goodput, stays, overload = simulated(2000, 1000)
    assert goodput >= 0.9 and overload.shed > 0
    assert sorted(stays)[int(len(stays) * 0.99)] <= 0.2 * 2


def test_a_server_that_answers_in_turns_is_seen_through() -> None:
    """Nobody is inside between two turns, and what came during one has waited unread: the target holds for all of it."""
    clocks = Clocks()
    overload = Overload(target_s=0.02, most=10_000, now=clocks.monotonic)
    capacity_per_s, start = 10_000.0, clocks.passed_s
    came_s, waits = start, []
    while clocks.passed_s < start + 5:
        turn = []
        while came_s <= clocks.passed_s:
            with contextlib.suppress(Unavailable):
                overload.enter("interactive", clocks.passed_s)
                turn.append((came_s, clocks.passed_s))
            came_s += 1 / (2 * capacity_per_s)
        clocks.passed_s += max(1, len(turn)) / capacity_per_s
        for came, entered in turn:
            overload.leave(entered)
            if came >= start + 1:  # by then it has been noticed
                waits.append(clocks.passed_s - came)
    assert len(waits) >= 0.9 * 4 * capacity_per_s
    assert sorted(waits)[int(len(waits) * 0.99)] <= 0.02 * 1.5


def test_the_queue_stands_until_nobody_is_turned_away() -> None:
    """What is let in meanwhile waits briefly, which says nothing about those who are not."""
    clocks = Clocks()
    overload = Overload(target_s=0.1, most=1000, now=clocks.monotonic)
    overload.standing = True
    for asked, stands in ((1, True), (0, False)):
        overload.shed += asked
        for _ in range(12):
            overload.enter("interactive", clocks.passed_s)
            clocks.passed_s += 0.009
            overload.leave(clocks.passed_s - 0.009)
        assert overload.standing is stands


def test_below_the_capacity_nobody_is_shed() -> None:
    """At 80 %, and at a trickle."""
    for offered in (800, 5):
        assert simulated(offered, 1000)[2].shed == 0


def test_a_slow_model_is_no_queue() -> None:
    """One that takes four times the target by itself goes on at its own pace."""
    clocks = Clocks()
    overload = Overload(target_s=0.25, most=100, now=clocks.monotonic)
    waiting: deque[float] = deque()
    for _ in range(200):  # ten a second, each a second in the house, ten beside each other
        overload.enter("interactive", clocks.passed_s)
        waiting.append(clocks.passed_s)
        clocks.passed_s += 0.1
        while waiting and clocks.passed_s - waiting[0] >= 1.0:
            overload.leave(waiting.popleft())
    assert overload.shed == 0


def test_a_burst_after_a_pause_is_let_be() -> None:
    """However slow it was before: the pause is no evidence of slowness."""
    clocks = Clocks()
    overload = Overload(target_s=0.1, most=1000, now=clocks.monotonic)
    for _ in range(3):
        overload.enter("interactive", clocks.passed_s)
        began = clocks.passed_s
        clocks.passed_s += 0.01
        overload.leave(began)
        clocks.passed_s += 60
    for _ in range(500):
        overload.enter("batch", clocks.passed_s)
    assert overload.inside == 500 and overload.shed == 0


def test_batch_is_shed_before_people_are() -> None:
    """While a queue stands it is let in to half of what is tolerated."""
    overload = standing(inside=40, per_s=1000.0, target_s=0.1)
    with pytest.raises(Unavailable) as caught:
        overload.enter("batch", 2000.0)
    assert caught.value.retry_after_s >= 1.0
    overload.enter("interactive", 2000.0)


def test_who_could_not_be_answered_in_time_is_not_let_in() -> None:
    """The expected wait is held against the caller's own deadline."""
    overload = standing(inside=60, per_s=1000.0, target_s=1.0)
    with pytest.raises(Unavailable):
        overload.enter("interactive", 2000.0, 2000.05)
    overload.enter("interactive", 2000.0, 2000.5)


def standing(*, inside: int, per_s: float, target_s: float) -> Overload:
    overload = Overload(target_s=target_s, most=1000, now=lambda: 2000.0)
    for _ in range(inside):
        overload.enter("interactive", 2000.0)
    overload.standing, overload.per_s = True, per_s
    return overload


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 0.3)), max_size=200), st.integers(1, 20))
def test_there_are_never_more_inside_than_fit(steps: list[tuple[bool, float]], most: int) -> None:
    """Whatever comes and goes; and the count is right at every step."""
    clocks = Clocks()
    overload = Overload(target_s=0.1, most=most, now=clocks.monotonic)
    inside: list[float] = []
    for comes, passes in steps:
        clocks.passed_s += passes
        if not comes and inside:
            overload.leave(inside.pop())
        elif comes:
            try:
                overload.enter("interactive", clocks.passed_s, math.inf)
                inside.append(clocks.passed_s)
            except Unavailable:
                pass
        assert overload.inside == len(inside) <= most


def test_what_the_desk_has_no_room_for_is_not_let_in_again() -> None:
    """Until nobody is turned away any more: large requests fill the house before there are many of them."""
    overload = standing(inside=10, per_s=1e6, target_s=1.0)
    overload.overflowed()
    assert overload.turns_away("interactive", late=False)
    for _ in range(3):
        overload.leave(2000.0)
    assert not overload.turns_away("interactive", late=False)
