"""`plimsoll up` as people run it: processes on a scaffolded capability, spoken to over the wire."""

from __future__ import annotations

import http.client
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from plimsoll.client import Client
from plimsoll.errors import Unavailable
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.records import Event
from plimsoll.scaffold import sample_plan, write
from plimsoll.settings import read_settings
from plimsoll.store import SegmentLog, SqlCatalog

ORDER = {"order_id": "o1", "channel": "web", "price_eur": 30.0, "items": 2}
PATIENCE_S = 100.0
"""Below the limit of one test; a busy machine takes ten times as long as an idle one."""


LOOP = "[loop]\nevery_s = 0.05\nlease_s = 1.0\n"
"""A loop that passes often, and a lease that runs out soon."""


def scaffold(folder: Path) -> Path:
    """The capability ``orders``."""
    write(sample_plan("orders", "binary"), folder)
    (folder / "plimsoll.toml").write_text(LOOP)
    return folder


def scaffold_shop(folder: Path) -> Path:
    """A folder with the capabilities ``orders`` and ``returns``, which share its home."""
    for name in ("orders", "returns"):
        write(sample_plan(name, "binary"), folder / name)
        (folder / name / "plimsoll.toml").write_text('home = "../.plimsoll"\n')
    (folder / "plimsoll.toml").write_text(LOOP)
    return folder


def command(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(
        [sys.executable, "-m", "plimsoll.cli", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def run(folder: Path, *words: str) -> tuple[int, Any]:
    """(exit code, what it said as JSON)."""
    process = command(folder, *words, "--json")
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, json.loads(out or err)


def catalog_of(folder: Path) -> SqlCatalog:
    """The one that its settings name."""
    return SqlCatalog(read_settings(folder, environment={}).catalog_url)


def hold_lease(folder: Path, release: str, capability: str = "orders") -> None:
    """``release`` went live in an earlier life of this home."""
    from datetime import UTC, datetime

    from plimsoll.kernel.ports import Commit

    catalog = catalog_of(folder)
    d, now = catalog.deployment(capability), datetime.now(UTC)
    lease = Lease(release=release, granted_at=now, keep=(), since=now, renewed_at=now)
    after = msgspec.structs.replace(d, lease=lease, queue=(), states={**d.states, release: State.LIVE})
    catalog.commit(Commit(deployment=after, entries=()), None)
    catalog.close()


def release_of(folder: Path, capability: str = "orders") -> str:
    catalog = catalog_of(folder)
    digest = catalog.releases(capability)[0].digest
    catalog.close()
    return digest


def recorded(folder: Path) -> Counter[str]:
    """The ids of the events in the log, as whoever opens it next finds them."""
    log = SegmentLog(folder / ".plimsoll" / "events", writer="reader")
    found = Counter(r.id for r in log.read(limit=10**9)[0] if isinstance(r, Event))
    assert list(log.verify()) == []
    log.close()
    return found


class Up:
    """A running `plimsoll up`."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.process = command(folder, "up", "--port", "0", "--json", *options)
        self.said: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._listen), threading.Thread(target=self._errors)]
        for thread in self._threads:
            thread.start()
        self.url = self.hear("http://").rpartition(" ")[2]
        self.port = int(self.url.rpartition(":")[2])

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(json.loads(line)["said"])

    def _errors(self) -> None:
        assert self.process.stderr is not None
        self.errors += self.process.stderr.readlines()

    def hear(self, what: str, *, within_s: float = PATIENCE_S) -> str:
        """The next thing it says with ``what`` in it."""
        while what not in (said := self._lines.get(timeout=within_s)):
            self.said.append(said)
        self.said.append(said)
        return said

    def client(self, capability: str = "orders", **options: Any) -> Client:
        return Client(self.url, capability, **options)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        said = response.read()
        connection.close()
        return response.status, json.loads(said)

    def stop(self, sig: int | None = None) -> int:
        """Its exit code."""
        import signal

        self.process.send_signal(signal.SIGTERM if sig is None else sig)
        code = self.process.wait(timeout=PATIENCE_S)
        for thread in self._threads:
            thread.join(timeout=10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code

    def __enter__(self) -> Up:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            import signal

            self.stop(signal.SIGKILL)


class Asking:
    """Asks from a thread, over new connections, until told to end; keeps the ids that it got."""

    def __init__(self, url: str, capability: str = "orders") -> None:
        self.url, self.capability = url, capability
        self.acknowledged: list[str] = []
        self.failed = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        while not self._end.is_set():
            with Client(self.url, self.capability, timeout_s=PATIENCE_S) as client:
                try:
                    self.acknowledged.append(client.ask(**ORDER).event_id)
                except Unavailable:
                    self.failed += 1

    def until(self, n: int) -> None:
        """Wait for ``n`` more answers."""
        wanted = len(self.acknowledged) + n
        while len(self.acknowledged) < wanted:
            assert self._thread.is_alive()
            self._end.wait(0.01)

    def end(self) -> None:
        self._end.set()
        self._thread.join(timeout=PATIENCE_S)
        assert not self._thread.is_alive()


def until(true: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
    """Ask until it is so."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within_s, "it never came"
