"""Appends of asyncio tasks: what one turn of the event loop brings is committed and answered together.

A thread waits for the disk, so that the loop does not. While it waits, further turns gather and go together next.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

from plimsoll.errors import PlimsollError
from plimsoll.store.events.group import GroupCommit, closed

Then = Callable[[PlimsollError | None], None]
"""What is done once the bytes are durable, or with why they are not."""

Append = tuple[bytes, Then]
Turn = tuple[asyncio.AbstractEventLoop, list[Append]]


class Turns:
    """Collects each loop's appends a turn at a time. One wake-up of the thread takes all turns that have gathered, and
    one of the loop answers all of a turn."""

    def __init__(self, group: GroupCommit) -> None:
        self._group = group
        self._gathering: dict[asyncio.AbstractEventLoop, list[Append]] = {}
        self._guard = threading.Lock()
        self._turns: list[Turn] = []
        self._thread: threading.Thread | None = None
        self._bell = threading.Lock()  # what the thread sleeps on while ``_sleeps``
        self._bell.acquire()
        self._sleeps = self._ended = False

    def add(self, data: bytes, then: Then, loop: asyncio.AbstractEventLoop) -> None:
        """Have ``data`` committed, and ``then`` called on ``loop``. Call it on ``loop``'s thread."""
        appends = self._gathering.get(loop)
        if appends is None:
            appends = self._gathering[loop] = []
            loop.call_soon(self._submit, loop)
        appends.append((data, then))

    def close(self) -> None:
        """Commit what was submitted, then stop. What is submitted later is refused."""
        with self._guard:
            self._ended = True
            self._wake()
        if self._thread is not None:
            self._thread.join()

    def _submit(self, loop: asyncio.AbstractEventLoop) -> None:
        appends = self._gathering.pop(loop)
        with self._guard:
            if not self._ended:
                self._turns.append((loop, appends))
                self._wake()
                return
        _answer(loop, appends, closed())

    def _wake(self) -> None:
        """Under the guard."""
        if self._sleeps:
            self._sleeps = False
            self._bell.release()
        elif self._thread is None and self._turns:
            self._thread = threading.Thread(target=self._run, name="plimsoll-events", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while turns := self._next():
            error = self._committed(b"".join([data for _, appends in turns for data, _ in appends]))
            for loop, appends in turns:
                with suppress(RuntimeError):  # the loop was closed: nobody is left to answer
                    loop.call_soon_threadsafe(_answer, loop, appends, error)

    def _next(self) -> list[Turn]:
        """All turns that have gathered, at least one; none at the end."""
        while True:
            with self._guard:
                turns, self._turns = self._turns, []
                if turns or self._ended:
                    return turns
                self._sleeps = True
            self._bell.acquire()

    def _committed(self, data: bytes) -> PlimsollError | None:
        try:
            self._group.commit(data)
        except PlimsollError as error:
            return error
        return None


def _answer(loop: asyncio.AbstractEventLoop, appends: list[Append], error: PlimsollError | None) -> None:
    """Each in a callback of its own: what goes wrong in one is nothing to the others."""
    if len(appends) == 1:
        appends[0][1](error)
        return
    for _, then in appends:
        loop.call_soon(then, error)
