"""Whether the gate's rows were in the training set already, exactly or nearly.

Some recurrence is the nature of many questions: the same flight every week, the same customer every month. What it is
usually, the training set itself says: its own last blocks against as many before them as the gate is compared with. Rows
are compared by a digest of what was asked (the question's own features and the entities that views are looked up by),
nearly: of the same, with each number rounded to a tenth of its spread.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.kernel.digest import rounded

Floats = NDArray[np.float64]
MOST_ROWS = 200_000
"""Of the training set, the last."""
TENTH = 10.0


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """The share of the gate's rows that the training set has, exactly and nearly, and what it ``usually`` is (None: the
    training set is too short to say). ``sure``: it has at least twice the gate's blocks, so the usual is well known."""

    exact: float
    usually: float | None
    near: float
    usually_near: float | None
    sure: bool

    @property
    def is_leak(self) -> bool:
        """More than one row in twenty beyond what recurs by nature."""
        return self.sure and self.usually is not None and _beyond(self.exact, self.usually)

    @property
    def is_suspicious(self) -> bool:
        if self.usually is None or self.usually_near is None:
            return self.exact >= _ODD
        return _beyond(self.exact, self.usually) or _beyond(self.near, self.usually_near)


_ODD = 0.05


def _beyond(share: float, usually: float) -> bool:
    return share > 2.0 * usually + _ODD


def overlap(
    train: Floats,
    gate: Floats,
    categories: Sequence[bool],
    train_blocks: NDArray[np.int64],
    gate_blocks: NDArray[np.int64],
) -> Overlap:
    """``train`` and ``gate``: what was asked, one column a feature, categories and entities as codes, NaN for missing.

    ``train_blocks``, ``gate_blocks``: each row's block, numbered from zero in order of time. The gate's first blocks are
    held against the training set's last, and the training set's own last against as many before them: more history has
    more recurrences.
    """
    have, wanted = int(train_blocks.max()) + 1, int(gate_blocks.max()) + 1
    compared = min(wanted, have // 2) or wanted
    history = have - compared if compared < have else have
    step = np.where(np.asarray(categories), 0.0, spread(train) / TENTH)
    asked, before = gate_blocks < compared, train_blocks >= have - history
    last, earlier = train_blocks >= history, train_blocks < history
    shares: list[float | None] = []
    for width in (np.zeros_like(step), step):
        rows, others = _keys(train, width), _keys(gate, width)
        shares += [_share(others[asked], rows[before]), _share(rows[last], rows[earlier]) if last.any() else None]
    exact, usually, near, usually_near = shares
    assert exact is not None and near is not None
    return Overlap(exact=exact, usually=usually, near=near, usually_near=usually_near, sure=have >= 2 * wanted)


def spread(x: Floats) -> Floats:
    """The standard deviation of each column, over what is there; 0 where nothing is."""
    known = np.isfinite(x)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0.0).sum(axis=0) / n
    return np.asarray(np.sqrt(np.where(known, (x - mean) ** 2, 0.0).sum(axis=0) / n))


def _keys(x: Floats, step: Floats) -> NDArray[np.uint64]:
    """A 64-bit digest a row (FNV-1a over its columns' bits); ``step`` 0 leaves a column as it is."""
    key = np.full(len(x), 0xCBF29CE484222325, dtype=np.uint64)
    for column, width in zip(x.T, step, strict=True):
        values = np.round(column / width) if width > 0 else column
        bits = (
            np.where(np.isnan(values), np.nan, values + 0.0).astype(np.float64).view(np.uint64)
        )  # −0 is 0, NaN is one
        mixed = bits ^ (bits >> np.uint64(29))
        key = (key ^ mixed) * np.uint64(0x100000001B3)
        key ^= key >> np.uint64(32)
    return key


def _share(rows: NDArray[np.uint64], of: NDArray[np.uint64]) -> float:
    return rounded(float(np.isin(rows, of).mean())) if len(rows) else 0.0
