"""The conformance kit: what has to hold for a metric, yours as well as ours. For a test of your own:

::

    def test_profit() -> None:
        check_metric(profit)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import PlimsollError
from plimsoll.stats.metric import MULTICLASS, REGRESSION, Metric, row_bounds
from plimsoll.stats.statistic import merged, statistic_of, value_of

Floats = NDArray[np.float64]
Check = Callable[[Metric, str], Iterator[str]]
CLASSES, ROWS = 4, 240


def check_metric(metric: Metric) -> None:
    """Raise AssertionError with everything that is wrong with ``metric``; on made-up rows, for each of its tasks.

    It has a name, a unit and a description; a perfect answer is better than its opposite; the order of rows says
    nothing; a row without a label says nothing; what it is given stays as it is; nothing, one row, one class, constant,
    tied and extreme scores give a finite number or none, and never an exception or a warning; if it adds up, any split
    says the same to 1e-12; if it has a value per row, the bounds of a missing label hold. Weights are not among it: no
    metric takes any.
    """
    wrong = [w for w in (_unsaid(metric, part) for part in ("name", "unit", "description")) if w]
    if metric.operational:
        raise AssertionError(f"{metric.name} is counted on traffic: there is nothing to compute")
    for task in metric.tasks:
        for check in (_direction, _order, _labels, _spoiling, _nasty, _splits, _bounds):
            wrong += [f"{task}: {w}" for w in _quietly(check, metric, task)]
    if wrong:
        raise AssertionError(f"{metric.name} is not a sound metric:\n" + "\n".join(f"  - {w}" for w in wrong))


def _unsaid(metric: Metric, part: str) -> str:
    return "" if getattr(metric, part) else f"it has no {part}"


def _quietly(check: Check, metric: Metric, task: str) -> list[str]:
    """What the check complains about; an error or a warning is a complaint too."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return list(check(metric, task))
    except (PlimsollError, ArithmeticError, ValueError, IndexError, TypeError, Warning) as error:
        return [f"{check.__name__.strip('_')}: {type(error).__name__}: {error}"]


def _value(metric: Metric, scores: Floats, labels: Floats) -> float:
    """Over the labelled rows; NaN where there is none."""
    if metric.rows is None:
        assert metric.whole is not None
        known = ~np.isnan(labels)
        return float(metric.whole(scores[known], labels[known]))
    values = metric.rows(scores, labels)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _rows(task: str, n: int = ROWS, seed: int = 0) -> tuple[Floats, Floats]:
    """Plausible scores, with ties, and what turned out."""
    rng = np.random.default_rng(seed)
    if task == REGRESSION:
        labels = np.asarray(rng.normal(10.0, 3.0, size=n), dtype=np.float64).round(1)
        return labels + np.asarray(rng.normal(size=n), dtype=np.float64).round(1), labels
    if task == MULTICLASS:
        scores = np.asarray(rng.dirichlet(np.ones(CLASSES), size=n), dtype=np.float64).round(2)
        return scores, (rng.uniform(size=(n, 1)) > scores.cumsum(axis=1)).sum(axis=1).clip(0, CLASSES - 1) * 1.0
    scores = np.asarray(rng.uniform(size=n), dtype=np.float64).round(2)
    return scores, np.asarray(rng.uniform(size=n) < scores, dtype=np.float64)


def _direction(metric: Metric, task: str) -> Iterator[str]:
    """The truth as the score, against the opposite of it."""
    _, labels = _rows(task)
    if task == REGRESSION:
        right, opposite = labels, labels + 50.0
    elif task == MULTICLASS:
        right = np.where(np.arange(CLASSES) == labels[:, None], 0.97, 0.01)
        opposite = np.where(np.arange(CLASSES) == labels[:, None], 0.01, 0.33)
    else:
        right, opposite = 0.01 + 0.98 * labels, 0.99 - 0.98 * labels
    good, bad = _value(metric, right, labels), _value(metric, opposite, labels)
    if not metric.loss_sign * (bad - good) > 0:
        more = "higher" if metric.higher_is_better else "lower"
        yield f"{more} is said to be better, but the truth has {good:.6g} and its opposite {bad:.6g}"


def _order(metric: Metric, task: str) -> Iterator[str]:
    scores, labels = _rows(task)
    order = np.random.default_rng(1).permutation(len(labels))
    here, there = _value(metric, scores, labels), _value(metric, scores[order], labels[order])
    if not _same(here, there, 1e-9):
        yield f"the order of rows changes it from {here!r} to {there!r}"


def _labels(metric: Metric, task: str) -> Iterator[str]:
    """Rows without a label: no value of their own, and no part in that of the others."""
    scores, labels = _rows(task)
    holes = np.where(np.arange(len(labels)) % 3 == 0, np.nan, labels)
    known = ~np.isnan(holes)
    if metric.rows is not None:
        values = metric.rows(scores, holes)
        if values.shape != labels.shape or not (np.isnan(values) == ~known).all():
            yield "it must give one value a row, and NaN exactly where the label is NaN"
    if _adds_up(metric):
        with_holes, without = statistic_of(metric, scores, holes), statistic_of(metric, scores[known], labels[known])
        if not _same(value_of(metric, with_holes), value_of(metric, without), 1e-12):
            yield "rows without a label change its statistic"


def _spoiling(metric: Metric, task: str) -> Iterator[str]:
    scores, labels = _rows(task)
    kept = scores.copy(), labels.copy()
    first = _value(metric, scores, labels)
    if not (np.array_equal(scores, kept[0]) and np.array_equal(labels, kept[1])):
        yield "it changes the scores or labels that it is given"
    if not _same(first, _value(metric, *kept), 0.0):
        yield "the same rows give another value the second time"


def _nasty(metric: Metric, task: str) -> Iterator[str]:
    """Nothing, one row, constants, one class, extremes: finite or undefined."""
    scores, labels = _rows(task)
    same = np.broadcast_to(scores[0], scores.shape).copy()
    extreme = scores * 1e6 if task == REGRESSION else scores.round()
    cases = {
        "no rows": (scores[:0], labels[:0]),
        "one row": (scores[:1], labels[:1]),
        "constant scores": (same, labels),
        "constant labels": (scores, np.full(len(labels), labels[0])),
        "labels of 0": (scores, np.zeros(len(labels))),
        "constant scores and labels": (same, np.full(len(labels), labels[0])),
        "extreme scores": (extreme, labels),
        "no label": (scores, np.full(len(labels), np.nan)),
    }
    for what, (s, y) in cases.items():
        value = _value(metric, s, y)
        if np.isinf(value):
            yield f"{what}: it is infinite"
        if _adds_up(metric) and (found := value_of(metric, statistic_of(metric, s, y))) is not None and not len(y):
            yield f"{what}: it is {found!r}, and should have no value"


def _splits(metric: Metric, task: str) -> Iterator[str]:
    """Associative, and one pass is any split of it."""
    if not _adds_up(metric):
        return
    for seed, cuts in enumerate(([1], [7, 7, 100], [50, 90, 91, 200])):
        scores, labels = _rows(task, seed=seed)
        whole = value_of(metric, statistic_of(metric, scores, labels))
        pairs = zip(np.split(scores, cuts), np.split(labels, cuts), strict=True)
        parts = [statistic_of(metric, s, y) for s, y in pairs]
        left, right = merged(metric, parts), merged(metric, [parts[0], merged(metric, parts[1:])])
        for found in (left, right, merged(metric, parts[::-1])):
            if not _same(value_of(metric, found), whole, 1e-12):
                yield f"cut at {cuts} it is {value_of(metric, found)!r}, in one pass {whole!r}"


def _bounds(metric: Metric, task: str) -> Iterator[str]:
    """Whatever a missing label turns out to be, a row's difference lies within the bounds."""
    if metric.rows is None:
        return
    (a, labels), b = _rows(task), _rows(task, seed=9)[0]
    low, high = row_bounds(metric, a, b)
    found = metric.rows(a, labels) - metric.rows(b, labels)
    if not ((low - 1e-9 <= found) & (found <= high + 1e-9)).all():
        yield f"a row's difference leaves what a missing label could make of it (slope={metric.slope:g})"


def _adds_up(metric: Metric) -> bool:
    return metric.rows is not None or metric.sums is not None


def _same(a: float | None, b: float | None, tolerance: float) -> bool:
    if a is None or b is None:
        return a is b
    return bool(a == b or (np.isnan(a) and np.isnan(b)) or abs(a - b) <= tolerance * max(1.0, abs(a), abs(b)))
