"""Features cut into parts that a person can name: what weak segments and failures are described by.

A number is cut at quantiles, a category has its commonest levels, and a missing value is a part of its own: that a
reading is not there is often what a fault looks like.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plimsoll.kernel.figure import figure

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
MISSING, OTHER = "missing", "another level"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binned:
    """Row i has the part ``codes[i, j]`` of the feature j, which is called ``parts[j][codes[i, j]]``."""

    names: tuple[str, ...]
    codes: Codes
    parts: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.codes)

    def says(self, feature: int, part: int) -> str:
        """The condition, in words: ``hour 17 to 23``."""
        return f"{self.names[feature]} {self.parts[feature][part]}"

    def rows(self, feature: int, part: int) -> NDArray[np.bool_]:
        return np.asarray(self.codes[:, feature] == part)


def binned(
    X: NDArray[np.float32],
    names: Sequence[str],
    levels: Mapping[str, Sequence[str]],
    *,
    bins: int = 4,
    most_levels: int = 12,
) -> Binned:
    """``X`` (rows × names) in parts. ``levels``: a category's names by their codes; −1 is one that training never saw.

    A feature with a single part says nothing and is left out.
    """
    kept: list[tuple[str, Codes, tuple[str, ...]]] = []
    for name, column in zip(names, np.asarray(X, dtype=np.float64).T, strict=True):
        if name in levels:
            codes, parts = _levelled(column, levels[name], most_levels)
        else:
            codes, parts = _quantiles(column, bins)
        if len(parts) > 1:
            kept.append((name, codes, parts))
    return Binned(
        names=tuple(name for name, _, _ in kept),
        codes=np.stack([c for _, c, _ in kept], axis=1) if kept else np.empty((len(X), 0), dtype=np.int64),
        parts=tuple(parts for _, _, parts in kept),
    )


def _quantiles(column: Floats, bins: int) -> tuple[Codes, tuple[str, ...]]:
    known = np.isfinite(column)
    values = column[known]
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins)) if len(values) else np.array([])
    place = np.searchsorted(edges, column, side="left")
    ends = [(part.min(), part.max()) if len(part := values[place[known] == b]) else None for b in range(len(edges) + 1)]
    return _compact(np.where(known, place, len(ends)), [*(_range(e) for e in ends), MISSING])


def _range(ends: tuple[float, float] | None) -> str:
    if ends is None:
        return ""
    low, high = ends
    return f"= {figure(low)}" if low == high else f"{figure(low)} to {figure(high)}"


def _levelled(column: Floats, levels: Sequence[str], most: int) -> tuple[Codes, tuple[str, ...]]:
    codes = np.where(np.isfinite(column), column, -1).astype(np.int64)
    codes = np.where((codes >= 0) & (codes < len(levels)), codes, len(levels))  # the last: unknown or missing
    count = np.bincount(codes, minlength=len(levels) + 1)
    common = np.argsort(-count[: len(levels)], kind="stable")[:most]
    place = np.full(len(levels) + 1, len(common))
    place[common] = np.arange(len(common))
    return _compact(place[codes], [*(f"= {levels[c]}" for c in common), OTHER])


def _compact(codes: Codes, parts: Sequence[str]) -> tuple[Codes, tuple[str, ...]]:
    """Without the parts that no row has."""
    there, compact = np.unique(codes, return_inverse=True)
    return compact.reshape(-1).astype(np.int64), tuple(parts[c] for c in there)


def pairs(width: int) -> Iterator[tuple[int, int]]:
    """Every two features, in order."""
    yield from ((a, b) for a in range(width) for b in range(a + 1, width))
