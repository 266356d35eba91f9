"""Offline/online skew: are the features that were served the ones that their recomputation gives?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from plimsoll.errors import UsageError
from plimsoll.features.columns import Floats


class Skew(NamedTuple):
    """How many rows differ, of how many; and per feature, in the schema's order, how many."""

    rows_mismatching: int
    rows: int
    per_feature: tuple[int, ...]

    @property
    def share(self) -> float:
        """0 of 0 rows is 0."""
        return self.rows_mismatching / self.rows if self.rows else 0.0

    def named(self, names: tuple[str, ...]) -> dict[str, int]:
        """The features that differ anywhere, most often first."""
        counted = zip(names, self.per_feature, strict=True)
        return {name: count for name, count in sorted(counted, key=lambda c: (-c[1], c[0])) if count}


def mismatches(online: Floats, offline: Floats, rtol: float = 1e-5) -> Skew:
    """Compare two matrices of the same questions (rows × features). NaN equals NaN and nothing else.

    Values differ where ``|a − b| > rtol · max(|a|, |b|)``: the same at any scale, and symmetric.
    """
    if online.shape != offline.shape:
        raise UsageError(f"the matrices have shapes {online.shape} and {offline.shape}")
    a, b = online.astype(np.float64), offline.astype(np.float64)
    with np.errstate(invalid="ignore"):  # inf − inf; equal infinities are caught by ==
        near = np.abs(a - b) <= rtol * np.maximum(np.abs(a), np.abs(b))
    finite = np.isfinite(a) & np.isfinite(b)
    same = (a == b) | (finite & near) | (np.isnan(a) & np.isnan(b))
    return Skew(int((~same).any(axis=1).sum()), len(a), tuple(int(n) for n in (~same).sum(axis=0)))
