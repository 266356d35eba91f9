"""What was asked and waits for its block to close: a table of rows, in the order of the log.

A row lies at a *place*. Rows of closed blocks stay until they are more than the others; then the others move together,
so that the cost of moving is shared by the rows that it frees. Everything is done for many rows at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plimsoll.operations.closed import Slices
from plimsoll.operations.flat import Codes, Floats, Integers, Names
from plimsoll.operations.index import NOWHERE, Index
from plimsoll.operations.shown import Shown
from plimsoll.stats.metrics import COST

CLOSED = 0
"""The number of no block: that of a row whose block has closed."""
_RELEASE, _UNIT = ".release", ".unit"
"""No number of an outcome is called so."""
LEAST = 4_096
"""Rows that there is room for at least, and of closed blocks that are not worth moving others for."""


class Rows(NamedTuple):
    """The rows of one block. ``scores``: NaN where the release said nothing."""

    labels: Floats
    scores: dict[str, Floats]
    columns: dict[str, Slices]
    shown: Shown | None


class WaitingRows:
    """``index``: event id → place. ``block``: the number of each row's block. ``labels``: NaN until the outcome comes.
    ``shown``: keep who was shown whose answer, and these numbers of its outcome; None where nobody asks for it."""

    def __init__(self, columns: Sequence[str], shown: Sequence[str] | None = None) -> None:
        self.index = Index()
        self.names = {column: Names() for column in columns}
        self._count = self._closed = 0
        self._block: Codes = np.zeros(LEAST, np.int32)
        self._labels: Floats = np.full(LEAST, np.nan)
        self._codes: dict[str, Codes] = {column: np.zeros(LEAST, np.int32) for column in columns}
        self._scores: dict[str, Floats] = {}
        self.releases = Names()
        self._shown: dict[str, NDArray[Any]] = {}
        if shown is not None:
            self._shown = {_RELEASE: np.zeros(LEAST, np.int32), _UNIT: np.zeros(LEAST, np.int64)}
            self._shown |= {name: np.full(LEAST, np.nan) for name in (*shown, COST)}

    def __len__(self) -> int:
        """Rows of open blocks."""
        return self._count - self._closed

    @property
    def end(self) -> int:
        """The place of the next row."""
        return self._count

    @property
    def block(self) -> Codes:
        return self._block[: self._count]

    @property
    def labels(self) -> Floats:
        return self._labels[: self._count]

    def add(self, places: dict[str, int], block: Codes, codes: dict[str, Codes]) -> None:
        """New rows at the end."""
        begin, self._count = self._count, self._count + len(block)
        self._grow()
        self._block[begin : self._count] = block
        for column, of_column in codes.items():
            self._codes[column][begin : self._count] = of_column
        self.index.add(places)

    def show(self, begin: int, releases: Codes, units: Integers, costs_usd: Floats) -> None:
        """Whose turn it was to answer these new rows, from the place ``begin`` on, who asked, and what it cost."""
        for name, values in ((_RELEASE, releases), (_UNIT, units), (COST, costs_usd)):
            self._shown[name][begin : self._count] = values

    def tell(self, name: str, places: Integers, values: Floats) -> None:
        """A number of the outcomes of these rows."""
        self._shown[name][places] = values

    def say(self, release: str, places: Integers, scores: Floats) -> None:
        """What a release said to these rows; the last word counts."""
        if release not in self._scores:
            self._scores[release] = np.full((len(self._block), *scores.shape[1:]), np.nan)
        self._scores[release][places] = scores

    def take(self, numbers: Sequence[int], blocks: int) -> Iterator[Rows]:
        """The rows of these blocks, of ``blocks`` that were ever numbered; they are closed from then on."""
        place = np.full(blocks + 1, -1)
        place[list(numbers)] = np.arange(len(numbers))
        order = place[self.block]
        rows = np.flatnonzero(order >= 0)
        if len(numbers) > 1:
            rows = rows[np.argsort(order[rows], kind="stable")]
        sizes = np.bincount(order[rows], minlength=len(numbers))
        self._closed += len(rows)
        for part in np.split(rows, np.cumsum(sizes)[:-1]):
            yield self._rows(part)
            self._block[part] = CLOSED

    def _rows(self, places: Integers) -> Rows:
        scores = {release: said[places] for release, said in self._scores.items()}
        return Rows(
            self._labels[places],
            {release: said for release, said in scores.items() if not np.isnan(said).all()},
            {column: _sliced(self.names[column], codes[places]) for column, codes in self._codes.items()},
            self._shown_of(places) if self._shown else None,
        )

    def _shown_of(self, places: Integers) -> Shown:
        shown = {name: values[places] for name, values in self._shown.items()}
        return Shown(dict(self.releases), shown.pop(_RELEASE), shown.pop(_UNIT), shown)

    def tidy(self, numbers: Iterable[int]) -> bool:
        """Move the rows of open blocks together where most rows are of closed ones; whether it was done. Blocks are
        numbered anew then: that of ``numbers[i]`` is i + 1."""
        if self._closed <= max(LEAST, len(self)):
            return False
        kept = np.flatnonzero(self.block != CLOSED)
        moved = np.full(self._count, NOWHERE)
        moved[kept] = np.arange(len(kept))
        self.index.rebuild(lambda places: moved[places])
        renumbered = {number: i + 1 for i, number in enumerate(numbers)}
        old, place = np.unique(self._block[kept], return_inverse=True)
        self._block = np.array([renumbered[n] for n in old.tolist()], np.int32)[place.reshape(-1)]
        self._labels = self._labels[kept]
        self._scores = {r: said[kept] for r, said in self._scores.items() if not np.isnan(said[kept]).all()}
        self._shown = {name: values[kept] for name, values in self._shown.items()}
        for column, codes in self._codes.items():
            self._codes[column] = self._recoded(column, codes[kept])
        self._count, self._closed = len(kept), 0
        self._grow()
        return True

    def _recoded(self, column: str, codes: Codes) -> Codes:
        """Forget values that no row has any more."""
        sliced = _sliced(self.names[column], codes)
        names = self.names[column] = Names()
        for name in sliced.names:
            names[name]
        return sliced.codes.astype(np.int32)

    def _grow(self) -> None:
        if self._count <= len(self._block):
            return
        room = max(LEAST, 2 * self._count)
        self._block = _longer(self._block, room, 0)
        self._labels = _longer(self._labels, room, np.nan)
        self._codes = {column: _longer(codes, room, 0) for column, codes in self._codes.items()}
        self._scores = {release: _longer(said, room, np.nan) for release, said in self._scores.items()}
        self._shown = {
            name: _longer(values, room, 0 if name in (_RELEASE, _UNIT) else np.nan)
            for name, values in self._shown.items()
        }


def _longer(values: NDArray[Any], room: int, fill: float) -> NDArray[Any]:
    grown = np.full((room, *values.shape[1:]), fill, values.dtype)
    grown[: len(values)] = values
    return grown


def _sliced(names: Names, codes: Codes) -> Slices:
    """The values that these rows have, and each row's among them."""
    if len(names) <= 4 * len(codes):
        there = np.flatnonzero(np.bincount(codes, minlength=len(names)))
        place = np.zeros(len(names), np.int64)
        place[there] = np.arange(len(there))
        own = place[codes]
    else:
        there, own = np.unique(codes, return_inverse=True)
    texts = list(names)
    return Slices(tuple(texts[code] for code in there.tolist()), own.reshape(-1).astype(np.int64, copy=False))
