"""Leaving blocks out: how a metric that needs all rows at once becomes one value for each block.

The jackknife's pseudo-value of block b is B·θ − (B − 1)·θ₍₋b₎, with θ over all rows and θ₍₋b₎ over all rows but b's
(Quenouille 1956; Tukey 1958). Their mean estimates the metric with the bias of order 1/B taken off, and they spread
as the metric's error does, so ``t_interval`` and ``mean_sequence`` treat an AUC as they treat a mean of block means.
Whole blocks are left out, never rows: rows of one block are not independent (Künsch 1989).

Blocks come in the order in which they first appear in the rows; keep rows in order of time, since dependence is
judged from neighbouring blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.stats import scoring, wins
from plimsoll.stats.metric import OfSums, Whole
from plimsoll.stats.metrics import METRICS
from plimsoll.stats.statistic import leaving, merging

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Leaver = Callable[[Floats, Floats, Codes, int], tuple[float, Floats]]


class BlockValue(NamedTuple):
    """One block's part in a metric: its name, how many rows it has, and its (pseudo-)value."""

    block: str
    n: int
    value: float


class Jackknife(NamedTuple):
    """``value``: the metric over all rows (NaN where it is undefined). ``pseudo``: one value for each block; empty where
    the metric is undefined without some block, or there is one block alone."""

    value: float
    pseudo: Floats


def jackknife_blocks(
    metric: Whole,
    scores: Any,
    labels: Any,
    block_ids: Any,
    *,
    against: Any = None,
) -> list[BlockValue]:
    """Delete-one-block pseudo-values of a whole metric, or of its difference between two scores of the same rows.

    With ``against``: metric(scores) − metric(against), paired row by row; not oriented. Rows without a label (NaN)
    are left out first. Returns nothing where the metric is undefined without some block (AUC with a single class
    left, or a single block): then there is too little to say.

    Cost: O(n log n) for AUC, and O(n) for what has ``sums`` (their parts add up over blocks); for any other function as
    many evaluations as there are blocks.
    """
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    ids = np.asarray(block_ids)
    other = None if against is None else np.asarray(against, dtype=np.float64)
    check_lengths(scores, labels, ids, other)
    known = ~np.isnan(labels)
    names, codes, sizes = placed(ids[known])
    paired = None if other is None else other[known]
    values = jackknife(metric, scores[known], labels[known], codes, len(names), against=paired).pseudo
    return [BlockValue(str(b), int(n), float(v)) for b, n, v in zip(names, sizes, values, strict=False)]


def jackknife(
    metric: Whole, scores: Floats, labels: Floats, codes: Codes, count: int, *, against: Floats | None = None
) -> Jackknife:
    """The same of labelled rows whose ``codes`` are their places among ``count`` blocks, none of them empty."""
    found = _pseudo_values(metric, scores, labels, codes, count)
    if against is not None:
        less = _pseudo_values(metric, against, labels, codes, count)
        found = Jackknife(found.value - less.value, found.pseudo - less.pseudo)
    usable = count >= 2 and np.isfinite(found.pseudo).all()
    return found if usable else Jackknife(found.value, np.zeros(0))


def check_lengths(scores: Floats, labels: Floats, ids: NDArray[Any], other: Floats | None) -> None:
    """Raises UsageError unless there is one of each for every row."""
    lengths = {len(scores), len(labels), len(ids), len(scores if other is None else other)}
    if len(lengths) > 1:
        raise UsageError(
            f"scores ({len(scores)}), labels ({len(labels)}) and block ids ({len(ids)}) must have one entry a row"
        )


def placed(ids: NDArray[Any]) -> tuple[list[Any], Codes, NDArray[np.int64]]:
    """Block names in order of first appearance, each row's place among them, and their sizes."""
    names, first, codes = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    found = place[codes.reshape(-1)]
    return list(names[order]), found, np.bincount(found, minlength=len(names))


def _pseudo_values(metric: Whole, scores: Floats, labels: Floats, codes: Codes, count: int) -> Jackknife:
    if not len(labels):
        return Jackknife(float("nan"), np.zeros(0))
    leave = _leaving_sums(metric) if isinstance(metric, OfSums) else _LEAVERS.get(metric)
    if count < 2:
        return Jackknife(float(metric(scores, labels)), np.zeros(0))
    value, left_out = (leave or _one_by_one(metric))(scores, labels, codes, count)
    return Jackknife(value, np.asarray(count * value - (count - 1) * left_out))


def _leaving_sums(metric: OfSums) -> Leaver:
    """Without each block, from the blocks' sums."""
    sums = metric.sums

    def leave(scores: Floats, labels: Floats, codes: Codes, count: int) -> tuple[float, Floats]:
        parts = sums.of(scores, labels, codes, count)
        return float(sums.value(reduce(merging(sums), parts))), sums.value(leaving(sums, parts))

    return leave


def _one_by_one(metric: Whole) -> Leaver:
    def leave(scores: Floats, labels: Floats, codes: Codes, count: int) -> tuple[float, Floats]:
        kept = (codes != b for b in range(count))
        without = [metric(scores[rows], labels[rows]) for rows in kept]
        return float(metric(scores, labels)), np.array(without, dtype=np.float64)

    return leave


def _auc_leaving(scores: Floats, labels: Floats, codes: Codes, count: int) -> tuple[float, Floats]:
    """AUC, and without each block, from one sort of all rows.

    Of the pairs (positive, negative) that are won, those with a positive of block b, or a negative of b, go; those
    with both were taken off twice.
    """
    found = wins.wins(scores, labels == 1.0, codes)
    part = np.bincount(found.codes, weights=found.wins, minlength=count)
    positives = np.bincount(found.codes, weights=found.positive, minlength=count)
    negatives = np.bincount(found.codes, minlength=count) - positives
    kept, gone = positives.sum() - positives, negatives.sum() - negatives
    won = found.total - part + wins.within(found, count)
    every = positives.sum() * negatives.sum()
    value = found.total / every if every else float("nan")
    return value, np.where(kept * gone > 0, won / np.maximum(kept * gone, 1.0), np.nan)


_LEAVERS: dict[Whole | None, Leaver] = {scoring.auc: _auc_leaving, METRICS["auc"].whole: _auc_leaving}
"""Metrics with a way of their own, by their function (as ``scoring`` and as ``METRICS`` hold it)."""
