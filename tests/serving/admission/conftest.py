"""A catalog with keys, a pepper, two clocks that are turned by hand, and an admission over them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from plimsoll import governance
from plimsoll.governance import Issued
from plimsoll.kernel.access import Scopes
from plimsoll.sections import Limits, Rule
from plimsoll.serving.admission import Admission, KeyTable, Lanes, Overload
from plimsoll.store import Pepper, SqlCatalog

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clocks:
    """Wall time, which may jump, and time that only passes."""

    def __init__(self) -> None:
        self.wall_s, self.passed_s = NOON.timestamp(), 1000.0

    def now(self) -> float:
        return self.wall_s

    def monotonic(self) -> float:
        return self.passed_s

    def passes(self, seconds: float) -> None:
        self.wall_s += seconds
        self.passed_s += seconds

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.wall_s, UTC)


class House:
    """What admission stands on, and the keys to it."""

    def __init__(self, folder: Path) -> None:
        self.catalog = SqlCatalog(f"sqlite:///{folder}/catalog.db")
        self.path = folder / "access" / "pepper"
        self.pepper = Pepper.kept(self.path)
        self.clocks = Clocks()

    def issue(self, tenant: str = "shop", **changes: Any) -> Issued:
        given: dict[str, Any] = {"scopes": Scopes(), "actor": "ada", "now": self.clocks.at, "name": "k", **changes}
        return governance.issue(self.catalog.access, self.pepper, tenant=tenant, **given)

    def table(self, **options: Any) -> KeyTable:
        clocks = self.clocks
        return KeyTable(self.catalog.access, self.path, now=clocks.now, monotonic=clocks.monotonic, **options)

    def admission(self, *, required: bool = True, trust_s: float = 3600.0, **options: Any) -> Admission:
        clocks = self.clocks
        rules = tuple(Rule(**rule) for rule in options.pop("rules", ()))
        most, wait_ms = options.pop("most", 1000), options.pop("wait_ms", 1000.0)
        tokens, shared = options.pop("tokens", None), options.pop("shared", None)
        made = Admission(
            overload=Overload(target_s=wait_ms / 1000, most=most, now=clocks.monotonic),
            lanes=Lanes(Limits(rules=rules, **options), shared=shared, now=clocks.monotonic),
            keys=self.table(trust_s=trust_s) if required else None,
            tokens=tokens,
            shared=shared,
            now=clocks.now,
            monotonic=clocks.monotonic,
        )
        made.refresh()
        return made


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.catalog.close()


def bearer(issued: Issued | str, **headers: str) -> list[tuple[bytes, bytes]]:
    """A request's headers with this credential, among the usual others."""
    credential = issued if isinstance(issued, str) else issued.credential
    more = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return [
        (b"host", b"127.0.0.1:8080"),
        (b"user-agent", b"test"),
        (b"authorization", f"Bearer {credential}".encode()),
        (b"content-type", b"application/json"),
        *more,
    ]


class RedisServer:
    """A Redis of the test's own, which may be stopped, frozen and started again."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as it:
                it.sendall(b"PING\r\n")
                if it.recv(7).startswith(b"+PONG"):
                    return
            time.sleep(0.02)
        raise RuntimeError("redis-server does not answer")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    try:
        made = RedisServer()
    except FileNotFoundError:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("there is no redis-server on this machine")
    yield made
    made.stop()


PYTHON = sys.executable
