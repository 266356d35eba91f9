"""Live quality while labels mature: what is expected of answers whose outcomes have not come, corrected by how far such
expectations were off on the blocks whose outcomes came.

It warns a day or a month earlier than labels do, and it can be wrong in a way that labels cannot: it is blind where the same
question begins to have another answer. So it is shown, with its bounds, and no verdict rests on it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.kernel.verdict import Policy
from plimsoll.operations.answered.reading import Answered
from plimsoll.stats import METRICS, Interval, Metric
from plimsoll.stats.label_free import calibrated, corrected, expected_auc, expected_rows

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
    names, codes = _ordered(rows)
    if task not in METRIC_OF or not len(rows):
        return None
    unknown = np.isnan(rows.labels)
    share = np.bincount(codes, weights=unknown) / np.bincount(codes)
    mature = np.flatnonzero(share <= most_missing)
    young = np.arange(int(mature[-1]) + 1 if len(mature) else 0, len(names))
    mature = mature[-NEWEST_BLOCKS:]
    waiting = unknown & np.isin(codes, young)
    if not waiting.any():
        return None
    now = _chances(rows, waiting, np.isin(codes, mature) & ~unknown)
    past = _past_chances(rows, codes, mature, unknown)
    metrics = [_expected(METRICS[name], rows, codes, waiting, now, mature, past) for name in METRIC_OF[task]]
    return {
        "answers": int(waiting.sum()),
        "blocks": len(np.unique(codes[waiting])),
        "since": names[int(codes[waiting].min())],
        "past_blocks": len(mature),
        "metrics": metrics,
    }


def _ordered(rows: Answered) -> tuple[list[str], NDArray[np.int64]]:
    """Block names in order of time, and each row's place among them."""
    names = list(dict.fromkeys(str(b) for b in rows.blocks))
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place[str(b)] for b in rows.blocks], dtype=np.int64)


def _chances(rows: Answered, at: NDArray[np.bool_], by: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(rows, classes): what the scores of ``at`` mean by the labels of ``by``; as they are said where there are none."""
    if by.any():
        return calibrated(rows.scores[at], rows.scores[by], rows.labels[by])
    s = rows.scores[at]
    return np.stack([1.0 - s, s], axis=1) if s.ndim == 1 else s


def _past_chances(
    rows: Answered, codes: NDArray[np.int64], mature: NDArray[np.int64], unknown: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Of every labelled row of the past, by the other folds' labels; NaN elsewhere."""
    classes = 2 if rows.scores.ndim == 1 else rows.scores.shape[1]
    found = np.full((len(rows), classes), np.nan)
    for fold in range(FOLDS):
        inside = np.isin(codes, mature[fold::FOLDS]) & ~unknown
        outside = np.isin(codes, np.setdiff1d(mature, mature[fold::FOLDS])) & ~unknown
        if inside.any():
            found[inside] = _chances(rows, inside, outside)
    return found


def _expected(
    metric: Metric,
    rows: Answered,
    codes: NDArray[np.int64],
    waiting: NDArray[np.bool_],
    now: NDArray[np.float64],
    mature: NDArray[np.int64],
    past: NDArray[np.float64],
) -> dict[str, Any]:
    young = [codes[waiting] == b for b in np.unique(codes[waiting])]
    expected = [_said(metric, rows.scores[waiting][at], now[at]) for at in young]
    before, realised = _lived(metric, rows, codes, mature, past)
    found: Interval = corrected([x for x in expected if math.isfinite(x)], before, realised)
    off = [r - e for r, e in zip(realised, before, strict=True)]
    return {
        "metric": metric.name,
        "expected": _number(found.estimate),
        "low": _number(found.low),
        "high": _number(found.high),
        "past": _mean(realised),
        "past_error": _mean(off),
    }


def _lived(
    metric: Metric,
    rows: Answered,
    codes: NDArray[np.int64],
    mature: NDArray[np.int64],
    past: NDArray[np.float64],
) -> tuple[list[float], list[float]]:
    """Of each past block: what would have been expected, and what it came to."""
    labelled = ~np.isnan(past[:, 0])
    before, realised = [], []
    for b in mature:
        at = labelled & (codes == b)
        pair = _said(metric, rows.scores[at], past[at]), _was(metric, rows.scores[at], rows.labels[at])
        if all(math.isfinite(x) for x in pair):
            before.append(pair[0])
            realised.append(pair[1])
    return before, realised


def _mean(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _said(metric: Metric, scores: NDArray[np.float64], chances: NDArray[np.float64]) -> float:
    """One block's metric, expected."""
    if metric.rows is None:
        return expected_auc(scores, chances[:, 1]) if len(scores) else math.nan
    return float(expected_rows(metric, scores, chances).mean()) if len(scores) else math.nan


def _was(metric: Metric, scores: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """One block's metric, as it turned out."""
    if metric.rows is not None:
        return float(metric.rows(scores, labels).mean()) if len(scores) else math.nan
    assert metric.whole is not None
    return float(metric.whole(scores, labels)) if len(np.unique(labels)) > 1 else math.nan


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
