"""Answers kept in this process: a bounded number of bytes, the least recently used go first."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from plimsoll.circuit import State
from plimsoll.serving.caching.kept import Kept

_OVERHEAD_BYTES = 250
"""Of one entry, beside its answer: key, tuple, numbers and the dictionary's slot, as measured."""

_Entry = tuple[float, int, Kept]
"""When it ends, its bytes, and what is kept."""


class MemoryAnswers:
    """The port ``Answers`` in the process. Safe for several threads."""

    inline = True
    circuit: State = "closed"

    def __init__(self, size_bytes: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self.size_bytes, self.used_bytes, self.evicted = size_bytes, 0, 0
        self._now = now
        self._kept: OrderedDict[bytes, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, keys: Sequence[bytes]) -> list[Kept | None]:
        now_s = self._now()
        with self._lock:
            entries = list(map(self._kept.get, keys))
            if entries.count(None) == len(entries):
                return [None] * len(entries)
            return [
                None if entry is None else self._one(key, entry, now_s)
                for key, entry in zip(keys, entries, strict=True)
            ]

    def _one(self, key: bytes, entry: _Entry, now_s: float) -> Kept | None:
        if now_s >= entry[0]:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return entry[2]

    def put(self, keys: Sequence[bytes], kept: Sequence[Kept], ttl_s: float) -> None:
        ends_s, entries, used_bytes = self._now() + ttl_s, self._kept, 0
        with self._lock:
            for key, one in zip(keys, kept, strict=True):
                if key in entries:
                    self._drop(key)
                size_bytes = one.size_bytes + _OVERHEAD_BYTES
                if size_bytes <= self.size_bytes:
                    entries[key] = (ends_s, size_bytes, one)
                    used_bytes += size_bytes
            self.used_bytes += used_bytes
            while self.used_bytes > self.size_bytes:
                self._drop(next(iter(entries)))
                self.evicted += 1

    def _drop(self, key: bytes) -> None:
        entry = self._kept.pop(key, None)
        if entry is not None:
            self.used_bytes -= entry[1]

    def close(self) -> None:
        with self._lock:
            self._kept.clear()
            self.used_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)
