"""Which positives score above which negatives: all that an AUC is made of, from one sort of the rows.

A pair (positive, negative) is won by the higher score and half won at a tie. What a row wins is its placement (DeLong,
DeLong & Clarke-Pearson 1988); with one cumulative count over the sorted rows it is known for all rows at once (Sun & Xu
2014), and with the wins between each two blocks an AUC of resampled blocks is two matrix products.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Bools = NDArray[np.bool_]

_CHUNK = 64
"""Neighbours in the order of scores whose pairs are counted one by one; pairs further apart are products of counts."""


class Wins(NamedTuple):
    """``order``: the rows by score. In that order: ``codes``, ``positive``, and what each row ``wins`` (a positive: the
    negatives below it; a negative: the positives above it; ties half)."""

    order: Codes
    codes: Codes
    positive: Bools
    wins: Floats
    first: Bools

    @property
    def total(self) -> float:
        """Pairs won by the positives."""
        return float(self.wins[self.positive].sum())


def wins(scores: Any, positive: Any, codes: Any) -> Wins:
    """Of these rows, O(n log n); the blocks that ``codes`` names take no part in it."""
    order = np.argsort(scores)
    ordered, positive, codes = scores[order], positive[order], codes[order]
    first = np.concatenate(([True], ordered[1:] != ordered[:-1])) if len(ordered) else np.zeros(0, dtype=bool)
    below = _below(~positive, first)  # of the rows below a negative those that are no negatives are positives
    won = np.where(positive, below, below + (positive.sum() - _rows_below(first)))
    return Wins(order, codes, positive, won, first)


def within(found: Wins, count: int) -> Floats:
    """Pairs won inside each of ``count`` blocks."""
    narrow = found.codes.astype(np.int16) if count < 2**15 else found.codes
    order = np.argsort(narrow, kind="stable")  # a radix sort, where codes are narrow
    codes, positive = found.codes[order], found.positive[order]
    if not len(codes):
        return np.zeros(count)
    tie = np.cumsum(found.first)[order]
    first = np.concatenate(([True], (tie[1:] != tie[:-1]) | (codes[1:] != codes[:-1])))
    negatives = np.bincount(codes, weights=~positive, minlength=count)
    before = np.cumsum(negatives) - negatives
    won = (_below(~positive, first) - before[codes])[positive]
    return np.bincount(codes[positive], weights=won, minlength=count).astype(np.float64)


def between(scores: Any, positive: Any, codes: Any, count: int) -> Floats:
    """(count, count): pairs that the positives of one block (row) win against the negatives of another (column).

    Exact. The rows in order of score are cut into chunks: pairs of different chunks are a product of counts, pairs
    inside one are counted. A tie is won in one order of the tied rows and lost in the other: half of both.
    """
    order = np.argsort(scores)
    scores, positive, codes = scores[order], positive[order], codes[order]
    tied = np.cumsum(np.concatenate(([True], scores[1:] != scores[:-1])))
    if not _mixed(tied, positive):
        return _ordered(positive, codes, count)
    both = (np.argsort(2 * tied + up, kind="stable") for up in (positive, ~positive))
    return np.asarray(sum(_ordered(positive[o], codes[o], count) for o in both) / 2.0)


def _mixed(tied: Codes, positive: Bools) -> bool:
    """Whether a positive and a negative share a score."""
    return bool(((tied[1:] == tied[:-1]) & (positive[1:] != positive[:-1])).any())


def _ordered(positive: Bools, codes: Codes, count: int) -> Floats:
    """Pairs in which the positive stands behind the negative."""
    chunks = -(-len(codes) // _CHUNK)
    cell = np.repeat(np.arange(chunks), _CHUNK)[: len(codes)] * count + codes
    up, down = (
        np.bincount(cell[of], minlength=chunks * count).reshape(chunks, count).astype(np.float64)
        for of in (positive, ~positive)
    )
    return np.asarray(up.T @ (np.cumsum(down, axis=0) - down)) + _near(positive, codes, count)


def _near(positive: Bools, codes: Codes, count: int) -> Floats:
    """The same inside each chunk: neighbours at every distance."""
    place = np.arange(len(codes)) % _CHUNK
    found = np.zeros(count * count)
    pairs: list[Codes] = []
    for distance in range(1, min(_CHUNK, len(codes))):
        behind = np.flatnonzero(positive[distance:] & ~positive[:-distance] & (place[distance:] >= distance))
        pairs.append(codes[behind + distance] * count + codes[behind])
    if pairs:
        found += np.bincount(np.concatenate(pairs), minlength=count * count)
    return found.reshape(count, count)


def _below(negative: Bools, first: Bools) -> Floats:
    """How many of the marked rows stand before each row; those of the same score count half. ``first``: where one begins."""
    seen = np.cumsum(negative, dtype=np.int64)
    if first.all():
        return seen - negative * 0.5
    starts = np.flatnonzero(first)
    ends = np.append(starts[1:], len(first)) - 1
    upto = seen[ends]
    middle = (upto + np.concatenate(([0.0], upto[:-1]))) / 2.0
    return np.repeat(middle, ends - starts + 1)


def _rows_below(first: Bools) -> Floats:
    """The same of all rows."""
    if first.all():
        return np.arange(0.5, len(first))
    starts = np.flatnonzero(first)
    sizes = np.diff(starts, append=len(first))
    return np.repeat(starts + sizes / 2.0, sizes)
