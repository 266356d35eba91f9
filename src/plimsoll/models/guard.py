"""A model that nobody can promise to end gets a thread of its own, and whoever asks it waits for so long and no longer.

Python cannot stop a thread. So there is one for each engine and never another: while it is stuck, every question to it
fails at once, and when it comes back it is asked again. An async class is cancelled instead, and its thread is free.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

from plimsoll.errors import Broken, PlimsollError, Unavailable
from plimsoll.models.engine import Engine, Matrix, Scores

_log = logging.getLogger(__name__)
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """The memory that this process holds (RSS). Costs 10 µs."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - Path.open costs as much again
        return int(file.read().split()[1]) * _PAGE_BYTES


class _Job:
    """One question to the engine, and what came of it."""

    __slots__ = ("done", "error", "matrix", "scores")

    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix
        self.done = threading.Event()
        self.scores: Scores | None = None
        self.error: BaseException | None = None


class Guarded:
    """An engine behind a time limit. ``failing``: why it is not asked now; ``""`` while all is well. ``grown_bytes``: by
    how much the process grew while it answered; another thread's memory may be among it."""

    native = False

    def __init__(self, engine: Engine, *, limit_s: float, resident: Callable[[], int] = resident_bytes) -> None:
        self._engine = engine
        self._limit_s = limit_s
        self._resident = resident
        self.kind, self.task, self.names, self.classes = engine.kind, engine.task, engine.names, engine.classes
        self.failing = ""
        self.grown_bytes = 0
        self._free = threading.Lock()  # held from the question until its answer, however late that is
        self._state = threading.Lock()
        self._inbox: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def predict(self, matrix: Matrix) -> Scores:
        """See :class:`Engine`. Raises Unavailable where there is no answer within the limit: then nobody asks again row by
        row, which would wait as long for each."""
        if not self._free.acquire(timeout=0.0 if self.failing else self._limit_s):
            raise Unavailable(self.failing or f"timeout: others were asked for over {self._limit_s * 1e3:g} ms")
        job = _Job(matrix)
        self._begin()
        self._inbox.put(job)
        if not job.done.wait(self._limit_s):
            self._give_up(job)
        if job.error is not None:
            raise job.error
        assert job.scores is not None
        return job.scores

    @property
    def busy(self) -> bool:
        return self._free.locked()

    def close(self) -> None:
        """End the thread, when it comes back."""
        self._inbox.put(None)
        closing = getattr(self._engine, "close", None)
        if closing is not None:
            closing()

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"plimsoll-{self.kind}", daemon=True)
            self._thread.start()

    def _give_up(self, job: _Job) -> None:
        """Raises Unavailable, unless the answer came after all."""
        with self._state:
            if job.done.is_set():
                return
            self.failing = f"timeout: no answer in {self._limit_s * 1e3:g} ms; not asked again until it comes back"
        _log.error("a %s model hangs: %s", self.kind, self.failing)
        cancel = getattr(self._engine, "cancel", None)
        if cancel is not None:
            cancel()
        raise Unavailable(f"timeout: no answer in {self._limit_s * 1e3:g} ms")

    def _work(self) -> None:
        while (job := self._inbox.get()) is not None:
            before = self._resident()
            try:
                job.scores = self._engine.predict(job.matrix)
            except PlimsollError as error:
                job.error = error
            except BaseException as error:  # noqa: BLE001 - not silent: whoever asked gets it, and the thread lives on
                job.error = Broken(f"the model raised {type(error).__name__}: {error}")
            self.grown_bytes += self._resident() - before
            with self._state:
                job.done.set()
                if self.failing:
                    _log.warning("a %s model that hung has come back", self.kind)
                self.failing = ""
            self._free.release()
