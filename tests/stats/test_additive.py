"""Metrics against scikit-learn, and their statistics: any split, merged in any order, says what one pass says."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from plimsoll.errors import UsageError
from plimsoll.stats import METRICS, Metric, Statistic, jackknife_blocks, merged, pseudo_values, statistic_of, value_of
from plimsoll.stats.additive import binned_auc_error

MEASURED = [m for m in METRICS.values() if m.rows or m.whole]
ADDS_UP = [m for m in MEASURED if m.rows or m.sums]


def rows(task: str, n: int, seed: int, *, offset: float = 0.0) -> tuple[Any, Any]:
    """Scores with ties and labels of a task."""
    rng = np.random.default_rng(seed)
    if task == "binary":
        p = rng.uniform(size=n).round(2)
        return p, (rng.uniform(size=n) < p) * 1.0
    if task == "multiclass":
        p = rng.dirichlet((1.0, 2.0, 1.0, 0.5), size=n).round(3)
        return p, np.array([rng.choice(4, p=row / row.sum()) for row in p], dtype=float)
    y = rng.normal(size=n).round(1) + offset
    return y + rng.normal(size=n).round(1), y


def measured(metric: Metric, scores: Any, labels: Any) -> float:
    if metric.rows:
        return float(metric.rows(scores, labels).mean())
    assert metric.whole is not None
    return metric.whole(scores, labels)


def _called(p: Any) -> Any:
    return (p >= 0.5) * 1.0 if p.ndim == 1 else p.argmax(axis=1) * 1.0


SKLEARN: dict[str, Any] = {
    "precision": lambda p, y: sk.precision_score(y, _called(p)),
    "recall": lambda p, y: sk.recall_score(y, _called(p)),
    "specificity": lambda p, y: sk.recall_score(y, _called(p), pos_label=0),
    "f1": lambda p, y: sk.f1_score(y, _called(p)),
    "f1_macro": lambda p, y: sk.f1_score(y, _called(p), average="macro"),
    "f1_micro": lambda p, y: sk.f1_score(y, _called(p), average="micro"),
    "f1_weighted": lambda p, y: sk.f1_score(y, _called(p), average="weighted"),
    "balanced_accuracy": lambda p, y: sk.balanced_accuracy_score(y, _called(p)),
    "mcc": lambda p, y: sk.matthews_corrcoef(y, _called(p)),
    "auc": lambda p, y: sk.roc_auc_score(y, p),
    "auc_ovr": lambda p, y: np.mean([sk.roc_auc_score(y == c, p[:, c]) for c in range(4)]),
    "average_precision": lambda p, y: sk.average_precision_score(y, p),
    "accuracy": lambda p, y: sk.accuracy_score(y, _called(p)),
    "mae": lambda p, y: sk.mean_absolute_error(y, p),
    "mse": lambda p, y: sk.mean_squared_error(y, p),
    "rmse": lambda p, y: sk.root_mean_squared_error(y, p),
    "median_absolute_error": lambda p, y: sk.median_absolute_error(y, p),
    "mape": lambda p, y: sk.mean_absolute_percentage_error(y[y != 0], p[y != 0]),
    "r2": lambda p, y: sk.r2_score(y, p),
    "pinball_p10": lambda p, y: sk.mean_pinball_loss(y, p, alpha=0.1),
    "pinball_p50": lambda p, y: sk.mean_pinball_loss(y, p, alpha=0.5),
    "pinball_p90": lambda p, y: sk.mean_pinball_loss(y, p, alpha=0.9),
}
CASES = [(name, task) for name in SKLEARN for task in METRICS[name].tasks]


@pytest.mark.parametrize(("name", "task"), CASES)
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_value_is_scikit_learns(name: str, task: str, offset: float) -> None:
    """To 1e-9, on rows with ties, and on labels far from zero."""
    p, y = rows(task, 700, seed=4, offset=offset)
    assert measured(METRICS[name], p, y) == pytest.approx(SKLEARN[name](p, y), rel=1e-9, abs=1e-9)


def test_a_label_among_the_three_likeliest() -> None:
    """As counted by hand; equals are taken in the order of the classes, so a constant score is not always right."""
    p = np.array([[0.1, 0.2, 0.3, 0.4]] * 2 + [[0.25] * 4] * 2)
    assert METRICS["top_3_accuracy"].rows(p, np.array([0.0, 1.0, 2.0, 3.0])).tolist() == [0, 1, 1, 0]  # type: ignore[misc]


def test_rules_for_zero_labels() -> None:
    """A relative error of zero does not exist; a symmetric one is 2 unless both are zero."""
    s, y = np.array([1.0, 3.0, 0.0]), np.array([0.0, 2.0, 0.0])
    assert measured(METRICS["mape"], s, y) == pytest.approx(0.5)
    assert measured(METRICS["smape"], s, y) == pytest.approx((2 + 0.4 + 0) / 3)
    assert math.isnan(measured(METRICS["mape"], s[:1], y[:1]))


def test_the_expected_calibration_error_is_the_mean_gap() -> None:
    """Bins weighted by their rows; with classes, of what was said as likeliest."""
    metric = METRICS["expected_calibration_error"]
    assert measured(metric, np.array([0.1, 0.1, 0.9]), np.array([0.0, 1.0, 1.0])) == pytest.approx((0.8 + 0.1) / 3)
    assert measured(metric, np.array([[0.1, 0.9], [0.9, 0.1]]), np.array([1.0, 1.0])) == pytest.approx(0.8 / 2)


@pytest.mark.parametrize("metric", ADDS_UP, ids=lambda m: m.name)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_any_split_says_the_same(metric: Metric, data: Any) -> None:
    """Cut anywhere and merged from either end, statistics give the value of one pass to 1e-12."""
    p, y = rows(metric.tasks[0], data.draw(st.integers(1, 60)), data.draw(st.integers(0, 99)), offset=1e3)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(y)), max_size=4)))
    parts = [statistic_of(metric, *part) for part in zip(np.split(p, cuts), np.split(y, cuts), strict=True)]
    whole = value_of(metric, statistic_of(metric, p, y))
    for found in (value_of(metric, merged(metric, parts)), value_of(metric, merged(metric, parts[::-1]))):
        assert found is whole is None or found == pytest.approx(whole, rel=1e-12, abs=1e-12)
    if metric.name != "auc":
        exact = measured(metric, p, y)
        assert whole == pytest.approx(exact, rel=1e-9) if math.isfinite(exact) else whole is None


@pytest.mark.parametrize("metric", [m for m in ADDS_UP if m.whole and m.name != "auc"], ids=lambda m: m.name)
def test_leaving_a_block_out_needs_no_rows(metric: Metric) -> None:
    """From the blocks' statistics alone: what measuring again without each block gives."""
    p, y = rows(metric.tasks[0], 900, seed=2, offset=100.0)
    ids = np.repeat(np.arange(9), 100)
    assert metric.whole is not None
    slow = [v.value for v in jackknife_blocks(lambda s, t: metric.whole(s, t), p, y, ids)]  # type: ignore[misc]
    parts = [statistic_of(metric, p[ids == b], y[ids == b]) for b in range(9)]
    assert pseudo_values(metric, parts) == pytest.approx(slow, abs=1e-8)
    assert [v.value for v in jackknife_blocks(metric.whole, p, y, ids)] == pytest.approx(slow, abs=1e-8)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=80))
def test_an_auc_from_bins_is_off_by_no_more_than_it_says(found: list[tuple[float, bool]]) -> None:
    """Pairs within one bin are all that it cannot tell apart."""
    p, y = np.array(found, dtype=float).T
    part = statistic_of(METRICS["auc"], p, y)
    exact, binned = measured(METRICS["auc"], p, y), value_of(METRICS["auc"], part)
    if binned is None:
        assert math.isnan(exact)
    else:
        assert abs(binned - exact) <= float(binned_auc_error(np.array(part.numbers))) + 1e-12


@pytest.mark.parametrize("metric", MEASURED, ids=lambda m: m.name)
def test_the_order_of_rows_says_nothing(metric: Metric) -> None:
    """Shuffled rows have the same value."""
    for task in metric.tasks:
        p, y = rows(task, 200, seed=8)
        order = np.random.default_rng(0).permutation(200)
        assert measured(metric, p[order], y[order]) == pytest.approx(measured(metric, p, y), rel=1e-12)


@pytest.mark.parametrize("metric", [m for m in ADDS_UP if m.sums], ids=lambda m: m.name)
def test_a_label_that_has_not_come_is_left_out(metric: Metric) -> None:
    """An unlabelled row changes no statistic."""
    p, y = rows(metric.tasks[0], 50, seed=1)
    some = y.copy()
    some[::5] = math.nan
    known = ~np.isnan(some)
    assert statistic_of(metric, p, some) == statistic_of(metric, p[known], y[known])


@pytest.mark.parametrize("metric", ADDS_UP, ids=lambda m: m.name)
def test_nothing_has_no_value(metric: Metric) -> None:
    """Without rows there is no number, and no NaN that looks like one."""
    p, y = rows(metric.tasks[0], 3, seed=1)
    assert value_of(metric, statistic_of(metric, p[:0], y[:0])) is None


def test_one_class_and_constant_answers() -> None:
    """A share of nothing is undefined; an answer that never changes correlates with nothing."""
    p, zeros, ones = np.array([0.1, 0.9]), np.zeros(2), np.ones(2)
    assert math.isnan(measured(METRICS["recall"], p, zeros)) and math.isnan(measured(METRICS["specificity"], p, ones))
    assert math.isnan(measured(METRICS["precision"], p * 0.1, ones))
    assert math.isnan(measured(METRICS["average_precision"], p, zeros))
    assert measured(METRICS["mcc"], p * 0.1, np.array([0.0, 1.0])) == 0.0
    assert math.isnan(measured(METRICS["r2"], p, ones))


def test_a_statistic_travels_as_plain_data() -> None:
    """Encoded and decoded it is the same."""
    part = statistic_of(METRICS["f1"], *rows("binary", 20, seed=0))
    assert msgspec.json.decode(msgspec.json.encode(part), type=Statistic) == part


def test_what_does_not_belong_together_is_not_merged() -> None:
    """Another metric, another number of classes, nothing at all, or a metric that needs its rows."""
    binary, many = rows("binary", 20, seed=0), rows("multiclass", 20, seed=0)
    f1, macro = METRICS["f1"], METRICS["f1_macro"]
    with pytest.raises(UsageError, match="statistics of mcc cannot be read as f1"):
        merged(f1, [statistic_of(f1, *binary), statistic_of(METRICS["mcc"], *binary)])
    with pytest.raises(UsageError, match="all of one size"):
        merged(macro, [statistic_of(macro, *binary), statistic_of(macro, *many)])
    with pytest.raises(UsageError, match="there must be statistics"):
        merged(f1, [])
    with pytest.raises(UsageError, match="needs all rows at once"):
        statistic_of(METRICS["average_precision"], *binary)
    assert pseudo_values(f1, [statistic_of(f1, *binary)]) == []
