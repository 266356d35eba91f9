"""Live quality while labels mature: what is expected of answers whose outcomes have not come, corrected by how far such
expectations were off on the blocks whose outcomes came.

It warns a day or a month earlier than labels do, and it can be wrong in a way that labels cannot: it is blind where the same
question begins to have another answer. So it is shown, with its bounds, and no verdict rests on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plimsoll.kernel.verdict import Policy
from plimsoll.operations.answered.reading import Answered
from plimsoll.stats import METRICS, Metric
from plimsoll.stats.label_free import calibrated, corrected, expected_auc, expected_rows
from plimsoll.stats.resample import placed

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
METRIC_OF = {"binary": ("log_loss", "brier", "accuracy", "auc"), "multiclass": ("log_loss", "accuracy")}
FOLDS = 2
"""Past blocks are expected by scores calibrated on the others: what was fitted on them would look too good."""
NEWEST_BLOCKS = 60
"""Of the past, that correct and bound: what was long ago tells less of today."""


def expectation(
    rows: Answered, task: str, *, most_missing: float = Policy().max_missing_share
) -> dict[str, Any] | None:
    """What is expected of the answers whose labels have not come, metric by metric; None where there are none, and for a task
    whose answers say nothing of how sure they are (regression).

    A block is past when at most ``most_missing`` of its outcomes are; the blocks after the last such one are young. Each
    metric has its expectation with 95 % bounds (None: fewer than five past blocks), and its mean on past blocks.
    """
    if task not in METRIC_OF or not len(rows):
        return None
    names, codes, sizes = placed(rows.blocks.astype(str))
    unknown = np.isnan(rows.labels)
    mature = np.flatnonzero(np.bincount(codes, weights=unknown) / sizes <= most_missing)
    young = np.arange(int(mature[-1]) + 1 if len(mature) else 0, len(names))
    mature = mature[-NEWEST_BLOCKS:]
    waiting = unknown & np.isin(codes, young)
    if not waiting.any():
        return None

    def labelled(blocks: NDArray[np.int64]) -> Mask:
        return np.isin(codes, blocks) & ~unknown

    folds = [mature[fold::FOLDS] for fold in range(FOLDS)]
    now = _chances(rows, [(waiting, labelled(mature))])
    past = _chances(rows, [(labelled(fold), labelled(np.setdiff1d(mature, fold))) for fold in folds])
    waits = _by_block(rows, codes, now, waiting)
    lived = _by_block(rows, codes, past, ~np.isnan(past[:, 0]))
    return {
        "answers": int(waiting.sum()),
        "blocks": len(waits),
        "since": str(names[int(codes[waiting].min())]),
        "past_blocks": len(mature),
        "metrics": [_expected(METRICS[name], waits, lived) for name in METRIC_OF[task]],
    }


def as_said(scores: Floats) -> Floats:
    """(rows, classes): the scores taken at their word."""
    return np.stack([1.0 - scores, scores], axis=1) if scores.ndim == 1 else scores


def _chances(rows: Answered, parts: Iterable[tuple[Mask, Mask]]) -> Floats:
    """(rows, classes): of each part, what the scores of its first rows mean by the labels of its second ones, or as they are
    said where there are none; NaN for rows of no part."""
    found = np.full_like(as_said(rows.scores), np.nan)
    for at, by in parts:
        if at.any():
            scores = rows.scores[at]
            found[at] = calibrated(scores, rows.scores[by], rows.labels[by]) if by.any() else as_said(scores)
    return found


class _Block(NamedTuple):
    """One block's rows: what was said, what that means, and what turned out."""

    scores: Floats
    chances: Floats
    labels: Floats


def _by_block(rows: Answered, codes: NDArray[np.int64], chances: Floats, at: Mask) -> list[_Block]:
    """The rows ``at``, block by block in order of time."""
    cuts = [at & (codes == block) for block in np.unique(codes[at])]
    return [_Block(rows.scores[cut], chances[cut], rows.labels[cut]) for cut in cuts]


def _expected(metric: Metric, waits: Sequence[_Block], lived: Sequence[_Block]) -> dict[str, Any]:
    """The metric on blocks that wait, corrected by what would have been expected of those lived through."""
    expected = [x for block in waits if math.isfinite(x := _said(metric, block))]
    pairs = [(_said(metric, block), _was(metric, block)) for block in lived]
    pairs = [pair for pair in pairs if all(map(math.isfinite, pair))]
    before, realised = [said for said, _ in pairs], [was for _, was in pairs]
    found = corrected(expected, before, realised)
    return {
        "metric": metric.name,
        "expected": _number(found.estimate),
        "low": _number(found.low),
        "high": _number(found.high),
        "past": _mean(realised),
        "past_error": _mean([was - said for said, was in pairs]),
    }


def _mean(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _said(metric: Metric, block: _Block) -> float:
    """One block's metric, expected."""
    if metric.rows is None:
        return expected_auc(block.scores, block.chances[:, 1])
    return float(expected_rows(metric, block.scores, block.chances).mean())


def _was(metric: Metric, block: _Block) -> float:
    """One block's metric, as it turned out."""
    if metric.rows is not None:
        return float(metric.rows(block.scores, block.labels).mean())
    assert metric.whole is not None
    return float(metric.whole(block.scores, block.labels)) if len(np.unique(block.labels)) > 1 else math.nan


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
