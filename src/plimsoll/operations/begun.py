"""Blocks that have begun and are not closed: their names, and what is counted of each, by its number."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from plimsoll.kernel.columns import EPOCH, MICROSECOND
from plimsoll.operations.flat import Codes, Integers
from plimsoll.operations.waiting import CLOSED

_LEAST = 64


class BegunBlock(NamedTuple):
    """``first_at``: when its first event was asked, in the order of the log."""

    name: str
    number: int
    first_at: datetime


class BegunBlocks:
    """``by_name`` has those that are open. By number, from 1 on: when the newest event was asked and when the one that was
    read last, how many events there are, and how many have a label."""

    def __init__(self) -> None:
        self.by_name: dict[str, BegunBlock] = {}
        self.count = 0
        self.last_us: Integers = np.zeros(_LEAST, np.int64)
        self.read_last_us: Integers = np.zeros(_LEAST, np.int64)
        self.sizes: Integers = np.zeros(_LEAST, np.int64)
        self.labelled: Integers = np.zeros(_LEAST, np.int64)

    def numbers(
        self, columns: Sequence[Sequence[str]], sizes: Integers, at_us: Integers, closed: Collection[str]
    ) -> Codes:
        """The number of each event's block, which begins with the first of them; CLOSED for one that is ``closed``."""
        found: list[int] = []
        counts: list[int] = []
        row = 0
        for names, n in zip(columns, sizes.tolist(), strict=True):
            found += [self._number(name, at_us, row + i, closed) for i, name in enumerate(names)]
            counts += [n] if len(names) == 1 else [1] * n  # one for all, or each
            row += n
        return np.repeat(np.array(found, np.int32), counts)

    def _number(self, name: str, at_us: Integers, row: int, closed: Collection[str]) -> int:
        known = self.by_name.get(name)
        if known is not None:
            return known.number
        return CLOSED if name in closed else self._begin(name, int(at_us[row])).number

    def _begin(self, name: str, at_us: int) -> BegunBlock:
        self.count += 1
        if self.count >= len(self.last_us):
            self._set(np.concatenate([values, np.zeros_like(values)]) for values in self._counted())
        block = self.by_name[name] = BegunBlock(name, self.count, EPOCH + at_us * MICROSECOND)
        self.last_us[block.number] = at_us
        return block

    def last_with(self, numbers: Codes, at_us: Integers) -> Integers:
        """``last_us`` once these events are there."""
        last_us = self.last_us.copy()
        np.maximum.at(last_us, numbers, at_us)
        return last_us

    def renumber(self) -> list[int]:
        """Number the open blocks anew, from 1 on; the numbers that they had."""
        numbers = [block.number for block in self.by_name.values()]
        for i, block in enumerate(list(self.by_name.values()), 1):
            self.by_name[block.name] = block._replace(number=i)
        kept = [CLOSED, *numbers]
        self._set(np.concatenate([values[kept], np.zeros(_LEAST, np.int64)]) for values in self._counted())
        self.count = len(numbers)
        return numbers

    def _counted(self) -> tuple[Integers, ...]:
        return self.last_us, self.read_last_us, self.sizes, self.labelled

    def _set(self, counted: Iterable[Integers]) -> None:
        self.last_us, self.read_last_us, self.sizes, self.labelled = counted

    def ordered(self) -> list[BegunBlock]:
        """In the order in which they close."""
        return sorted(self.by_name.values(), key=lambda block: (block.first_at, block.name))
