"""Group commit: one writer writes and flushes for all who wait, so that 32 writers cost one flush, not 32.

Whoever comes while nobody writes takes the lead and writes what is pending; those who come meanwhile wait, and the
first of them leads the next batch (DeWitt et al., "Implementation techniques for main memory database systems",
SIGMOD 1984). There is no timer, and no thread of its own to wake. A lead gives way to as many as there were in the last
batch: otherwise the first of them to come back would write alone while all the others wait, every other time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import zip_longest

from plimsoll.errors import Broken, PlimsollError, Unavailable


class _Waiting:
    """One append: its bytes, the lock that its thread sleeps on, what it wakes up to, and whom it wakes then."""

    __slots__ = ("awake", "awoken", "data", "error", "follower", "leads")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.awake = threading.Lock()
        self.awake.acquire()
        self.awoken = self.leads = False
        self.error: PlimsollError | None = None
        self.follower: _Waiting | None = None

    def wake(self) -> None:
        self.awoken = True
        self.awake.release()


class GroupCommit:
    """Hands batches of bytes to ``write``, which returns when they are durable, or raises: then none of them is."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._guard = threading.Lock()
        self._pending: list[_Waiting] = []
        self._led = False
        self._company = 1  # how many the last batch had

    def commit(self, data: bytes) -> None:
        """Return when ``data`` is durable. Order of arrival is order in the log."""
        if self._company == 1 and self._leads_alone():
            self._alone(data)
            return
        me = _Waiting(data)
        with self._guard:
            self._pending.append(me)
            me.leads, self._led = not self._led, True
        if not me.leads:
            self._sleep(me)
        if me.leads:
            self._lead(me)
        if me.error is not None:
            raise own_copy(me.error)

    def _leads_alone(self) -> bool:
        """Whether nobody writes or waits; then the caller has the lead."""
        with self._guard:
            if self._led:
                return False
            self._led = True
        return True

    def _alone(self, data: bytes) -> None:
        """Write it without all that others would need: nobody has come with it, nor came with the last."""
        try:
            error = self._written(data)
        finally:
            self._pass_on()
        if error is not None:
            raise error

    def _sleep(self, me: _Waiting) -> None:
        """Ctrl-C ends it at once where nobody counts on ``me`` yet, else when it has done what is counted on."""
        interrupt: BaseException | None = None
        while not me.awoken:
            try:
                me.awake.acquire()
            except BaseException as error:
                interrupt = error
                with self._guard:
                    if me in self._pending and not me.leads:
                        self._pending.remove(me)
                        raise
        if me.follower is not None:
            me.follower.wake()
        if interrupt is not None:
            if me.leads:
                self._lead(me)
            raise interrupt

    def _lead(self, me: _Waiting) -> None:
        """Write what is pending, pass the lead on, and wake those whose bytes were written, or were not."""
        batch: list[_Waiting] = []
        error: PlimsollError | None = Unavailable("recording events was interrupted: none of these is in the log")
        try:
            self._let_them_come()
            batch = self._taken()
            error = self._written(b"".join([waiting.data for waiting in batch]))
        finally:
            batch = batch or self._taken()
            self._pass_on()
            self._answer(me, batch, error)

    def _let_them_come(self) -> None:
        """Give way to those who were answered with the last batch and have more to say, once for each."""
        for _ in range(self._company):
            if len(self._pending) >= self._company:
                break
            time.sleep(0)

    def _taken(self) -> list[_Waiting]:
        with self._guard:
            batch, self._pending = self._pending, []
        self._company = len(batch)
        return batch

    def _pass_on(self) -> None:
        with self._guard:
            successor = self._pending[0] if self._pending else None
            self._led = successor is not None
            if successor is not None:
                successor.leads = True
                successor.wake()

    @staticmethod
    def _answer(me: _Waiting, batch: list[_Waiting], error: PlimsollError | None) -> None:
        """Each wakes the next: woken all at once, they would only queue for the interpreter's lock."""
        others = [waiting for waiting in batch if waiting is not me]
        for waiting, follower in zip_longest(others, others[1:]):
            waiting.error, waiting.follower = error, follower
        me.error = error
        if others:
            others[0].wake()

    def _written(self, data: bytes) -> PlimsollError | None:
        """Why ``data`` could not be written. A supervisor: whatever happens here must reach all who wait."""
        try:
            self._write(data)
        except PlimsollError as error:
            return error
        except Exception as error:  # noqa: BLE001
            return Broken(f"recording events failed in a way that should not be: {error!r}")
        return None


def closed() -> Unavailable:
    return Unavailable("the event log is closed: nothing is recorded any more")


def own_copy(error: PlimsollError) -> PlimsollError:
    """``error`` for one of the many it is raised to: a traceback belongs to one thread."""
    return type(error)(error.message, hint=error.hint, details=error.details)
