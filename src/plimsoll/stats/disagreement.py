"""How two releases' answers to the same questions differ: not who is right, but how often and how far they part."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.stats.interval import Interval, exact_rate, t_interval

Floats = NDArray[np.float64]
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
FEWEST_BLOCKS = 5
"""From here on blocks bound a share; below, rows do, as if they were independent."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The distribution of paired differences. ``mean``, ``mean_abs``, ``sd``, ``quantiles`` (share → value), ``counts`` in
    ``edges`` (one more edge than counts). For many classes a difference is half the sum of the absolute ones (total
    variation), never negative. ``changed``: the share of questions that get another decision, with its bounds; None for
    numbers, which decide nothing by themselves."""

    rows: int
    mean: float
    mean_abs: float
    sd: float
    quantiles: dict[str, float]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    changed: Interval | None
    moved: dict[str, int]


def paired_differences(ours: Any, theirs: Any) -> Floats:
    """(n,) how far two answers to the same question lie apart: ours − theirs; for classes, total variation."""
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if a.shape != b.shape:
        raise UsageError(f"answers of shape {a.shape} and {b.shape}: they must be to the same questions")
    return a - b if a.ndim == 1 else np.asarray(0.5 * np.abs(a - b).sum(axis=1))


def decisions(scores: Any, task: str) -> NDArray[np.int64] | None:
    """What each answer comes to: a class; None for numbers."""
    s = np.asarray(scores, dtype=np.float64)
    if task == "regression":
        return None
    return np.asarray(s.argmax(axis=1) if s.ndim == 2 else (s >= 0.5), dtype=np.int64)


def difference(ours: Any, theirs: Any, blocks: Any, task: str, *, bins: int = 20) -> Difference:
    """How the answers ``ours`` and ``theirs`` differ over rows with these ``blocks``. Raises UsageError without rows."""
    apart = paired_differences(ours, theirs)
    if not len(apart):
        raise UsageError("there is no question that both answered")
    mine, others = decisions(ours, task), decisions(theirs, task)
    spread = float(np.abs(apart).max()) or 1.0
    counts, edges = np.histogram(apart, bins=bins, range=(0.0 if np.ndim(ours) == 2 else -spread, spread))
    changed = None if mine is None or others is None else _share(mine != others, blocks)
    return Difference(
        rows=len(apart),
        mean=float(apart.mean()),
        mean_abs=float(np.abs(apart).mean()),
        sd=float(apart.std()),
        quantiles={f"{q:g}": float(v) for q, v in zip(QUANTILES, np.quantile(apart, QUANTILES), strict=True)},
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        changed=changed,
        moved={} if mine is None or others is None else _moved(others, mine),
    )


def _share(hit: NDArray[np.bool_], blocks: Any) -> Interval:
    """The share of rows, bounded by how it varies from block to block (a two-sided 95 % interval, for people)."""
    codes = np.unique(np.asarray(blocks).astype(str), return_inverse=True)[1].reshape(-1)
    n = np.bincount(codes)
    if len(n) < FEWEST_BLOCKS:
        return exact_rate(int(hit.sum()), len(hit), alpha_low=0.025, alpha_high=0.025)
    found = t_interval((np.bincount(codes, weights=hit) / n).tolist(), alpha_low=0.025, alpha_high=0.025)
    low, high = (min(1.0, max(0.0, x)) if math.isfinite(x) else x for x in (found.low, found.high))
    return Interval(float(hit.mean()), low, high, found.method, found.n)


def _moved(before: NDArray[np.int64], after: NDArray[np.int64]) -> dict[str, int]:
    """``0 → 1``: how many questions changed that way."""
    changed = before != after
    pairs, n = np.unique(np.stack([before[changed], after[changed]]), axis=1, return_counts=True)
    return {f"{a} → {b}": int(k) for (a, b), k in zip(pairs.T.tolist(), n.tolist(), strict=True)}


def worst(ours: Any, theirs: Any, task: str, *, most: int) -> NDArray[np.int64]:
    """The rows on which the two part furthest, the furthest first; another decision goes before the same one. Of equal ones
    the earlier row."""
    apart = np.abs(paired_differences(ours, theirs))
    mine, others = decisions(ours, task), decisions(theirs, task)
    same = np.zeros(len(apart), dtype=bool) if mine is None or others is None else mine == others
    return np.lexsort((np.arange(len(apart)), -apart, same))[:most]
