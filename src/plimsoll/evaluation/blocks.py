"""One metric on one set of rows, as a kernel block for each block of rows.

What the outcomes that never came could change is carried beside each mean. For a mean over rows it is exact: per row,
the best and the worst label given the two predictions. A metric of all rows at once (AUC, calibration error) has no
bound per row; there the metric is measured again under labellings that push it furthest: everything 0 or 1, everything
above (below) a score 1, everything where the release says more (less) than the comparator 1; with more than two classes,
everything one class, or the class that was said as likeliest or as least likely. The extremes of AUC are
among the thresholds; for the others it is the worst of those tried, not a proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from plimsoll.evaluation.queries import queries_of
from plimsoll.evaluation.rows import Floats, Rowset
from plimsoll.kernel.digest import rounded
from plimsoll.kernel.verdict import Block
from plimsoll.stats import Metric, row_bounds
from plimsoll.stats.resample import jackknife

Range = tuple[float, float]
_THRESHOLDS = (0.25, 0.5, 0.75)
_CALLED = 0.5
"""From here on a binary score counts as calling its row positive."""


class Blockwise(NamedTuple):
    """``value``: the metric over all labelled rows (oriented difference where there is a comparator; NaN if
    undefined). ``waits_for``: why there are no blocks, where there are none."""

    value: float
    blocks: tuple[Block, ...]
    waits_for: str = ""


def blockwise(metric: Metric, rows: Rowset, against: str, label_range: Range | None) -> Blockwise:
    """Measure ``metric`` on ``rows``: alone if ``against`` is empty, else the loss against that comparator, positive
    where the release is worse."""
    other = rows.comparators[against] if against else None
    if metric.per_query is not None:
        return _of_queries(metric, rows, other)
    made = _of_rows if metric.rows else _of_whole
    return made(metric, rows, other, label_range)


def _of_rows(metric: Metric, rows: Rowset, other: Floats | None, label_range: Range | None) -> Blockwise:
    assert metric.rows is not None
    values = metric.rows(rows.scores, rows.labels)
    low, high = row_bounds(metric, rows.scores, other, label_range=label_range)
    if other is not None:
        values = values - metric.rows(other, rows.labels)
        values, low, high = _oriented(metric, values, low, high)
    known = rows.known
    if not np.isfinite(high[~known]).all():
        return Blockwise(_mean(values[known]), (), _unbounded(rows))
    return Blockwise(_mean(values[known]), tuple(_row_blocks(rows, values, low, high)))


def _of_queries(metric: Metric, rows: Rowset, other: Floats | None) -> Blockwise:
    """A query is the row here: its value, and what it could have been."""
    found = queries_of(metric, rows, other)
    values, low, high = found.values, found.low, found.high
    if other is not None:
        values, low, high = _oriented(metric, values, low, high)
    if not len(values):
        return Blockwise(float("nan"), (), "no query has a relevant candidate")
    labels = np.where(found.known, 0.0, np.nan)
    as_rows = Rowset(task=rows.task, scores=labels, labels=labels, codes=found.codes, names=rows.names, comparators={})
    return Blockwise(_mean(values[found.known]), tuple(_row_blocks(as_rows, values, low, high)))


def _row_blocks(rows: Rowset, values: Floats, low: Floats, high: Floats) -> Iterator[Block]:
    known, count = rows.known, len(rows.names)
    n = np.bincount(rows.codes, minlength=count)
    labelled = np.bincount(rows.codes, weights=known, minlength=count)
    total = least = most = np.bincount(rows.codes, weights=np.where(known, values, 0.0), minlength=count)
    if not known.all():
        least = np.bincount(rows.codes, weights=np.where(known, values, low), minlength=count)
        most = np.bincount(rows.codes, weights=np.where(known, values, high), minlength=count)
    floor = np.bincount(rows.codes, weights=low, minlength=count)
    for b in np.flatnonzero(n):
        bounds = least[b] / n[b], most[b] / n[b]
        mean = total[b] / labelled[b] if labelled[b] else sum(bounds) / 2
        yield _block(rows.names[b], n[b], n[b] - labelled[b], mean, *bounds, floor[b] / n[b])


def _of_whole(metric: Metric, rows: Rowset, other: Floats | None, label_range: Range | None) -> Blockwise:
    known = rows.known
    value, middle = _pseudo(metric, rows, other, rows.labels)
    if not known.all() and rows.task == "regression" and label_range is None:
        return Blockwise(value, (), _unbounded(rows))
    if not middle:
        return Blockwise(value, (), "with one block left out the metric is undefined: too few blocks, or one class")
    low = high = middle
    if not known.all():
        tried = [(_whole(metric, rows, other, y), y) for y in _labellings(rows, other, label_range)]
        tried = [t for t in tried if np.isfinite(t[0])]
        low = _pseudo(metric, rows, other, min(tried, key=lambda t: t[0])[1])[1]
        high = _pseudo(metric, rows, other, max(tried, key=lambda t: t[0])[1])[1]
    return Blockwise(value, tuple(_whole_blocks(rows, middle, low, high)))


def _whole_blocks(
    rows: Rowset, middle: dict[int, float], low: dict[int, float], high: dict[int, float]
) -> Iterator[Block]:
    n = np.bincount(rows.codes, minlength=len(rows.names))
    missing = np.bincount(rows.codes, weights=~rows.known, minlength=len(rows.names))
    for place, name in enumerate(rows.names):
        if place not in low:
            continue
        mean = middle.get(place, (low[place] + high[place]) / 2)
        floor = min(low[place], high[place])
        yield _block(name, n[place], missing[place], mean, low[place], high[place], floor)


def _pseudo(metric: Metric, rows: Rowset, other: Floats | None, labels: Floats) -> tuple[float, dict[int, float]]:
    """The metric, and the pseudo-values by their block's place: oriented where there is a comparator, and moved so that
    their mean is the metric itself.

    The jackknife's own mean takes off a bias of order 1/B. For AUC that is next to nothing; for a calibration error,
    which is debiased already and not smooth at zero, it can throw the estimate below zero. The spread is what is wanted.
    """
    assert metric.whole is not None
    scores, codes, known = rows.scores, rows.codes, ~np.isnan(labels)
    if not known.all():
        scores, labels, codes = scores[known], labels[known], codes[known]
        other = None if other is None else other[known]
    places = np.flatnonzero(np.bincount(codes, minlength=len(rows.names)))
    if len(places) < len(rows.names):
        codes = np.searchsorted(places, codes)
    found = jackknife(metric.whole, scores, labels, codes, len(places), against=other)
    sign = 1 if other is None else metric.loss_sign
    pseudo = sign * found.pseudo
    if len(pseudo):
        pseudo = pseudo + (sign * found.value - pseudo.mean())
    return sign * found.value, dict(zip(places.tolist(), pseudo.tolist(), strict=False))


def _whole(metric: Metric, rows: Rowset, other: Floats | None, labels: Floats) -> float:
    assert metric.whole is not None
    known = ~np.isnan(labels)
    if not known.any():
        return float("nan")
    value = metric.whole(rows.scores[known], labels[known])
    return value if other is None else metric.loss_sign * (value - metric.whole(other[known], labels[known]))


def _labellings(rows: Rowset, other: Floats | None, label_range: Range | None) -> Iterator[Floats]:
    """The labels with the missing ones filled in, one way after the other."""
    missing = ~rows.known
    for fill in _fills(rows.scores[missing], None if other is None else other[missing], rows.task, label_range):
        labels = rows.labels.copy()
        labels[missing] = fill
        yield labels


def _fills(a: Floats, b: Floats | None, task: str, label_range: Range | None) -> Sequence[Floats]:
    if task == "regression":
        low, high = label_range or (0.0, 0.0)
        ends = [np.full(len(a), low), np.full(len(a), high), np.clip(a, low, high)]
        return ends if b is None else [*ends, np.clip(b, low, high)]
    if a.ndim == 2:
        return [*(np.full(len(a), c) for c in range(a.shape[1])), *(f(s, axis=1) * 1.0 for f, s in _sayings(a, b))]
    ups = [np.ones(len(a), dtype=bool), a >= _CALLED]
    ups += [a > t for t in np.unique(np.quantile(a, _THRESHOLDS))]
    if b is not None:
        ups.append(a > b)
    return [fill.astype(np.float64) for up in ups for fill in (up, ~up)]


def _sayings(a: Floats, b: Floats | None) -> Iterator[tuple[Callable[..., Any], Floats]]:
    """What was said as the likeliest and as the least likely: everybody right, everybody as wrong as can be."""
    for scores in (a, *([] if b is None else [b, a - b])):
        yield from ((np.argmax, scores), (np.argmin, scores))


def _oriented(metric: Metric, values: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats, Floats]:
    return (values, low, high) if metric.loss_sign > 0 else (-values, -high, -low)


def _unbounded(rows: Rowset) -> str:
    missing = int((~rows.known).sum())
    return (
        f"{missing:,} of {len(rows):,} outcomes are missing, and an error may be of any size: "
        "declare the label's range to bound what they could change"
    )


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _block(name: str, n: float, missing: float, *values: float) -> Block:
    """``values``: mean, low, high, floor."""
    seen = {v: rounded(float(v)) for v in set(values)}  # most often three of the four are one
    mean, low, high, floor = (seen[v] for v in values)
    return Block(name, int(n), mean, low, high, floor, int(missing))
