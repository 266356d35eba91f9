"""N workers are looked after: real processes that die, hang, and drain."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from plimsoll.serving.restarts import restarts_in

_WORKER = """
import os, signal, sys, threading, time
number, pipe, behaviour = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if behaviour == "wrong":
    sys.exit(2)
stopping = threading.Event()
if behaviour == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
elif behaviour == "patient":
    signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, lambda *_: stopping.set()))
else:
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
os.write(pipe, b"+")
if behaviour == "leaky" and number == 0 and not os.path.exists(sys.argv[0] + ".told"):
    open(sys.argv[0] + ".told", "w").close()
    os.write(pipe, b"!the process holds 9 MB\\n")
while not stopping.wait(0.05):
    if behaviour != "silent" or number:
        os.write(pipe, b".")
"""

_SUPERVISOR = """
import sys
from pathlib import Path
from plimsoll.serving.restarts import Restarts
from plimsoll.serving.supervisor import Limits, Supervisor
worker, behaviour, silent_s, drain_s = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
command = lambda number, pipe: [sys.executable, worker, str(number), str(pipe), behaviour]
say = lambda text: print(text, flush=True)
limits, restarts = Limits(silent_s=silent_s, drain_s=drain_s), Restarts(Path(worker).parent / "run")
sys.exit(Supervisor(command, ["worker 0", "worker 1"], say=say, limits=limits, restarts=restarts).run())
"""


class Running:
    """A supervisor in a process of its own, and what it says."""

    def __init__(self, folder: Path, behaviour: str = "", silent_s: float = 60.0, drain_s: float = 60.0) -> None:
        worker = folder / "worker.py"
        worker.write_text(_WORKER)
        words = [sys.executable, "-c", _SUPERVISOR, str(worker), behaviour, str(silent_s), str(drain_s)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.said: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.put(line.strip())

    def until(self, text: str) -> str:
        """The next line that holds ``text``."""
        while True:
            line = self.said.get(timeout=30)
            if text in line:
                return line

    def workers(self) -> dict[int, int]:
        """Number → process, once two have answered."""
        found: dict[int, int] = {}
        while len(found) < 2:
            words = self.until("is ready (process").split()
            found[int(words[1])] = int(words[5].rstrip(")"))
        return found

    def close(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def start(tmp_path: Path) -> Iterator[type[Running]]:
    made: list[Running] = []

    def start(*arguments: object, **named: object) -> Running:
        made.append(Running(tmp_path, *arguments, **named))  # type: ignore[arg-type]
        return made[-1]

    yield start  # type: ignore[misc]
    for running in made:
        running.close()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_killed_worker_is_replaced_and_the_others_go_on(start) -> None:
    """kill -9 of one: another takes its place, and the second was never touched."""
    running = start()
    before = running.workers()
    os.kill(before[0], signal.SIGKILL)
    assert "killed by SIGKILL" in running.until("worker 0 ended")
    after = running.until("worker 0 is ready")
    assert str(before[0]) not in after and not gone(before[1])


def test_a_stop_drains_every_worker_and_ends_with_zero(start) -> None:
    """SIGTERM goes to all of them; nothing is left behind."""
    running = start()
    workers = running.workers()
    assert running.close() == 0
    assert all(gone(pid) for pid in workers.values())


def test_a_silent_worker_is_killed_and_replaced(start) -> None:
    """An event loop that is stuck gives no sign of life, whatever the process does."""
    running = start("silent", silent_s=0.5)
    running.workers()
    assert "worker 0 has given no sign of life" in running.until("no sign of life")
    running.until("worker 0 is ready")


def test_a_worker_that_does_not_drain_is_killed_in_the_end(start) -> None:
    """The drain has a limit, and it is said who overran it."""
    running = start("stubborn", drain_s=0.3)
    running.workers()
    assert running.close() == 0
    assert "did not drain" in running.until("did not drain")


@pytest.mark.parametrize(("behaviour", "signals"), [("patient", 2), ("stubborn", 3)])
def test_who_asks_again_means_it(start, behaviour: str, signals: int) -> None:
    """A second signal ends the workers' wait for whoever still sends them requests; a third one everything."""
    running = start(behaviour, drain_s=600.0)
    workers = running.workers()
    for _ in range(signals - 1):
        running.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(timeout=0.3)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(timeout=30) == 0
    assert all(gone(pid) for pid in workers.values())


def test_workers_that_cannot_start_end_everything_with_their_code(start) -> None:
    """Wrong settings are no crash to recover from: one try, and the worker's own exit code."""
    running = start("wrong")
    assert running.process.wait(timeout=30) == 2


def test_a_worker_that_asks_for_it_is_drained_and_replaced(start, tmp_path: Path) -> None:
    """Its memory is over: it is asked to end once all answer; why is written down, and counted for a scrape."""
    running = start("leaky")
    first = int(running.until("worker 0 is ready").split()[5].rstrip(")"))
    assert running.until("worker 0 is replaced").endswith("the process holds 9 MB")
    running.until("worker 0 is ready")
    assert gone(first)
    (noted,) = restarts_in(tmp_path / "run")
    assert (noted.worker, noted.why, noted.said) == ("worker 0", "memory", "the process holds 9 MB")
    counted = tmp_path / "run" / "metrics" / "supervisor.prom"
    while 'plimsoll_worker_restarts_total{why="memory"} 1.0' not in counted.read_text():
        threading.Event().wait(0.05)  # it is left with the supervisor's next look


def test_a_hangup_replaces_the_workers_one_by_one(start) -> None:
    """The second is asked to end only when the first's successor answers."""
    running = start()
    before = running.workers()
    running.process.send_signal(signal.SIGHUP)
    running.until("replacing 2 workers")
    after = running.workers()
    assert set(before.values()).isdisjoint(after.values()) and set(after) == {0, 1}


def test_orphaned_workers_notice_that_their_supervisor_died(start) -> None:
    """A supervisor that is killed closes the pipes' ends: the next sign of life finds nobody."""
    running = start()
    workers = running.workers()
    running.process.kill()
    running.process.wait(timeout=30)
    for pid in workers.values():
        while not gone(pid):  # their write to the pipe fails, and ends them
            threading.Event().wait(0.01)
