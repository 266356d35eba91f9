"""The writing end of a log: the segment that is open, and what happens when the disk says no."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from plimsoll.errors import Unavailable
from plimsoll.store.durable import unavailable, write_all
from plimsoll.store.events.segments import Segment, claim, new_segment, seal

_log = logging.getLogger(__name__)

_PATIENCE_S = 1.0
_LONGEST_S = 86_400.0
"""A segment is closed a day after it was begun, however little is in it: what is kept by age must come to an end."""


class OpenSegment:
    """Appends bytes to the open segment, begins the next one when it is full. One caller at a time.

    When a write or a flush fails, what was written is taken back and the segment is sealed: after a failed flush
    nobody knows which of its pages the disk has, and a reader may stand beyond what was taken back.
    """

    def __init__(self, folder: Path, writer: str, segment_bytes: int, *, durable: bool) -> None:
        self._folder = folder
        self._writer = writer
        self._durable = durable
        self._segment_bytes = segment_bytes
        self._segment: Segment | None = None
        self._fd = self._lock = -1
        self._end = 0
        self._began_s = 0.0
        self._sealing: threading.Thread | None = None

    def add(self, data: bytes) -> None:
        """Append ``data``; on the disk at return if ``durable``. Raises Unavailable: then none of it is in the log."""
        try:
            self._make_room()
            write_all(self._fd, data)
        except OSError as error:
            self._take_back()
            raise unavailable("recording events", self._folder, error) from error
        except BaseException:  # Ctrl-C in the middle of a write
            self._take_back()
            raise
        self._end += len(data)

    def close(self) -> None:
        """Seal the segment and let go of the writer's name."""
        try:
            self._seal()
        finally:
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1

    def _make_room(self) -> None:
        if self._fd >= 0 and (self._end >= self._segment_bytes or time.monotonic() - self._began_s > _LONGEST_S):
            self._leave()
        if self._fd < 0:
            self._claim()
            self._segment, self._fd = new_segment(self._folder, self._writer, durable=self._durable)
            self._end, self._began_s = 0, time.monotonic()

    def _claim(self) -> None:
        """Take the writer's name. Whoever repairs after a dead writer holds it for a moment, so be patient a little."""
        until = time.monotonic() + _PATIENCE_S
        while self._lock < 0:
            self._lock = lock if (lock := claim(self._folder, self._writer)) is not None else -1
            if self._lock < 0 and time.monotonic() > until:
                raise Unavailable(
                    f"another process already records events as {self._writer!r} in {self._folder}",
                    hint="give each process its own writer name",
                )
            if self._lock < 0:
                time.sleep(0.01)

    def _take_back(self) -> None:
        if self._fd < 0:
            return
        with suppress(OSError):  # the first error is the one to tell; what cannot be undone now, repair() undoes
            os.ftruncate(self._fd, self._end)
            self._seal()

    def _leave(self) -> None:
        """Have the full segment sealed. Where nobody waits for the disk, nobody waits for a whole segment's flush."""
        if self._durable:
            self._seal()
            return
        self._wait()
        self._sealing = threading.Thread(target=_sealed_aside, args=self._let_go(), name="plimsoll-seal", daemon=True)
        self._sealing.start()

    def _wait(self) -> None:
        if self._sealing is not None:
            self._sealing.join()

    def _seal(self) -> None:
        self._wait()
        _sealed(*self._let_go())

    def _let_go(self) -> tuple[int, Segment | None]:
        left = self._fd, self._segment
        self._fd, self._segment, self._end = -1, None, 0
        return left


def _sealed(fd: int, segment: Segment | None) -> None:
    if segment is None:
        return
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    seal(segment)


def _sealed_aside(fd: int, segment: Segment | None) -> None:
    try:
        _sealed(fd, segment)
    except OSError as error:  # its records were acknowledged by what the system holds; opening the log again seals it
        _log.error("a segment could not be flushed and sealed: %s", error)
