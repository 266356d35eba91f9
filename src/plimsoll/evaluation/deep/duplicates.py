"""Rows of the gate that the training set has already, nearly: how many, which, and what they do to the metrics.

Rows are compared by the features that the model sees, each number as its cell of a tenth of its standard deviation, a missing
value as a cell of its own. Two rows are nearly the same where all cells are, or, of eight features and more, all but one.
That is exact: a row's digest is the sum of its cells' digests, so the digest without a feature is the sum less that one,
and every row is looked up under each of these. Two numbers on either side of a cell's edge are told apart, however near.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.evaluation.deep.loss import Loss
from plimsoll.evaluation.deep.minhash import mixed
from plimsoll.evaluation.suite.overlap import TENTH, spread

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]
LEAST_FEATURES = 8
"""From here on one of them may differ."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the gate and the training row that it is nearly the same as; units are empty where they may not be shown.
    ``differs``: the feature in which they differ, if any. What ``happened`` is empty where it is not known."""

    unit: str
    twin: str
    twin_asked_at: str
    alike: float
    differs: str = ""
    happened: str = ""
    happened_then: str = ""


class Copies(msgspec.Struct, frozen=True, kw_only=True):
    """``near`` of the gate's ``rows`` are nearly the same as an earlier row, ``exact`` of these in every cell (letter run).
    ``usually``: the share of the training set's own last blocks that recurs so; None where it is too short to say.
    ``without``: each metric without these rows, ``worse_by`` by how much it is worse than with them; ``among``: of these
    rows alone."""

    name: str
    of: Literal["features", "text"]
    rows: int
    near: int
    exact: int
    usually: float | None
    pairs: tuple[Pair, ...]
    without: tuple[Loss, ...]
    among: tuple[Loss, ...]

    @property
    def share(self) -> float:
        return self.near / self.rows if self.rows else 0.0


class Partners(NamedTuple):
    """For each row the newest earlier one that it is nearly the same as (−1: none), and the feature in which they differ
    (−1: in none)."""

    place: NDArray[np.int64]
    differs: NDArray[np.int64]


def cells(X: NDArray[np.float32], like: NDArray[np.float32], categories: Sequence[bool]) -> NDArray[np.int64]:
    """Each value's cell: a category's code, a number's tenth of the spread that it has in ``like``."""
    width = np.where(np.asarray(categories), 1.0, spread(np.asarray(like, dtype=np.float64)) / TENTH)
    with np.errstate(invalid="ignore"):
        scaled = np.round(np.asarray(X, dtype=np.float64) / np.where(width > 0, width, 1.0))
    return np.where(np.isfinite(scaled), np.clip(scaled, -(2.0**40), 2.0**40), 2.0**41).astype(np.int64)


def partners(earlier: NDArray[np.int64], later: NDArray[np.int64]) -> Partners:
    """Of rows of cells, in order of time. O(features · n log n)."""
    count, width = later.shape
    tokens, others = _tokens(earlier), _tokens(later)
    whole, mine = tokens.sum(axis=1, dtype=np.uint64), others.sum(axis=1, dtype=np.uint64)
    place = _newest(whole, mine)
    differs = np.full(count, -1)
    for feature in range(width if width >= LEAST_FEATURES else 0):
        left = np.flatnonzero(place < 0)
        if not len(left):
            break
        found = _newest(whole - tokens[:, feature], mine[left] - others[left, feature])
        place[left] = found
        differs[left[found >= 0]] = feature
    return Partners(place, differs)


def _newest(keys: Keys, wanted: Keys) -> NDArray[np.int64]:
    """The last place of each wanted key; −1 where it is not there."""
    if not len(keys):
        return np.full(len(wanted), -1)
    order = np.argsort(keys, kind="stable")
    at = np.searchsorted(keys[order], wanted, side="right") - 1
    there = (at >= 0) & (keys[order][np.maximum(at, 0)] == wanted)
    return np.where(there, order[np.maximum(at, 0)], -1)


def _tokens(cells: NDArray[np.int64]) -> Keys:
    """A digest of each feature's cell, another one for the same cell of another feature."""
    of = np.arange(1, cells.shape[1] + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return mixed(mixed(cells.astype(np.uint64) + of) ^ of)
