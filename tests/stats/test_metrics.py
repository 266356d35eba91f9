"""Every metric against a slow definition or SciPy, and the bounds on labels that never came."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as ss

from plimsoll.errors import UsageError
from plimsoll.stats.metrics import METRICS, row_bounds
from plimsoll.stats.scoring import calibration_error, midranks

ROWS = [m for m in METRICS.values() if m.rows]
probability = st.floats(0, 1)
binary = st.lists(st.tuples(probability, st.sampled_from([0.0, 1.0])), min_size=1, max_size=60)


def test_the_table_is_whole() -> None:
    """Each metric is keyed by its name, explains itself, and is measured in exactly one way."""
    for name, metric in METRICS.items():
        assert metric.name == name and metric.unit and metric.description.endswith(".")
        measured = [way for way in (metric.rows, metric.whole, metric.per_query) if way is not None]
        assert len(measured) == (0 if metric.operational or metric.of else 1), name
        assert metric.needs_label or metric.operational or metric.of
        assert not (metric.needs_label and metric.operational) and not (metric.operational and metric.of)


def test_defining_metrics_loads_no_numpy() -> None:
    """The kernel reads the definitions; the CLI must start without NumPy."""
    code = "import sys, plimsoll.stats, plimsoll.stats.metrics, plimsoll.stats.sequence, plimsoll.stats.change as c;"
    code += "sys.exit(any(m in sys.modules for m in ('numpy', 'scipy', 'statistics')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_binary_values_are_the_definitions() -> None:
    """Log loss in nats, Brier's square and accuracy from ½ on."""
    p, y = np.array([0.9, 0.2, 0.5, 0.0]), np.array([1.0, 1.0, 0.0, 1.0])
    assert METRICS["log_loss"].rows(p, y) == pytest.approx(  # type: ignore[misc]
        [-math.log(0.9), -math.log(0.2), -math.log(0.5), -math.log(1e-7)]
    )
    assert METRICS["brier"].rows(p, y) == pytest.approx([0.01, 0.64, 0.25, 1.0])  # type: ignore[misc]
    assert METRICS["accuracy"].rows(p, y).tolist() == [1.0, 0.0, 0.0, 0.0]  # type: ignore[misc]


def test_multiclass_values_are_the_definitions() -> None:
    """One row of probabilities per question, labels by class number."""
    p, y = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]), np.array([0.0, 1.0])
    assert METRICS["log_loss"].rows(p, y) == pytest.approx([-math.log(0.7), -math.log(0.1)])  # type: ignore[misc]
    assert METRICS["brier"].rows(p, y) == pytest.approx([0.09 + 0.04 + 0.01, 0.01 + 0.81 + 0.64])  # type: ignore[misc]
    assert METRICS["accuracy"].rows(p, y).tolist() == [1.0, 0.0]  # type: ignore[misc]


@pytest.mark.parametrize("metric", ROWS, ids=lambda m: m.name)
def test_a_label_that_has_not_come_is_never_a_value(metric: object) -> None:
    """NaN in, NaN out: an unlabelled row is neither right nor wrong."""
    scores = np.array([[0.4, 0.6], [0.1, 0.9]]) if metric.tasks == ("multiclass",) else np.array([0.4, 0.9])  # type: ignore[attr-defined]
    values = metric.rows(scores, np.array([math.nan, 1.0]))  # type: ignore[attr-defined]
    assert math.isnan(values[0]) and math.isfinite(values[1])


@given(binary)
def test_auc_counts_pairs(rows: list[tuple[float, float]]) -> None:
    """Equal to comparing every positive with every negative, ties half; NaN with one class."""
    p, y = np.array(rows).T
    found = METRICS["auc"].whole(p, y)  # type: ignore[misc]
    pairs = p[y == 1][:, None] - p[y == 0][None, :]
    if pairs.size == 0:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())


@given(st.lists(st.integers(0, 5), min_size=1, max_size=50))
def test_midranks_are_scipys(xs: list[int]) -> None:
    """Ties share the mean of their ranks."""
    assert midranks(np.array(xs, dtype=float)).tolist() == ss.rankdata(xs).tolist()


def test_a_perfectly_calibrated_model_is_not_called_off_for_few_rows() -> None:
    """Over many samples of 400 rows the debiased squared error averages to zero; the plain one would be 0.03²."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(300):
        p = rng.uniform(size=400)
        found.append(calibration_error(p, (rng.uniform(size=400) < p) * 1.0))
    assert np.mean(found) < 0.02


def test_a_shifted_model_is_off_by_its_shift() -> None:
    """Stating 0.1 too much everywhere is a calibration error of 0.1."""
    rng = np.random.default_rng(2)
    p = rng.uniform(0.2, 0.9, size=200_000)
    y = (rng.uniform(size=p.size) < p - 0.1) * 1.0
    assert calibration_error(p, y) == pytest.approx(0.1, abs=0.004)


def test_regression_errors_are_the_definitions() -> None:
    """Mean absolute and root mean squared error, in the label's unit."""
    p, y = np.array([1.0, 2.0, 4.0]), np.array([2.0, 2.0, 1.0])
    assert METRICS["mae"].rows(p, y).tolist() == [1.0, 0.0, 3.0]  # type: ignore[misc]
    assert METRICS["rmse"].whole(p, y) == pytest.approx(math.sqrt(10 / 3))  # type: ignore[misc]


@given(st.lists(st.tuples(probability, probability), min_size=1, max_size=20), st.sampled_from(["log_loss", "brier"]))
def test_bounds_hold_for_either_label_and_are_reached(rows: list[tuple[float, float]], name: str) -> None:
    """Whatever a binary label turns out to be, the difference is one of the two bounds."""
    a, b = np.array(rows).T
    low, high = row_bounds(METRICS[name], a, b)
    for label in (0.0, 1.0):
        y = np.full(len(a), label)
        difference = METRICS[name].rows(a, y) - METRICS[name].rows(b, y)  # type: ignore[misc]
        assert ((low <= difference) & (difference <= high)).all()
        assert ((difference == low) | (difference == high)).all()


def test_bounds_try_every_class() -> None:
    """With three classes the bounds are the extremes over all three."""
    a, b = np.array([[0.5, 0.3, 0.2]]), np.array([[0.2, 0.3, 0.5]])
    low, high = row_bounds(METRICS["log_loss"], a, b)
    assert (low[0], high[0]) == (pytest.approx(-math.log(2.5)), pytest.approx(math.log(2.5)))


def test_a_single_score_has_bounds_too() -> None:
    """A level's row is bounded by its own score."""
    low, high = row_bounds(METRICS["brier"], np.array([0.3]))
    assert (low[0], high[0]) == (pytest.approx(0.09), pytest.approx(0.49))


@given(a=st.floats(-50, 50), b=st.floats(-50, 50), y=st.floats(-20, 20))
def test_regression_differences_are_bounded_without_a_range(a: float, b: float, y: float) -> None:
    """Absolute errors differ by at most what the scores do; a range only tightens that, and brackets a level."""
    metric, one, other, label = METRICS["mae"], np.array([a]), np.array([b]), np.array([y])
    difference = (metric.rows(one, label) - metric.rows(other, label))[0]  # type: ignore[misc]
    for span in (None, (-20.0, 20.0)):
        low, high = row_bounds(metric, one, other, label_range=span)
        assert low[0] - 1e-9 <= difference <= high[0] + 1e-9
    low, high = row_bounds(metric, one, label_range=(-20.0, 20.0))
    assert low[0] - 1e-9 <= metric.rows(one, label)[0] <= high[0] + 1e-9  # type: ignore[misc]
    assert row_bounds(metric, one)[1][0] == math.inf


def test_a_whole_metric_has_no_row_bounds() -> None:
    """AUC has no value per row; the message says which metrics do."""
    with pytest.raises(UsageError, match="auc has no value per row"):
        row_bounds(METRICS["auc"], np.array([0.5]), np.array([0.5]))
