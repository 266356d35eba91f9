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
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.stats import scoring
from plimsoll.stats.metric import OfSums, Whole
from plimsoll.stats.metrics import METRICS
from plimsoll.stats.statistic import leaving

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Leaver = Callable[[Floats, Floats, Codes, int], Floats]


class BlockValue(NamedTuple):
    """One block's part in a metric: its name, how many rows it has, and its (pseudo-)value."""

    block: str
    n: int
    value: float


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
    _check_lengths(scores, labels, ids, other)
    known = ~np.isnan(labels)
    names, codes, sizes = _blocks(ids[known])
    if len(names) < 2:
        return []
    values = _pseudo_values(metric, scores[known], labels[known], codes, len(names))
    if other is not None:
        values = values - _pseudo_values(metric, other[known], labels[known], codes, len(names))
    if not np.isfinite(values).all():
        return []
    return [BlockValue(str(b), int(n), float(v)) for b, n, v in zip(names, sizes, values, strict=True)]


def _check_lengths(scores: Floats, labels: Floats, ids: NDArray[Any], other: Floats | None) -> None:
    lengths = {len(scores), len(labels), len(ids), len(scores if other is None else other)}
    if len(lengths) > 1:
        raise UsageError(
            f"scores ({len(scores)}), labels ({len(labels)}) and block ids ({len(ids)}) must have one entry a row"
        )


def _blocks(ids: NDArray[Any]) -> tuple[list[Any], Codes, NDArray[np.int64]]:
    """Block names in order of first appearance, each row's place among them, and their sizes."""
    names, first, codes = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    placed = place[codes.reshape(-1)]
    return list(names[order]), placed, np.bincount(placed, minlength=len(names))


def _pseudo_values(metric: Whole, scores: Floats, labels: Floats, codes: Codes, count: int) -> Floats:
    leave = _leaving_sums(metric) if isinstance(metric, OfSums) else _LEAVERS.get(metric)
    left_out = leave(scores, labels, codes, count) if leave else _one_by_one(metric, scores, labels, codes, count)
    return np.asarray(count * float(metric(scores, labels)) - (count - 1) * left_out)


def _leaving_sums(metric: OfSums) -> Leaver:
    """Without each block, from the blocks' sums."""

    def leave(scores: Floats, labels: Floats, codes: Codes, count: int) -> Floats:
        return metric.sums.value(leaving(metric.sums, metric.sums.of(scores, labels, codes, count)))

    return leave


def _one_by_one(metric: Whole, scores: Floats, labels: Floats, codes: Codes, count: int) -> Floats:
    kept = (codes != b for b in range(count))
    return np.array([metric(scores[rows], labels[rows]) for rows in kept], dtype=np.float64)


def _auc_leaving(scores: Floats, labels: Floats, codes: Codes, count: int) -> Floats:
    """AUC without each block, from one sort of all rows and one within each block.

    Of the pairs (positive, negative) that are won, those with a positive of block b, or a negative of b, go; those
    with both were taken off twice. A row's wins follow from its rank among all minus its rank in its own class (the
    placements of DeLong, DeLong & Clarke-Pearson 1988).
    """
    positive = labels == 1.0
    wins = np.empty(len(scores))  # pairs won by a positive's side that this row is part of
    overall = scoring.midranks(scores)
    wins[positive] = overall[positive] - scoring.midranks(scores[positive])
    wins[~positive] = positive.sum() - (overall[~positive] - scoring.midranks(scores[~positive]))
    part = np.bincount(codes, weights=wins, minlength=count)
    within = np.array([_wins(scores[codes == b], positive[codes == b]) for b in range(count)])
    positives = np.bincount(codes, weights=positive, minlength=count)
    negatives = np.bincount(codes, weights=~positive, minlength=count)
    pairs = (positives.sum() - positives) * (negatives.sum() - negatives)
    won = wins[positive].sum() - part + within
    return np.where(pairs > 0, won / np.maximum(pairs, 1.0), np.nan)


def _wins(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """Pairs among these rows in which the positive scores higher, ties counted half."""
    n = int(positive.sum())
    return float(scoring.midranks(scores)[positive].sum()) - n * (n + 1) / 2 if n else 0.0


_LEAVERS: dict[Whole | None, Leaver] = {scoring.auc: _auc_leaving, METRICS["auc"].whole: _auc_leaving}
"""Metrics with a way of their own, by their function (as ``scoring`` and as ``METRICS`` hold it)."""
