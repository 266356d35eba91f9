"""What a metric is: name, unit, direction, and how it is measured. The same code on a test set and live.

A *row* metric is a mean over rows: ``rows(scores, labels)`` gives each row's value, so it adds up over blocks, shards
and windows, and it can be bounded for a row whose label never came. A *whole* metric needs all rows at once
(``resample.jackknife_blocks`` brings it to values per block); where its parts add up (counts of a confusion matrix, bins),
``sums`` says which, and blocks, shards and windows are merged without their rows. An *operational* metric is counted or
timed from events and needs no label. The shapes of scores and labels stand at the top of ``scoring``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plimsoll.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Rows = Callable[[Any, Any], "Floats"]
Whole = Callable[[Any, Any], float]
Parts = Callable[[Any, Any, Any, int], "Floats"]

BINARY, MULTICLASS, REGRESSION, RANKING, ANY = "binary", "multiclass", "regression", "ranking", "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What a metric needs to know of a block: ``of(scores, labels, codes, count)`` gives ``count`` rows of numbers, one
    for each block that ``codes`` names, and ``value`` makes the metric of them (the numbers on the last axis; NaN where
    it is undefined). Two blocks' numbers are added, unless ``merge`` says how they come together. NaN labels are left out.
    """

    of: Parts
    value: Callable[[Any], Floats]
    merge: Callable[[Any, Any], Floats] | None = None


@dataclass(frozen=True, slots=True)
class OfSums:
    """A whole metric that is nothing but its sums: the value over the rows that it is given."""

    sums: Sums

    def __call__(self, scores: Any, labels: Any) -> float:
        import numpy as np

        return float(self.sums.value(self.sums.of(scores, labels, np.zeros(len(labels), dtype=np.int64), 1)[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a number means. ``tasks`` are those it is defined for; exactly one of ``rows`` and ``whole`` is there
    unless it is operational. ``quantile`` is the one that a latency metric reads.

    ``sums``: the parts that add up, where a whole metric has them (a mean over rows always does: count and total).
    ``slope``: of a regression's row metric that is a convex function of label − score, the most that it changes for a
    unit of the score; it bounds what a missing label could say. ``version``: the digest of a user's definition.
    ``of``: what it is measured on where that is not rows of scores and labels, and so neither ``rows`` nor ``whole`` is
    there: ``behaviour`` (rows that fail), ``cases`` (declared ones, each looked at: no interval is due), ``groups``
    (two groups' rates compared, for each pair of a column's values: ``fairness``). ``bounds``: the least and the most
    that it can be.

    ``per_query``: (scores, relevance, which query each row is of, from 0 on) → a value from 0 to 1 for each query, NaN where
    there is nothing to find; the metric is their mean.

    ``reads``: what it is measured on where that is not scores at all but what came of them: one name of an outcome's
    numbers (``label``, or one of its ``values``) for a mean, two for a ratio of sums. ``ranges``: for each, the least and
    the most that a number which never came could be; ``scale``: what the mean or the ratio is multiplied by. ``of_shown``: seen
    only of answers that somebody was shown.
    """

    name: str
    unit: str
    higher_is_better: bool
    operational: bool
    needs_label: bool
    tasks: tuple[str, ...]
    description: str
    rows: Rows | None = None
    whole: Whole | None = None
    quantile: float | None = None
    sums: Sums | None = None
    slope: float = 1.0
    version: str = ""
    of: str = ""
    bounds: tuple[float, float] = (-math.inf, math.inf)
    per_query: Callable[[Any, Any, Any], Floats] | None = None
    reads: tuple[str, ...] = ()
    ranges: tuple[tuple[float, float], ...] = ()
    scale: float = 1.0
    of_shown: bool = False

    @property
    def id(self) -> str:
        """What requirements, evidence and statistics call it: one of a user's own carries its definition's digest."""
        return f"{self.name}@{self.version}" if self.version else self.name

    @property
    def loss_sign(self) -> int:
        """What a value or a difference is multiplied by so that more is worse."""
        return -1 if self.higher_is_better else 1

    @property
    def counted(self) -> bool:
        """A share of events (errors, fallbacks): judged exactly from hits and events, not from block means."""
        return self.by_hour and self.quantile is None

    @property
    def by_hour(self) -> bool:
        """Counted over each hour's events, as they come; else measured on closed blocks."""
        return self.operational and not self.reads

    def defined_for(self, task: str) -> bool:
        return ANY in self.tasks or task in self.tasks


def row_bounds(
    metric: Metric,
    score_a: Any,
    score_b: Any = None,
    *,
    label_range: tuple[float, float] | None = None,
) -> tuple[Floats, Floats]:
    """The least and the most that ``rows(a) − rows(b)`` can be, per row, whatever the label turns out to be.

    Without ``score_b``: of ``rows(a)`` itself. Not oriented: multiply by ``metric.loss_sign`` (and swap the two where
    it is −1). Classes are tried one by one. A regression's error needs no range where two scores are compared, since it
    cannot differ by more than ``slope`` times what they do; a single one without ``label_range`` (the least and the
    largest possible label) is unbounded. Raises UsageError for a metric that is not a mean over rows.
    """
    import numpy as np

    if metric.rows is None:
        raise UsageError(
            f"{metric.name} has no value per row, so a missing label cannot be bounded row by row",
            hint="use a metric that is a mean over rows (log_loss, brier, accuracy, mae) for this requirement",
        )
    a = np.asarray(score_a, dtype=np.float64)
    b = None if score_b is None else np.asarray(score_b, dtype=np.float64)
    if REGRESSION in metric.tasks and label_range is None:
        return _unranged(a, b, metric.slope)
    ends = label_range if REGRESSION in metric.tasks else range(2 if a.ndim == 1 else a.shape[1])
    values = np.stack([_given(metric.rows, a, b, float(label)) for label in ends or ()])
    if REGRESSION in metric.tasks and b is None and label_range is not None:  # least where the label is the score
        low, high = label_range
        values = np.concatenate([values, metric.rows(a, np.clip(a, low, high))[None]])
    return values.min(axis=0), values.max(axis=0)


def _given(rows: Rows, a: Floats, b: Floats | None, label: float) -> Floats:
    import numpy as np

    labels = np.full(len(a), label)
    return rows(a, labels) if b is None else rows(a, labels) - rows(b, labels)


def _unranged(a: Floats, b: Floats | None, slope: float) -> tuple[Floats, Floats]:
    """Of an error whose label may be anything: the triangle inequality."""
    import numpy as np

    if b is None:
        return np.zeros(len(a)), np.full(len(a), np.inf)
    return -slope * np.abs(a - b), slope * np.abs(a - b)
