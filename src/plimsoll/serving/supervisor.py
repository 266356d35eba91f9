"""N workers on one port, looked after: started, restarted when they die or fall silent, and drained together.

Each worker is a process of its own that listens with ``SO_REUSEPORT``; the kernel spreads connections over them. It
tells the supervisor how it is through a pipe: ``+`` once it answers, then a ``.`` about every second from its event
loop, or ``!`` and a line that says why it should be replaced. A worker whose event loop is stuck (a model that hangs)
falls silent, is killed and replaced; what it had acknowledged is in its event segment. One that asks to be replaced (a
model that leaks memory) is drained once all others answer. The pipe's end is its life: it closes when the worker is gone.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from plimsoll.serving.restarts import Restarts, Why

READY, ALIVE = b"+", b"."
_TROUBLE = re.compile(rb"!([^\n]*)\n")
ALIVE_EVERY_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
_SOUND_AFTER_S = 30.0
"""A worker that lived this long after it was ready is no crash loop: its next restart is at once again."""

State = Literal["starting", "ready", "away"]
_LONGEST_TROUBLE = 400
Command = Callable[[int, int], Sequence[str]]
"""(worker's number, the pipe's file descriptor) → the words that start it."""


def trouble_sign(why: str) -> bytes:
    """The sign of a worker that should be replaced; short enough for one write to a pipe to be one."""
    return f"!{' '.join(why.split())[:_LONGEST_TROUBLE]}\n".encode()


class Limits(NamedTuple):
    """How long the supervisor waits: for a first answer, for a sign of life, for a drain."""

    start_s: float = 120.0
    silent_s: float = 15.0
    drain_s: float = 30.0


class _Worker:
    """One place among the N, whoever fills it."""

    def __init__(self, number: int, name: str, silent_s: float) -> None:
        self.number, self.name, self.silent_s = number, name, silent_s
        self.state: State = "away"
        self.process: subprocess.Popen[bytes] | None = None
        self.pipe = -1
        self.heard_at = self.ready_at = 0.0
        self.pause_s = 0.0
        self.due_at = 0.0  # when an away worker is started again
        self.why: Why = "died"  # it will have been replaced, if it goes now
        self.trouble = ""


class Supervisor:
    """Keeps a worker for each of ``names`` running until it is told to stop (SIGTERM, SIGINT). SIGHUP replaces them one
    by one.

    ``say`` hears of each start, death and restart; ``all_ready`` is called once, when all have answered. ``silent_s``:
    the patience with a worker, by its number, where it is not the usual one. ``leads``: the number of one that the
    others wait for at the first start. ``restarts`` writes down who was replaced. A first worker that cannot start at
    all (wrong settings, a port that is taken) ends everything with its exit code: starting it again would change nothing.
    """

    def __init__(
        self,
        command: Command,
        names: Sequence[str],
        *,
        say: Callable[[str], None],
        limits: Limits | None = None,
        silent_s: Mapping[int, float] | None = None,
        leads: int | None = None,
        restarts: Restarts | None = None,
    ) -> None:
        self._command = command
        self._restarts = restarts
        self._say = say
        self._limits = limits or Limits()
        self._asked_to_stop = 0
        patience = silent_s or {}
        self._workers = [_Worker(n, name, patience.get(n, self._limits.silent_s)) for n, name in enumerate(names)]
        self._leader = None if leads is None else self._workers[leads]
        self.all_ready: Callable[[], None] | None = None
        self._selector = selectors.DefaultSelector()
        self._signals: list[int] = []
        self._to_replace: list[_Worker] = []
        self._ever_ready = False
        self._stopping_until = 0.0
        self._code = 0

    def run(self) -> int:
        """Start the workers and look after them; the exit code, 0 after a stop that was asked for."""
        with self._hearing_signals():
            while True:
                self._start_due()
                if self._stopping_until and not self._running():
                    return self._code
                for key, _ in self._selector.select(self._patience_s()):
                    self._hear(key)
                self._handle_signals()
                self._end_silent()
                self._replace_next()
                if self._restarts is not None:
                    self._restarts.renew()

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def _start_due(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            follows = self._leader is not None and worker is not self._leader and not self._ever_ready
            if worker.state == "away" and not follows and not self._stopping_until and worker.due_at <= now:
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        try:
            words = list(self._command(worker.number, theirs))
            worker.process = subprocess.Popen(words, pass_fds=(theirs,), stdin=subprocess.DEVNULL)
        finally:
            os.close(theirs)
        worker.pipe, worker.state, worker.heard_at = ours, "starting", time.monotonic()
        worker.why, worker.trouble = "died", ""
        self._selector.register(ours, selectors.EVENT_READ, worker)

    def _hear(self, key: selectors.SelectorKey) -> None:
        worker = key.data
        if worker is None:  # the signals' own socket: what came stands in the list already
            with contextlib.suppress(BlockingIOError):
                os.read(key.fd, 4096)
            return
        said = os.read(worker.pipe, 4096)
        if not said:
            self._gone(worker)
            return
        worker.heard_at = time.monotonic()
        if worker.state == "starting" and READY in _TROUBLE.sub(b"", said):
            self._answers(worker)
        if (trouble := _TROUBLE.search(said)) is not None:
            self._to_be_replaced(worker, "memory", trouble[1].decode(errors="replace"))

    def _answers(self, worker: _Worker) -> None:
        worker.state, worker.ready_at = "ready", worker.heard_at
        self._ever_ready = True
        assert worker.process is not None
        self._say(f"{worker.name} is ready (process {worker.process.pid})")
        if self.all_ready is not None and all(w.state == "ready" for w in self._workers):
            told, self.all_ready = self.all_ready, None
            told()

    def _to_be_replaced(self, worker: _Worker, why: Why, said: str) -> None:
        """When its turn comes: everybody else has to answer."""
        if worker.state == "ready" and worker not in self._to_replace:
            worker.why, worker.trouble = why, said
            self._to_replace.append(worker)
            if said:
                self._say(f"{worker.name} is replaced: {said}")

    def _gone(self, worker: _Worker) -> None:
        """Its end of the pipe is closed: it has died, or is about to."""
        assert worker.process is not None
        self._selector.unregister(worker.pipe)
        os.close(worker.pipe)
        try:
            code = worker.process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:  # it closed its end and lives on: of no use any more
            worker.process.kill()
            code = worker.process.wait()
        lived_s = time.monotonic() - worker.ready_at if worker.state == "ready" else 0.0
        worker.process, worker.state = None, "away"
        if self._stopping_until:
            return
        if not self._ever_ready and code > 0:
            self._code = code
            self._stop()
            return
        replaced = worker in self._to_replace
        if replaced:
            self._to_replace.remove(worker)
        calm = replaced or lived_s > _SOUND_AFTER_S
        worker.pause_s = 0.0 if calm else min(_LONGEST_PAUSE_S, max(_FIRST_PAUSE_S, 2 * worker.pause_s))
        worker.due_at = time.monotonic() + worker.pause_s
        if not replaced:
            self._say(f"{worker.name} ended ({_how(code)}); it is started again in {worker.pause_s:g} s")
        if self._restarts is not None:
            self._restarts.note(worker.name, worker.why, worker.trouble or _how(code))

    def _end_silent(self) -> None:
        """Kill who has not been heard of for too long, and who does not come to an end."""
        now = time.monotonic()
        for worker in self._running():
            assert worker.process is not None
            allowed = self._limits.start_s if worker.state == "starting" else worker.silent_s
            if self._stopping_until and now >= self._stopping_until:
                self._say(f"{worker.name} did not drain in time and is killed")
                worker.process.kill()
            elif now - worker.heard_at > allowed:
                self._say(f"{worker.name} has given no sign of life for {allowed:g} s and is killed")
                worker.heard_at = now
                worker.why, worker.trouble = "silent", f"no sign of life for {allowed:g} s"
                worker.process.kill()

    # ── signals ──────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def _hearing_signals(self) -> Iterator[None]:
        """Signals wake the selector through a socket, and are acted on outside of their handlers."""
        waking, woken = socket.socketpair()
        waking.setblocking(False)
        woken.setblocking(False)
        before = {s: signal.signal(s, lambda n, _: self._signals.append(n)) for s in _SIGNALS}
        wakeup = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        self._selector.register(woken, selectors.EVENT_READ, None)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            for worker in self._running():
                assert worker.process is not None
                worker.process.kill()
                worker.process.wait()
            self._selector.close()
            waking.close()
            woken.close()

    def _handle_signals(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number == signal.SIGHUP:
                for worker in self._workers:
                    self._to_be_replaced(worker, "asked", "")
                self._say(f"replacing {len(self._to_replace)} workers, one by one")
            else:
                self._stop()

    def _stop(self) -> None:
        """Ask all of them to end; asked a second time, not to wait any more; a third time, they are killed."""
        self._asked_to_stop += 1
        if self._asked_to_stop > 2:
            self._stopping_until = time.monotonic()
            return
        self._stopping_until = self._stopping_until or time.monotonic() + self._limits.drain_s
        for worker in self._running():
            assert worker.process is not None
            worker.process.terminate()

    def _replace_next(self) -> None:
        """Ask the next one to end, once everybody else answers: the others take its connections meanwhile."""
        others = all(w.state == "ready" for w in self._workers)
        if self._to_replace and others and not self._stopping_until:
            process = self._to_replace[0].process
            assert process is not None
            process.terminate()
            self._to_replace[0].state = "starting"  # it is on its way out, and has its start's patience for it

    def _running(self) -> list[_Worker]:
        return [w for w in self._workers if w.process is not None]

    def _patience_s(self) -> float:
        due = [w.due_at - time.monotonic() for w in self._workers if w.state == "away"]
        return max(0.01, min([1.0, *due]))


_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"
