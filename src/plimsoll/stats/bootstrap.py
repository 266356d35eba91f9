"""The bootstrap of blocks, paired: what a metric would have been, had other blocks come.

Whole blocks are drawn with replacement, never rows, since rows of one block are not independent (Künsch 1989); two scores
of the same rows get the same draws. The metric of every replicate is exact: a replicate is a weight for each block, and
what the blocks have adds up to the metric by one matrix product for all replicates (an AUC by two: ``wins.between``).

A percentile interval of few blocks is too narrow, like a normal interval with a plug-in deviation. Its tails are moved
out to those of Student's t (Hesterberg 2015, *What teachers should know about the bootstrap*, Am. Stat. 69, the
*expanded percentile*): with B blocks the tail α is read at Φ(−t(1 − α, B − 1)·√(B/(B − 1))). Below ``FEWEST`` blocks
nothing is said at all; verdicts rest on ``t_interval``, which needs fewer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.stats import wins
from plimsoll.stats.interval import Interval, check_alpha
from plimsoll.stats.metric import Metric, OfSums
from plimsoll.stats.metrics import METRICS
from plimsoll.stats.resample import check_lengths, placed
from plimsoll.stats.special import t_quantile
from plimsoll.stats.statistic import sums_of

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MOST_BLOCKS = 256
"""Beyond these, neighbours are drawn together: it costs no coverage, and is kinder to dependence."""
FEWEST = 10
"""Blocks below which no bootstrap is believed."""


def block_bootstrap(
    metrics: Sequence[Metric],
    scores: Any,
    labels: Any,
    block_ids: Any,
    *,
    against: Any = None,
    alpha_low: float = 0.025,
    alpha_high: float = 0.025,
    replicates: int = 1_000,
    seed: int = 0,
) -> dict[str, Interval]:
    """Each metric's interval over blocks, by the metric's id; with ``against`` of metric(scores) − metric(against) on the
    same rows (not oriented). Rows without a label are left out.

    The same draws serve all metrics. Where some replicate has no value (no positive was drawn), or blocks are too few, the
    bounds are infinite and ``problem`` says why. Cost: one sort and one pass over the rows for each metric; a metric whose
    parts do not add up is measured anew for each replicate.
    """
    check_alpha(alpha_low=alpha_low, alpha_high=alpha_high)
    s, y, ids = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64), np.asarray(block_ids)
    other = None if against is None else np.asarray(against, dtype=np.float64)
    check_lengths(s, y, ids, other)
    if replicates < 100:
        raise UsageError(f"replicates={replicates}: a bound needs at least 100", hint="1,000 is the usual")
    known = ~np.isnan(y)
    if not known.all():
        s, y, ids, other = s[known], y[known], ids[known], None if other is None else other[known]
    names, codes, _ = placed(ids)
    blocks = len(names)
    drawn = min(blocks, MOST_BLOCKS)
    codes = codes if blocks == drawn else codes * drawn // blocks
    weights = draws(drawn, replicates, seed)
    found: dict[str, Interval] = {}
    for metric in metrics:
        value, values = replicated(metric, s, y, codes, weights)
        if other is not None:
            less, theirs = replicated(metric, other, y, codes, weights)
            value, values = value - less, values - theirs
        found[metric.id] = _interval(value, values, drawn, alpha_low, alpha_high)
    return found


def draws(blocks: int, replicates: int, seed: int) -> Floats:
    """(replicates, blocks): how often each block is drawn."""
    if not blocks:
        return np.zeros((replicates, 0))
    drawn = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1.0 / blocks), size=replicates)
    return np.asarray(drawn, dtype=np.float64)


def replicated(metric: Metric, scores: Floats, labels: Floats, codes: Codes, weights: Floats) -> tuple[float, Floats]:
    """The metric of the rows as they are, and of each replicate: ``weights[r, b]`` is how often block b stands in it."""
    if not len(labels):
        return math.nan, np.full(len(weights), math.nan)
    if metric == METRICS["auc"]:
        return _auc(scores, labels, codes, weights)
    if (metric.rows is None and not isinstance(metric.whole, OfSums)) or (metric.sums and metric.sums.merge):
        return _directly(metric, scores, labels, codes, weights)
    sums = sums_of(metric)
    parts = sums.of(scores, labels, codes, weights.shape[1])
    return float(sums.value(parts.sum(axis=0))), np.asarray(sums.value(weights @ parts))


def _auc(scores: Floats, labels: Floats, codes: Codes, weights: Floats) -> tuple[float, Floats]:
    positive, count = labels == 1.0, weights.shape[1]
    won = wins.between(scores, positive, codes, count)
    positives, negatives = (np.bincount(codes[of], minlength=count) for of in (positive, ~positive))
    every = np.concatenate((np.ones((1, count)), weights))
    pairs = (every @ positives) * (every @ negatives)
    values = np.where(pairs > 0, ((every @ won) * every).sum(axis=1) / np.maximum(pairs, 1.0), np.nan)
    return float(values[0]), values[1:]


def _directly(metric: Metric, scores: Floats, labels: Floats, codes: Codes, weights: Floats) -> tuple[float, Floats]:
    assert metric.whole is not None
    whole, times = metric.whole, weights.astype(np.int64)
    rows = (np.repeat(np.arange(len(codes)), drawn[codes]) for drawn in times)
    return float(whole(scores, labels)), np.array([whole(scores[r], labels[r]) for r in rows])


def _interval(value: float, values: Floats, blocks: int, alpha_low: float, alpha_high: float) -> Interval:
    problem = ""
    if blocks < FEWEST:
        problem = f"{blocks} blocks are too few for a bootstrap: it takes {FEWEST}"
    elif not np.isfinite(values).all():
        problem = "some of the resampled blocks leave the metric undefined: a class is missing among them"
    if problem:
        return Interval(value, -math.inf, math.inf, "block-bootstrap", blocks, problem)
    tails = [_expanded(alpha_low, blocks), 1.0 - _expanded(alpha_high, blocks)]
    low, high = (float(q) for q in np.quantile(values, tails))
    return Interval(value, low, high, "block-bootstrap", blocks)


def _expanded(alpha: float, blocks: int) -> float:
    reach = t_quantile(1.0 - alpha, blocks - 1) * math.sqrt(blocks / (blocks - 1))
    return NormalDist().cdf(-reach)
