"""Group commit: one writer writes and flushes for all who wait, so that 32 writers cost one flush, not 32.

Whoever comes while nobody writes takes the lead and writes what is pending; those who come meanwhile wait, and the
first of them leads the next batch (DeWitt et al., "Implementation techniques for main memory database systems",
SIGMOD 1984). There is no timer: nobody waits for others who might come; and no thread of its own to wake.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from plimsoll.errors import Broken, PlimsollError, Unavailable


class _Waiting:
    """One append: its bytes, the lock that its thread sleeps on, and what it wakes up to."""

    __slots__ = ("awake", "data", "error", "leads")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.awake = threading.Lock()
        self.awake.acquire()
        self.leads = False
        self.error: PlimsollError | None = None


class GroupCommit:
    """Hands batches of bytes to ``write``, which returns when they are durable, or raises: then none of them is."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._guard = threading.Lock()
        self._pending: list[_Waiting] = []
        self._led = False

    def commit(self, data: bytes) -> None:
        """Return when ``data`` is durable. Order of arrival is order in the log."""
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

    def _sleep(self, me: _Waiting) -> None:
        try:
            me.awake.acquire()
        except BaseException:  # Ctrl-C: the lead must not stay with somebody who is gone
            with self._guard:
                if me in self._pending and not me.leads:
                    self._pending.remove(me)
            if me.leads:
                self._lead(me)
            raise

    def _lead(self, me: _Waiting) -> None:
        """Write what is pending, pass the lead on, and wake those whose bytes were written, or were not."""
        with self._guard:
            batch, self._pending = self._pending, []
        error: PlimsollError | None = Unavailable("recording events was interrupted: none of these is in the log")
        try:
            error = self._written(batch)
        finally:
            self._pass_on()
            for waiting in batch:
                waiting.error = error
                if waiting is not me:
                    waiting.awake.release()

    def _pass_on(self) -> None:
        with self._guard:
            successor = self._pending[0] if self._pending else None
            self._led = successor is not None
            if successor is not None:
                successor.leads = True
                successor.awake.release()

    def _written(self, batch: list[_Waiting]) -> PlimsollError | None:
        """Why ``batch`` could not be written. A supervisor: whatever happens here must reach all who wait."""
        try:
            self._write(b"".join([waiting.data for waiting in batch]))
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
