"""Measuring a release on the gate's rows: each metric, overall and per slice, alone and against each comparator.

Blocks, not rows, are what may be taken as independent; so a metric is never one number but a value for each block,
from which the kernel computes its bounds. Comparisons are paired row by row and oriented: positive is worse.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from plimsoll.errors import UsageError
from plimsoll.evaluation.blocks import Range, blockwise
from plimsoll.evaluation.curve import Curves, curves
from plimsoll.evaluation.rows import Rowset, by_name, rowset
from plimsoll.kernel.digest import rounded
from plimsoll.kernel.verdict import Block
from plimsoll.stats import Metric, t_interval
from plimsoll.stats.metrics import found

ALL, OTHER = "all", "other"
CONFIDENCE = 0.95


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One metric on one slice, alone (``comparator`` empty) or as the loss against a comparator (positive = worse).

    ``value``: over all labelled rows. ``estimate``, ``low``, ``high``: the mean over blocks and its two-sided 95 %
    interval, for people; verdicts compute their own bounds from ``blocks``. None where there is none. ``judged`` is
    false for slices too small to be asked anything; ``note`` says why, or what is missing.
    """

    metric: str
    comparator: str
    slice: str
    rows: int
    missing: int
    value: float | None
    estimate: float | None
    low: float | None
    high: float | None
    blocks: tuple[Block, ...]
    judged: bool = True
    note: str = ""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was measured, as plain data: what reports, cards and the gate read."""

    task: str
    rows: int
    missing: int
    blocks: tuple[str, ...]
    comparators: tuple[str, ...]
    measures: tuple[Measure, ...]
    curves: Curves

    def find(self, metric: str, *, comparator: str = "", slice: str = ALL) -> Measure | None:
        """The measure of this metric, comparator and slice; None if it was not taken."""
        for m in self.measures:
            if (m.metric, m.comparator, m.slice) == (metric, comparator, slice):
                return m
        return None


def measure(
    metrics: Sequence[str | Metric],
    *,
    task: str = "binary",
    scores: Any,
    labels: Any,
    blocks: Sequence[Any],
    comparators: Mapping[str, Any] | None = None,
    slices: Mapping[str, Sequence[Any]] | None = None,
    sliced: Sequence[str] | None = None,
    minimum: int = 200,
    label_range: Range | None = None,
    groups: Sequence[Any] | None = None,
) -> Evaluation:
    """Measure ``metrics`` (by name, or of your own) on rows in order of time.

    ``scores``: (n,) P(positive) or values, or (n, classes); ``labels``: numbers, NaN where the outcome never came;
    ``blocks``: each row's block; ``comparators``: role (``champion``, ``fallback``) → scores of the same rows;
    ``slices``: column → each row's value. Slice values with fewer than ``minimum`` labelled rows are pooled into
    ``column=other``, which is measured and not judged; ``sliced``: the metrics to take per slice (default: all), since a
    metric of all rows at once costs a sort for each slice. ``label_range``: the least and the largest label that a
    regression can have, which bounds missing outcomes. ``groups``: each row's query, where rows are ranked.
    Raises UsageError for an unknown metric, one of another task, or rows that do not fit together.
    """
    chosen = list({m.id: m for m in (_metric(given, task) for given in metrics)}.values())
    fine = chosen if sliced is None else [m for m in chosen if m.id in sliced]
    rows = rowset(task, scores, labels, blocks, comparators or {}, groups)
    if not len(rows):
        raise UsageError("there is nothing to measure: no rows", hint="is the gate's window after the last row?")
    made: list[Measure] = []
    for name, cut, judged, note in _slices(rows, slices or {}, minimum):
        for metric in chosen if name == ALL else fine:
            for against in ("", *rows.comparators):
                made.append(measure_one(metric, cut, against, name, judged=judged, note=note, label_range=label_range))
    return Evaluation(
        task=task,
        rows=len(rows),
        missing=int((~rows.known).sum()),
        blocks=rows.names,
        comparators=tuple(rows.comparators),
        measures=tuple(made),
        curves=curves(task, rows.scores, rows.labels, rows.comparators),
    )


def _metric(given: str | Metric, task: str) -> Metric:
    metric = found(given) if isinstance(given, str) else given
    name = metric.name
    if metric.operational:
        raise UsageError(f"{name} is operational: it is measured on traffic, not on a test set")
    if metric.of:
        raise UsageError(f"{name} is measured on a suite's {metric.of}, not on rows of scores and labels")
    if not metric.defined_for(task):
        raise UsageError(f"{name} is not a metric of a {task} task, but of: {', '.join(metric.tasks)}")
    return metric


def _slices(rows: Rowset, slices: Mapping[str, Sequence[Any]], minimum: int) -> Iterator[tuple[str, Rowset, bool, str]]:
    """(name, rows, judged, note): all rows, then each column's values by name, the small ones pooled at the end."""
    yield ALL, rows, True, ""
    for column, given in slices.items():
        values = np.asarray(given)
        if values.dtype == object:  # text, and perhaps None: by name; numbers keep their order
            values = values.astype(str)
        if len(values) != len(rows):
            raise UsageError(f"the slice column {column!r} has {len(values):,} values for {len(rows):,} rows")
        names, codes = by_name(values)
        labelled = np.bincount(codes, weights=rows.known, minlength=len(names))
        large = np.flatnonzero(labelled >= minimum)
        together = rows.gathered(codes) if len(large) else rows
        ends = np.cumsum(np.bincount(codes, minlength=len(names)))
        for place in large:
            start = int(ends[place - 1]) if place else 0
            yield f"{column}={names[place]}", together.cut(slice(start, int(ends[place]))), True, ""
        if small := len(names) - len(large):
            few = f"not judged: {small:,} values of {column} with fewer than {minimum} labelled rows each"
            yield f"{column}={OTHER}", rows.cut((labelled < minimum)[codes]), False, few


def measure_one(
    metric: Metric,
    rows: Rowset,
    against: str,
    name: str = ALL,
    *,
    judged: bool = True,
    note: str = "",
    label_range: Range | None = None,
) -> Measure:
    """``metric`` on ``rows``: alone if ``against`` is empty, else what is lost against that comparator."""
    seen = blockwise(metric, rows, against, label_range)
    error = (1.0 - CONFIDENCE) / 2
    interval = t_interval([b.mean for b in seen.blocks], alpha_low=error, alpha_high=error)
    return Measure(
        metric=metric.id,
        comparator=against,
        slice=name,
        rows=len(rows),
        missing=int((~rows.known).sum()),
        value=finite(seen.value),
        estimate=finite(interval.estimate),
        low=finite(interval.low),
        high=finite(interval.high),
        blocks=seen.blocks,
        judged=judged,
        note=note or seen.waits_for or interval.problem,
    )


def finite(value: float) -> float | None:
    """``value`` rounded to what is kept of it; None where it is no number, or has no end."""
    return rounded(float(value)) if math.isfinite(value) else None
