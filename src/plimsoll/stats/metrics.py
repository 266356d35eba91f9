"""Every metric once: the table of those that a requirement may name. What a metric is stands in ``metric``.

NumPy is loaded when a metric is first measured: the kernel and the CLI read the table without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from plimsoll.errors import UsageError, nearest
from plimsoll.stats.metric import ANY, BINARY, MULTICLASS, RANKING, REGRESSION, Metric, OfSums, Sums, row_bounds

__all__ = [
    "ANY",
    "BINARY",
    "METRICS",
    "MULTICLASS",
    "REGRESSION",
    "Metric",
    "called",
    "found",
    "known_by_id",
    "row_bounds",
]


def _late(module: str, function: str) -> Callable[..., Any]:
    """A function of ``stats``, loaded (with NumPy) when it is first called."""

    def late(*given: Any) -> Any:
        return getattr(import_module(f"plimsoll.stats.{module}"), function)(*given)

    return late


def _sums(of: str, value: str, merge: str = "") -> Sums:
    late = [_late("additive", name) for name in (of, value)]
    return Sums(of=late[0], value=late[1], merge=_late("additive", merge) if merge else None)


def _counts(value: str) -> Sums:
    """Of the confusion matrix."""
    return Sums(of=_late("confusion", "counts"), value=_late("confusion", value))


def _quality(
    name: str,
    unit: str,
    tasks: tuple[str, ...],
    description: str,
    *,
    higher_is_better: bool = False,
    rows: str = "",
    whole: str = "",
    sums: Sums | None = None,
    slope: float = 1.0,
    bounds: tuple[float, float] | None = None,
) -> Metric:
    """Exactly one way to measure it: per row, over all rows, or (where neither is named) from its sums alone."""
    summed = OfSums(sums) if sums and not whole else None
    return Metric(
        name=name,
        unit=unit,
        higher_is_better=higher_is_better,
        operational=False,
        needs_label=True,
        tasks=tasks,
        rows=_late("scoring", rows) if rows else None,
        whole=_late("scoring", whole) if whole else summed,
        description=description,
        sums=sums,
        slope=slope,
        bounds=bounds or (0.0, 1.0 if unit in SHARES else math.inf),
    )


def _operational(
    name: str, unit: str, description: str, *, quantile: float | None = None, of_shown: bool = False
) -> Metric:
    return Metric(
        name=name,
        unit=unit,
        higher_is_better=False,
        operational=True,
        needs_label=False,
        tasks=(ANY,),
        quantile=quantile,
        description=description,
        bounds=(0.0, 1.0 if unit in SHARES else math.inf),
        of_shown=of_shown,
    )


def _ranking(name: str, description: str, measure: str, k: int | None = None) -> Metric:
    """The mean over queries; in no summary that adds up but a mean's."""

    def per_query(scores: Any, relevance: Any, ids: Any) -> Any:
        ranking = import_module("plimsoll.stats.ranking")
        of = ranking.ranked(scores, relevance, ids)
        return getattr(ranking, measure)(of, k)

    return Metric(
        name=name,
        unit="share",
        higher_is_better=True,
        operational=False,
        needs_label=True,
        tasks=(RANKING,),
        description=description,
        bounds=(0.0, 1.0),
        per_query=per_query,
    )


def _of_suite(
    name: str,
    unit: str,
    description: str,
    *,
    of: str,
    tasks: tuple[str, ...] = (ANY,),
    higher_is_better: bool = False,
    needs_label: bool = False,
) -> Metric:
    """What a suite measures in a way of its own."""
    return Metric(
        name=name,
        unit=unit,
        higher_is_better=higher_is_better,
        operational=False,
        needs_label=needs_label,
        tasks=tasks,
        description=description,
        of=of,
        bounds=(0.0, 1.0),
    )


CLASSES = (BINARY, MULTICLASS)
SHARES = ("share", "probability")
"""Units of what lies between 0 and 1, unless it says otherwise."""

PLACES = (1, 3, 5, 10, 20)
COST = "cost_usd"
"""The number that an event carries itself; what else a metric reads comes with its outcome."""

_CRITERIA = {
    "demographic_parity": "how often groups are called positive",
    "equal_opportunity": "how often groups' positives are called so",
    "equalised_odds": "how often groups' positives, and their negatives, are called positive",
}

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
        bounds=(0.0, 2.0),
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
        "precision",
        "share",
        (BINARY,),
        "Of the rows called positive (from probability ½ on), the share that was; undefined where none is called so.",
        higher_is_better=True,
        sums=_counts("precision"),
    ),
    _quality(
        "recall",
        "share",
        (BINARY,),
        "Of the positive rows, the share that was called so; undefined without positives.",
        higher_is_better=True,
        sums=_counts("recall"),
    ),
    _quality(
        "specificity",
        "share",
        (BINARY,),
        "Of the negative rows, the share that was called so; undefined without negatives.",
        higher_is_better=True,
        sums=_counts("specificity"),
    ),
    _quality(
        "f1",
        "share",
        (BINARY,),
        "Harmonic mean of precision and recall, of the positive class; undefined where nothing is or is called positive.",
        higher_is_better=True,
        sums=_counts("f1"),
    ),
    _quality(
        "f1_macro",
        "share",
        CLASSES,
        "Mean of the classes' F1, each class alike; classes that neither are nor are said are left out.",
        higher_is_better=True,
        sums=_counts("f1_macro"),
    ),
    _quality(
        "f1_micro",
        "share",
        CLASSES,
        "F1 over all classes' counts together: where every row has one class it is the accuracy.",
        higher_is_better=True,
        sums=_counts("f1_micro"),
    ),
    _quality(
        "f1_weighted",
        "share",
        CLASSES,
        "Mean of the classes' F1, each weighted by its rows.",
        higher_is_better=True,
        sums=_counts("f1_weighted"),
    ),
    _quality(
        "balanced_accuracy",
        "share",
        CLASSES,
        "Mean of the classes' recall, each class alike; classes without rows are left out.",
        higher_is_better=True,
        sums=_counts("balanced_accuracy"),
    ),
    _quality(
        "mcc",
        "correlation",
        CLASSES,
        "Matthews' correlation of what was said with what happened; 0 is guessing, and a constant answer.",
        higher_is_better=True,
        sums=_counts("mcc"),
        bounds=(-1.0, 1.0),
    ),
    _quality(
        "top_3_accuracy",
        "share",
        (MULTICLASS,),
        "Share of rows whose label was among the three likeliest classes (of equals, the first counts as likelier).",
        higher_is_better=True,
        rows="top_3_accuracy_rows",
    ),
    _quality(
        "auc",
        "probability",
        (BINARY,),
        "The chance that a positive scores above a negative; ½ is guessing, 1 a perfect ranking.",
        higher_is_better=True,
        whole="auc",
        sums=_sums("score_histogram", "binned_auc"),
    ),
    _quality(
        "auc_ovr",
        "probability",
        (MULTICLASS,),
        "Mean over the classes of the AUC of one against the rest; undefined where a class has no rows.",
        higher_is_better=True,
        whole="auc_ovr",
    ),
    _quality(
        "average_precision",
        "share",
        (BINARY,),
        "Area under the steps of precision over recall; guessing has the base rate.",
        higher_is_better=True,
        whole="average_precision",
    ),
    _quality(
        "calibration_error",
        "probability",
        (BINARY,),
        "Root mean square gap between stated and observed frequency, 15 fixed bins, debiased; 0 is perfect.",
        sums=_sums("calibration_bins", "calibration_error"),
    ),
    _quality(
        "expected_calibration_error",
        "probability",
        CLASSES,
        "Mean gap between stated and observed frequency, 15 fixed bins (multiclass: of the likeliest class).",
        sums=_sums("confidence_bins", "expected_calibration_error"),
    ),
    _quality("mae", "label's unit", (REGRESSION,), "Mean absolute error.", rows="absolute_error_rows"),
    _quality(
        "mse",
        "label's unit, squared",
        (REGRESSION,),
        "Mean squared error.",
        sums=_sums("squared_errors", "mean"),
    ),
    _quality(
        "rmse",
        "label's unit",
        (REGRESSION,),
        "Root of the mean squared error.",
        sums=_sums("squared_errors", "root_mean"),
    ),
    _quality(
        "median_absolute_error",
        "label's unit",
        (REGRESSION,),
        "Median of the absolute errors.",
        whole="median_absolute_error",
    ),
    _quality(
        "mape",
        "share",
        (REGRESSION,),
        "Mean of the absolute error as a share of the label; rows whose label is 0 are left out.",
        sums=_sums("relative_errors", "mean"),
        bounds=(0.0, math.inf),
    ),
    _quality(
        "smape",
        "share",
        (REGRESSION,),
        "Mean of the absolute error as a share of the mean size of score and label (0–2); both 0 is no error.",
        sums=_sums("symmetric_errors", "mean"),
        bounds=(0.0, 2.0),
    ),
    _quality(
        "r2",
        "share",
        (REGRESSION,),
        "Share of the labels' variance that is explained; undefined where the labels are constant.",
        higher_is_better=True,
        sums=_sums("explained", "r2", "merge_explained"),
        bounds=(-math.inf, 1.0),
    ),
    *(
        _quality(
            f"pinball_p{percent}",
            "label's unit",
            (REGRESSION,),
            f"Mean pinball loss of a score that is meant as the label's {percent} % quantile.",
            rows=f"pinball_p{percent}_rows",
            slope=max(percent, 100 - percent) / 100,
        )
        for percent in (10, 50, 90)
    ),
    *(
        _ranking(
            f"ndcg_at_{k}",
            f"Discounted gain of a query's first {k} places, as a share of the best order's.",
            "ndcg",
            k,
        )
        for k in PLACES
    ),
    *(
        _ranking(f"recall_at_{k}", f"Share of a query's relevant candidates among its first {k}.", "recall_at", k)
        for k in PLACES
    ),
    _ranking("mrr", "Mean over queries of one over the place of the first relevant candidate.", "reciprocal_rank"),
    _ranking(
        "mean_average_precision",
        "Mean over queries of the precision at each relevant candidate's place (MAP).",
        "average_precision_at",
    ),
    _of_suite(
        "failing_rows", "share", "Share of the rows asked whose answer fails a declared behaviour.", of="behaviour"
    ),
    _of_suite(
        "failing_cases",
        "share",
        "Share of declared cases that fail. Each is looked at: there is no interval.",
        of="cases",
    ),
    *(
        _of_suite(
            f"{criterion}_difference",
            "share",
            f"The largest difference between two groups in {what}; 0 is alike.",
            of="groups",
            tasks=(BINARY,),
            needs_label=criterion != "demographic_parity",
        )
        for criterion, what in _CRITERIA.items()
    ),
    *(
        _of_suite(
            f"{criterion}_ratio",
            "ratio",
            f"The smallest ratio between two groups of {what}; 1 is alike.",
            of="groups",
            tasks=(BINARY,),
            needs_label=criterion != "demographic_parity",
            higher_is_better=True,
        )
        for criterion, what in _CRITERIA.items()
    ),
    _operational("error_rate", "share", "Share of requests that ended in an error or a time-out."),
    _operational(
        "abstention_rate",
        "share",
        "Share of requests without an answer: not sure enough, or handed to a person.",
        of_shown=True,
    ),
    _operational(
        "fallback_rate",
        "share",
        "Share of requests for which something stood in: a rule, the previous release.",
        of_shown=True,
    ),
    Metric(
        name="cost_per_1k_usd",
        unit="USD",
        higher_is_better=False,
        operational=True,
        needs_label=False,
        tasks=(ANY,),
        description="What 1,000 answers cost, at the declared price of the processor.",
        bounds=(0.0, math.inf),
        reads=(COST,),
        ranges=((0.0, math.inf),),
        scale=1_000.0,
        of_shown=True,
    ),
    _operational("latency_p50_ms", "ms", "Median time from request to answer.", quantile=0.50),
    _operational("latency_p95_ms", "ms", "Time to answer that 95 % of the requests stay below.", quantile=0.95),
    _operational("latency_p99_ms", "ms", "Time to answer that 99 % of the requests stay below.", quantile=0.99),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ALL})
"""Every metric that a requirement may name."""


GROUP = "plimsoll.metrics"
"""The entry points under which an installed package offers metrics, each under its metric's name."""


def called(metric: str) -> str:
    """The name that people know it by, of a metric's id."""
    return metric.partition("@")[0]


def installed(name: str) -> Metric | None:
    """The metric that an installed package offers under this name; None if there is none."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=name):
        loaded = entry.load()
        if not isinstance(loaded, Metric) or loaded.name != name:
            raise UsageError(f"the entry point {entry.value} of {GROUP} is not a metric named {name!r}")
        return loaded
    return None


def found(metric: str, own: Iterable[Metric] = ()) -> Metric:
    """The definition of a metric's id: ours, one of ``own``, or an installed one.

    Raises UsageError where there is none, or only another version: what was measured by one definition says nothing
    about another.
    """
    if metric in METRICS:
        return METRICS[metric]
    offered = {m.id: m for m in own}
    if metric in offered:
        return offered[metric]
    name, _, version = metric.partition("@")
    there = next((m for m in offered.values() if m.name == name), None) or installed(name)
    if there is None:
        raise UsageError(f"there is no metric {name!r}", hint=nearest(name, [*METRICS, *map(called, offered)]))
    if version and there.id != metric:
        raise UsageError(
            f"{name} is required as its version {version}, and what is there now is version {there.version}: "
            "evidence of one says nothing about the other",
            hint="release again, so that the new definition is what is required; or bring the old one back",
        )
    return there


def judgeable(metric: str) -> bool:
    """Whether this id is of a metric of ours, or of a user's own: whether evidence of it can be judged here."""
    return metric in METRICS or "@" in metric


def known_by_id(metric: str) -> Metric:
    """All that judging has to know of a metric: of a user's own that it is about quality, and not counted.

    Enough to replay a verdict years later, without the code that measured. What it is, and how it is measured, ``found``
    says. Raises UsageError for an id that never was one.
    """
    if metric in METRICS:
        return METRICS[metric]
    name, _, version = metric.partition("@")
    if not version:
        raise UsageError(f"there is no metric {name!r}", hint=nearest(name, METRICS))
    return Metric(
        name=name,
        unit="",
        higher_is_better=False,
        operational=False,
        needs_label=True,
        tasks=(ANY,),
        description="A metric of a user's own.",
        version=version,
    )
