"""Every metric once: name, unit, direction, and how it is measured. The same code on a test set and live.

A *row* metric is a mean over rows: ``rows(scores, labels)`` gives each row's value, so it adds up over blocks, shards
and windows, and it can be bounded for a row whose label never came. A *whole* metric needs all rows at once
(``resample.jackknife_blocks`` brings it to values per block). An *operational* metric is counted or timed from events
and needs no label. The shapes of scores and labels stand at the top of ``scoring``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from plimsoll.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Rows = Callable[[Any, Any], "Floats"]
Whole = Callable[[Any, Any], float]

BINARY, MULTICLASS, REGRESSION, ANY = "binary", "multiclass", "regression", "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a number means. ``tasks`` are those it is defined for; exactly one of ``rows`` and ``whole`` is there
    unless it is operational. ``quantile`` is the one that a latency metric reads."""

    name: str
    unit: str
    higher_is_better: bool
    operational: bool
    needs_label: bool
    tasks: tuple[str, ...]
    rows: Rows | None
    whole: Whole | None
    quantile: float | None
    description: str

    @property
    def loss_sign(self) -> int:
        """What a value or a difference is multiplied by so that more is worse."""
        return -1 if self.higher_is_better else 1

    @property
    def counted(self) -> bool:
        """A share of events (errors, fallbacks): judged exactly from hits and events, not from block means."""
        return self.operational and self.quantile is None

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
    it is −1). Classes are tried one by one. A regression's absolute error needs no range where two scores are
    compared, since it cannot differ by more than they do; a single one without ``label_range`` (the least and the
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
        return _unranged(a, b)
    ends = label_range if REGRESSION in metric.tasks else range(2 if a.ndim == 1 else a.shape[1])
    values = np.stack([_given(metric.rows, a, b, float(label)) for label in ends or ()])
    if REGRESSION in metric.tasks and b is None and label_range is not None:  # least where the label is the score
        low, high = label_range
        values = np.concatenate([values, np.abs(a - np.clip(a, low, high))[None]])
    return values.min(axis=0), values.max(axis=0)


def _given(rows: Rows, a: Floats, b: Floats | None, label: float) -> Floats:
    import numpy as np

    labels = np.full(len(a), label)
    return rows(a, labels) if b is None else rows(a, labels) - rows(b, labels)


def _unranged(a: Floats, b: Floats | None) -> tuple[Floats, Floats]:
    """Of an absolute error whose label may be anything: the triangle inequality."""
    import numpy as np

    if b is None:
        return np.zeros(len(a)), np.full(len(a), np.inf)
    return -np.abs(a - b), np.abs(a - b)


def _rows(function: str) -> Rows:
    """A row function of ``scoring``, loaded (with NumPy) when it is first called."""

    def rows(scores: Any, labels: Any) -> Floats:
        from plimsoll.stats import scoring

        values: Floats = getattr(scoring, function)(scores, labels)
        return values

    return rows


def _whole(function: str) -> Whole:
    """A whole-sample function of ``scoring``, loaded (with NumPy) when it is first called."""

    def whole(scores: Any, labels: Any) -> float:
        from plimsoll.stats import scoring

        value: float = getattr(scoring, function)(scores, labels)
        return value

    return whole


def _quality(
    name: str,
    unit: str,
    tasks: tuple[str, ...],
    description: str,
    *,
    higher_is_better: bool = False,
    rows: str = "",
    whole: str = "",
) -> Metric:
    return Metric(
        name=name,
        unit=unit,
        higher_is_better=higher_is_better,
        operational=False,
        needs_label=True,
        tasks=tasks,
        rows=_rows(rows) if rows else None,
        whole=_whole(whole) if whole else None,
        quantile=None,
        description=description,
    )


def _operational(name: str, unit: str, description: str, *, quantile: float | None = None) -> Metric:
    return Metric(
        name=name,
        unit=unit,
        higher_is_better=False,
        operational=True,
        needs_label=False,
        tasks=(ANY,),
        rows=None,
        whole=None,
        quantile=quantile,
        description=description,
    )


CLASSES = (BINARY, MULTICLASS)

_ALL = (
    _quality(
        "log_loss",
        "nats",
        CLASSES,
        "Mean of −ln P(what happened); 0 is perfect. Follows the base rate: compare it, do not promise it.",
        rows="log_loss_rows",
    ),
    _quality(
        "brier",
        "squared probability",
        CLASSES,
        "Mean squared distance between the stated probabilities and what happened; 0 is perfect.",
        rows="brier_rows",
    ),
    _quality(
        "accuracy",
        "share",
        CLASSES,
        "Share of rows whose likeliest class was the label (binary: from probability ½ on).",
        higher_is_better=True,
        rows="accuracy_rows",
    ),
    _quality(
        "auc",
        "probability",
        (BINARY,),
        "The chance that a positive scores above a negative; ½ is guessing, 1 a perfect ranking.",
        higher_is_better=True,
        whole="auc",
    ),
    _quality(
        "calibration_error",
        "probability",
        (BINARY,),
        "Root mean square gap between stated and observed frequency, 15 fixed bins, debiased; 0 is perfect.",
        whole="calibration_error",
    ),
    _quality("mae", "label's unit", (REGRESSION,), "Mean absolute error.", rows="absolute_error_rows"),
    _quality("rmse", "label's unit", (REGRESSION,), "Root of the mean squared error.", whole="rmse"),
    _operational("error_rate", "share", "Share of requests that ended in an error or a time-out."),
    _operational(
        "abstention_rate", "share", "Share of requests without an answer: not sure enough, or handed to a person."
    ),
    _operational(
        "fallback_rate",
        "share",
        "Share of requests for which something stood in: a rule, the previous release.",
    ),
    _operational("latency_p50_ms", "ms", "Median time from request to answer.", quantile=0.50),
    _operational("latency_p95_ms", "ms", "Time to answer that 95 % of the requests stay below.", quantile=0.95),
    _operational("latency_p99_ms", "ms", "Time to answer that 99 % of the requests stay below.", quantile=0.99),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
"""Every metric that a requirement may name."""
