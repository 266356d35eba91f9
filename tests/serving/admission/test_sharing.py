"""Limits that several processes share through Redis: exact, and declared about what happens while Redis is away."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from plimsoll.errors import Unavailable, UsageError
from plimsoll.sections import Limits
from plimsoll.serving.admission import Lanes, SharedLimits
from plimsoll.serving.admission.lanes import Lane
from plimsoll.serving.admission.tenant import _verified
from plimsoll.serving.refusals import Limited

from .conftest import PYTHON, RedisServer

SHOP = _verified("shop")

CHILD = """
import json, sys, time
from plimsoll.sections import Limits
from plimsoll.serving.admission import Lanes, SharedLimits
from plimsoll.serving.admission.tenant import _verified
from plimsoll.errors import Unavailable
limits = Limits(shared=sys.argv[1], requests_per_s=float(sys.argv[2]), burst=float(sys.argv[3]), timeout_ms=2000, stall_ms=2000)
shared = SharedLimits(limits)
lane = Lanes(limits, shared=shared).of(_verified("shop"), "late")
print("ready", flush=True)
sys.stdin.readline()
times, ends = [], time.monotonic() + float(sys.argv[4])
while time.monotonic() < ends:
    try:
        lane.enter(1, time.monotonic())
        lane.leave()
        times.append(time.monotonic())
    except Unavailable:
        time.sleep(0.001)
print(json.dumps(times), flush=True)
shared.close()
"""


@pytest.mark.parametrize(("per_s", "burst"), [(400.0, 50.0), (20.0, 5.0)])
def test_several_processes_never_exceed_what_they_share(redis_server: RedisServer, per_s: float, burst: float) -> None:
    """Together never more than the burst and what came back, plus a lease each in windows that begin later; and what
    there is is used."""
    count, seconds = 4, 2.0
    command = [PYTHON, "-c", CHILD, redis_server.url, str(per_s), str(burst), str(seconds)]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    times = sorted(t for child in children for t in json.loads(child.communicate(timeout=60)[0]))
    lease = max(1, int(per_s * 0.1))
    first = times[0]
    for i, at in enumerate(times):
        assert i + 1 <= burst + per_s * (at - first) + 1 + lease, "since it was new"
    for since in range(0, len(times), 7):
        for until in range(since, len(times), 7):
            allowed = burst + per_s * (times[until] - times[since]) + count * lease + 1
            assert until - since + 1 <= allowed
    assert len(times) >= 0.5 * (burst + per_s * (times[-1] - first))


@pytest.fixture
def two(redis_server: RedisServer) -> Any:
    """A factory of two replicas' lanes under one limit."""
    houses: list[SharedLimits] = []

    def make(**limits: Any) -> list[Lane]:
        lanes = []
        for _ in range(2):
            chosen = Limits(shared=redis_server.url, timeout_ms=500, stall_ms=500, **limits)
            houses.append(SharedLimits(chosen))
            lane = Lanes(chosen, shared=houses[-1]).of(SHOP, "late")
            assert lane is not None
            lanes.append(lane)
        return lanes

    yield make
    for house in houses:
        house.close()


def enter(lane: Lane) -> bool:
    try:
        lane.enter(1, time.monotonic())
    except Limited:
        return False
    return True


def until(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    waited, ends = threading.Event(), time.monotonic() + seconds
    while time.monotonic() < ends:
        if holds():
            return True
        waited.wait(0.02)
    return False


def test_so_many_at_a_time_over_all_replicas(two: Any) -> None:
    """What one gives back the other may take, within a renewal of the leases."""
    one, other = two(concurrent=4)
    inside = [lane for lane in (one, other) * 4 if enter(lane)]
    assert len(inside) == 4 and not enter(one) and not enter(other)
    while one in inside:
        inside.remove(one)
        one.leave()
    assert until(lambda: enter(other))


def test_slots_of_a_replica_that_died_come_back(two: Any) -> None:
    """When its lease is over: nobody has to clean up after it."""
    dead, alive = two(concurrent=2)
    assert enter(dead) and enter(dead) and not enter(alive)
    dead._slots._house.close()
    assert until(lambda: enter(alive))


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_an_open_limit_goes_on_with_each_replicas_own(two: Any, redis_server: RedisServer, how: str) -> None:
    """While Redis is stopped or hangs, and shares again when it is back. No call waits for longer than its deadline,
    and not every request makes one."""
    one, other = two(requests_per_s=0.5, burst=3, when_away="open")
    assert [enter(one) for _ in range(4)] == [True] * 3 + [False]
    getattr(redis_server, how)()
    began = time.monotonic()
    assert until(lambda: enter(other))
    while enter(other):
        pass
    for _ in range(200):
        enter(other)
    assert other._rate._house.link.failures < 20 and time.monotonic() - began < 10
    if how == "stop":
        redis_server.start()
        assert until(lambda: not other._rate._house.link.away and enter(other))
    else:
        redis_server.thaw()
        assert until(lambda: not other._rate._house.link.away)


class Far:
    """The way to a Redis that is far away: every answer of it comes ``late_s`` later."""

    def __init__(self, port: int, late_s: float) -> None:
        self._port, self._late_s = port, late_s
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._server.getsockname()[1]}/0"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                for one, other, late_s in ((near, far, 0.0), (far, near, self._late_s)):
                    self._threads.append(threading.Thread(target=self._carry, args=(one, other, late_s)))
                    self._threads[-1].start()

    def _carry(self, one: socket.socket, other: socket.socket, late_s: float) -> None:
        with contextlib.suppress(OSError), one:
            while data := one.recv(65536):
                threading.Event().wait(late_s)
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(timeout=10)


def test_nobody_stands_still_for_a_redis_that_is_late(redis_server: RedisServer) -> None:
    """The first one gets in by this replica's own limit; the lease comes beside, and is what counts from then on."""
    far = Far(redis_server.port, late_s=0.3)
    limits = Limits(shared=far.url, requests_per_s=10, burst=5, lease_s=5, timeout_ms=10_000, stall_ms=20)
    house = SharedLimits(limits)
    lane = Lanes(limits, shared=house).of(SHOP, "late")
    assert lane is not None and enter(lane)
    assert house.link.failures == 1 and house.beside.failures == 0
    rate: Any = lane._rate
    assert until(lambda: rate._stock > 0), "the thread had the patience"
    stock = rate._stock
    assert enter(lane) and rate._stock == stock - 1 and house.link.failures == 1
    house.close()
    far.close()


def test_a_closed_limit_lets_nobody_in_while_redis_is_away(two: Any, redis_server: RedisServer) -> None:
    """And says when to come back; it opens by itself."""
    for limits in ({"requests_per_s": 100}, {"concurrent": 4}):
        one, _ = two(when_away="closed", **limits)
        redis_server.stop()
        with pytest.raises(Unavailable, match="closed") as caught:
            one.enter(1, time.monotonic())
        assert not isinstance(caught.value, Limited) and caught.value.retry_after_s > 0
        redis_server.start()

        def opens(lane: Lane = one) -> bool:
            try:
                return enter(lane)
            except Unavailable:
                return False

        assert until(opens)


def test_tenants_and_capabilities_do_not_meet_in_redis(redis_server: RedisServer) -> None:
    """However they are named."""
    limits = Limits(shared=redis_server.url, requests_per_s=0.1, burst=1, timeout_ms=500, stall_ms=500)
    house = SharedLimits(limits)
    lanes = Lanes(limits, shared=house)
    pairs = [("a", "b:c"), ("a:b", "c"), ("a", "b"), ("b", "a")]
    for tenant, capability in pairs:
        lane = lanes.of(_verified(tenant), capability)
        assert lane is not None and enter(lane) and not enter(lane)
    house.close()


def test_a_clock_of_redis_that_was_ahead_blocks_nobody_for_long(redis_server: RedisServer) -> None:
    """What an hour's jump left behind is not waited for."""
    import redis

    limits = Limits(shared=redis_server.url, requests_per_s=10, burst=5, timeout_ms=500, stall_ms=500)
    house = SharedLimits(limits)
    lane = Lanes(limits, shared=house).of(SHOP, "late")
    client = redis.Redis.from_url(redis_server.url)
    client.set("plimsoll:rate:4:shop:late", str((time.time() + 3600) * 1e6))
    assert lane is not None and until(lambda: enter(lane), 5.0)
    client.close()
    house.close()


def test_a_url_that_is_none_is_said() -> None:
    """When the server starts."""
    with pytest.raises(UsageError, match="no Redis URL"):
        SharedLimits(Limits(shared="http://127.0.0.1"))
