"""Where an event's row lies, by the event's id: an index that stays fast when it holds millions.

One dictionary of millions of ids misses the processor's caches at every step, and costs more than everything else that
the loop does with an event. Ids come in the order of time and are mostly asked for again soon (what was said beside), or
together with their neighbours (outcomes). So they are kept on shelves of some ten thousand that know the first and
the last id on them; a UUID of version 7 (RFC 9562) begins with its time, so that a shelf is a stretch of it. Ids of any
other kind are found as well: by looking on more shelves.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import compress, islice, repeat

import numpy as np
from numpy.typing import NDArray

SHELF = 65_536
"""Ids on a shelf: a dictionary that fits a cache."""
NOWHERE = -1
Moved = Callable[[NDArray[np.int64]], NDArray[np.int64]]
"""Places → where they are now."""


class Index:
    """Event id → the place of its row. An id that comes again is at its newest place."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._shelves: list[_Shelf] = []

    def __len__(self) -> int:
        return len(self._newest) + sum(len(shelf.places) for shelf in self._shelves)

    def add(self, places: dict[str, int]) -> None:
        """Take new ids in. ``places`` belongs to the index from now on."""
        if not self._newest or len(places) >= SHELF // 2:
            self._shelve()
            self._newest = places
        else:
            self._newest.update(places)
        if len(self._newest) >= SHELF:
            self._shelve()

    def _shelve(self) -> None:
        if self._newest:
            self._shelves.append(_Shelf(self._newest))
            self._newest = {}

    def find(self, ids: Sequence[str], first: Mapping[str, int]) -> NDArray[np.int64]:
        """The place of each id; NOWHERE for one that is not here. ``first`` has those that are not added yet."""
        found = np.fromiter(map(first.get, ids, repeat(NOWHERE)), np.int64, len(ids))
        others = np.flatnonzero(found == NOWHERE)
        if len(others):
            found[others] = self._older([ids[i] for i in others.tolist()])
        return found

    def _older(self, ids: list[str]) -> list[int]:
        known: dict[str, int] = {}
        wanted = sorted(ids)
        for shelf in self._shelves:  # from the oldest on: a newer place replaces an older one
            part = wanted[bisect_left(wanted, shelf.low) : bisect_right(wanted, shelf.high)]
            known.update(_there(part, shelf.places))
        known.update(_there(wanted, self._newest))
        return [known.get(id, NOWHERE) for id in ids]

    def rebuild(self, moved: Moved) -> None:
        """Give every id the place that its place has ``moved`` to; those that are NOWHERE then are forgotten."""
        self._shelve()
        for i, shelf in enumerate(self._shelves):
            shelf.move(moved, self._shelves[:i])
        kept = (pair for shelf in self._shelves for pair in shelf.places.items())
        self._shelves = []
        while part := dict(islice(kept, SHELF)):
            self.add(part)


class _Shelf:
    def __init__(self, places: dict[str, int]) -> None:
        self.places = places

    @cached_property
    def low(self) -> str:
        """The first id on it."""
        return min(self.places)

    @cached_property
    def high(self) -> str:
        """The last id on it."""
        return max(self.places)

    def move(self, moved: Moved, older: Sequence[_Shelf]) -> None:
        """Move its places, and forget those that are nowhere: on ``older`` shelves too, where an id came again."""
        now = moved(np.fromiter(self.places.values(), np.int64, len(self.places)))
        gone, beside = now == NOWHERE, [shelf for shelf in older if shelf.places and self._overlaps(shelf)]
        for shelf in beside:
            for id in shelf.places.keys() & set(compress(self.places, gone.tolist())):
                del shelf.places[id]
        kept = np.logical_not(gone)
        self.places = dict(zip(compress(self.places, kept.tolist()), now[kept].tolist(), strict=True))

    def _overlaps(self, other: _Shelf) -> bool:
        return self.low <= other.high and other.low <= self.high


def _there(ids: Sequence[str], places: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    return ((id, place) for id, place in zip(ids, map(places.get, ids), strict=True) if place is not None)
