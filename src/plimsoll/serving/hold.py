"""The memory of one process, over all its capabilities: releases that were loaded because somebody asked for them go
first, the least recently used before the others. What a deployment needs is never unloaded for room.

A process that is over its limit with nothing left to unload grows by itself: a model leaks. That is said, with the
release that grew most while it answered: ``over`` is for people, and ``leak`` for who can put another process in the
place of this one.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import weakref
from collections.abc import Callable
from typing import NamedTuple, Protocol

from plimsoll.kernel.digest import short
from plimsoll.models import resident_bytes

_log = logging.getLogger(__name__)
_MB = 1_048_576
_ROOM_SHARE = 0.8
"""A process that takes more of its limit as soon as it answers is not helped by another one of its kind."""


class Spare(NamedTuple):
    """A release that could be unloaded: when it was last used (any growing number), and how to."""

    used_at: float
    release: str
    unload: Callable[[], object]


class Growth(NamedTuple):
    """By how much the process grew while a release answered."""

    grown_bytes: int
    release: str


class _Fleet(Protocol):
    def spare(self) -> list[Spare]: ...

    def growth(self) -> list[Growth]: ...


class Hold:
    """``limit_mb``: the memory of the process (RSS) above which room is made; 0 is without limit."""

    def __init__(self, limit_mb: int = 0, *, resident: Callable[[], int] = resident_bytes) -> None:
        self.limit_bytes = limit_mb * _MB
        self._resident = resident
        self._fleets: weakref.WeakSet[_Fleet] = weakref.WeakSet()
        self._making_room = threading.Lock()
        self.over = ""
        self.unloaded = 0  # for want of room, since the start
        self._settled_bytes = 0

    def settle(self) -> None:
        """All that is needed is loaded, and answering begins: what the process holds now it needs."""
        self._settled_bytes = self._resident()

    @property
    def leak(self) -> str:
        """Why another process should take the place of this one; ``""`` while all is well, and where it would not help."""
        return self.over if self._settled_bytes <= _ROOM_SHARE * self.limit_bytes else ""

    def join(self, fleet: _Fleet) -> None:
        self._fleets.add(fleet)

    def resident_bytes(self) -> int:
        """What the process holds now."""
        return self._resident()

    def make_room(self, *, keep: str = "") -> bool:
        """Unload what was only asked for, the least recently used first, until the process is within its limit;
        ``keep`` stays. Whether it is then. Costs 10 µs where nothing is to be done.
        """
        if not self._is_over():
            self.over = ""
            return True
        with self._making_room:
            for spare in sorted(
                (s for f in tuple(self._fleets) for s in f.spare()), key=lambda s: (s.used_at, s.release)
            ):
                if spare.release == keep:
                    continue
                _log.info("unloading %s: the process is over its memory limit", short(spare.release))
                spare.unload()
                self.unloaded += 1
                _give_back()
                if not self._is_over():
                    self.over = ""
                    return True
        self._say_over()
        return False

    def _is_over(self) -> bool:
        return bool(self.limit_bytes) and self._resident() > self.limit_bytes

    def _say_over(self) -> None:
        grown = max((g for f in tuple(self._fleets) for g in f.growth()), default=None)
        most = f"; it grew by {grown.grown_bytes // _MB} MB while {short(grown.release)} answered" if grown else ""
        said = (
            f"the process holds {self._resident() // _MB} MB, and {self.limit_bytes // _MB} are allowed, with nothing "
            f"left to unload{most}"
        )
        if not self.over:
            _log.error("%s", said)
        self.over = said


def _give_back() -> None:
    """Ask the C library to hand freed memory back, so that it shows; others than glibc do so by themselves."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return
