"""Redis stops and comes back under reads: nobody waits longer than the deadline, and rows are served again by itself."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from processes import until

from plimsoll.errors import Unavailable
from plimsoll.store import GuardedOnline, RedisOnline


class OwnRedis:
    """A Redis of this test's own, kept over restarts by its append-only file."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
        self._process = subprocess.Popen(
            ["redis-server", *options, "--dir", str(self._folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(7) == b"+PONG\r\n"
        return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    if shutil.which("redis-server") is None:
        if os.environ.get("CI"):
            raise RuntimeError("redis-server is not installed")
        pytest.skip("redis-server is not installed")
    server = OwnRedis(tmp_path)
    server.start()
    yield server
    server.stop()


def test_redis_stops_and_comes_back(own_redis: OwnRedis) -> None:
    """The rows are served, then refused at once, then served again; what was written before is there."""
    online = GuardedOnline(RedisOnline(own_redis.url, timeout_s=0.2), open_s=0.05)
    online.replace("v", [("a", 1, b"x")], mark="m1")
    assert online.get("v", "a") == (1, b"x")
    own_redis.stop()
    for _ in range(3):
        with pytest.raises(Unavailable):
            online.get("v", "a")
    assert online.problem
    own_redis.start()

    def served() -> bool:
        with suppress(Unavailable):
            return online.get("v", "a") == (1, b"x")
        return False

    until(served)
    assert online.problem == "" and online.mark("v") == "m1" and online.away >= 3
    online.close()


def test_a_redis_that_hangs_is_given_up_at_the_deadline() -> None:
    """It accepts, and says nothing. An open circuit does not even wait for that."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        online = GuardedOnline(
            RedisOnline(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0", timeout_s=0.05), when_away="missing", open_s=60
        )
        began = time.monotonic()
        assert [online.get("v", "a") for _ in range(50)] == [None] * 50
        assert time.monotonic() - began < 10, "fifty waits would be fifty deadlines"
        assert online.away == 50 and "Timeout" in online.problem
        online.close()
