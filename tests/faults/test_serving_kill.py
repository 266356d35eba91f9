"""kill -9 of a server under load: whatever was answered is in the log when it is opened again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from plimsoll.client import Client
from plimsoll.errors import Unavailable
from plimsoll.kernel.records import Event, Outcome
from plimsoll.store import SegmentLog, SqlCatalog

TESTS = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with one live release."""
    monkeypatch.syspath_prepend(str(TESTS))
    from serving.conftest import live, make_yard, toy
    from serving.running import deploy

    yard, catalog = make_yard(tmp_path, toy()), SqlCatalog(f"sqlite:///{tmp_path / 'catalog.db'}")
    row = yard.release()
    catalog.add_release(row)
    deploy(catalog, live(row.digest))
    yard.log.close()
    catalog.close()
    return tmp_path


def started(folder: Path, durability: str) -> tuple[subprocess.Popen[str], int]:
    child = subprocess.Popen(
        [sys.executable, "-m", "serving.child", str(folder), durability],
        cwd=TESTS,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    return child, int(child.stdout.readline())


class Callers:
    """Threads that ask and tell until nobody answers, and note what they were given."""

    def __init__(self, port: int, *, enough: int) -> None:
        self.answered: list[str] = []
        self.told: list[str] = []
        self.under_load = threading.Event()
        self._enough = enough
        self._port = port
        self._threads = [threading.Thread(target=self._call, args=(i,)) for i in range(8)]
        for thread in self._threads:
            thread.start()

    def _call(self, number: int) -> None:
        with (
            Client(f"http://127.0.0.1:{self._port}", "parcel-late", retries=0) as client,
            contextlib.suppress(Unavailable),
        ):
            while True:
                answer = client.ask(parcel=f"p{number}", weight=1.0, depot="north")
                self.answered.append(answer.event_id)
                if client.tell(answer.event_id, 1.0).accepted:
                    self.told.append(answer.event_id)
                if len(self.answered) >= self._enough:
                    self.under_load.set()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join(timeout=20)


@pytest.mark.parametrize("durability", ["process", "disk"])
def test_kill_9_loses_no_answer_and_no_outcome(folder: Path, durability: str) -> None:
    """Three times in a row on one folder: every event answered and every outcome accepted is there, once."""
    answered: list[str] = []
    told: list[str] = []
    for enough in (60, 20, 110):
        child, port = started(folder, durability)
        with child:
            callers = Callers(port, enough=enough)
            assert callers.under_load.wait(timeout=30)
            os.kill(child.pid, signal.SIGKILL)
            callers.wait()
        answered += callers.answered
        told += callers.told
    log = SegmentLog(folder / "events", writer="reader")
    records = log.read()[0]
    log.close()
    events = Counter(r.id for r in records if isinstance(r, Event))
    outcomes = Counter(r.event for r in records if isinstance(r, Outcome))
    assert set(answered) <= set(events)
    assert set(told) <= set(outcomes)
    assert set(events.values()) == set(outcomes.values()) == {1}
