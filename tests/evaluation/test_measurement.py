"""What is measured agrees with scikit-learn, adds up over blocks, and says what is missing."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from plimsoll.errors import UsageError
from plimsoll.evaluation import Evaluation, measure

QUALITY = ["auc", "log_loss", "brier", "calibration_error", "accuracy"]


def test_values_agree_with_scikit_learn(days: Any) -> None:
    """AUC, log loss, Brier and accuracy to 1e-9, ties in the scores included."""
    d = days()
    scores = np.round(d.scores, 2)
    found = measure(QUALITY, scores=scores, labels=d.labels, blocks=d.blocks)
    expected = {
        "auc": sk.roc_auc_score(d.labels, scores),
        "log_loss": sk.log_loss(d.labels, scores),
        "brier": sk.brier_score_loss(d.labels, scores),
        "accuracy": sk.accuracy_score(d.labels, scores >= 0.5),
    }
    for name, value in expected.items():
        assert found.find(name).value == pytest.approx(value, abs=1e-9), name


def test_multiclass_agrees_with_scikit_learn() -> None:
    """One probability for each class."""
    rng = np.random.default_rng(0)
    scores = rng.dirichlet([2, 1, 1], size=900)
    labels = rng.integers(0, 3, size=900).astype(float)
    found = measure(
        ["log_loss", "accuracy"], task="multiclass", scores=scores, labels=labels, blocks=np.arange(900) // 60
    )
    assert found.find("log_loss").value == pytest.approx(sk.log_loss(labels, scores), abs=1e-9)
    assert found.find("accuracy").value == pytest.approx(sk.accuracy_score(labels, scores.argmax(axis=1)), abs=1e-9)
    assert len(found.find("accuracy").blocks) == 15


def test_regression_agrees_with_scikit_learn() -> None:
    """In the label's unit."""
    rng = np.random.default_rng(0)
    labels = rng.normal(20, 9, size=600)
    scores = labels + rng.normal(size=600)
    found = measure(["mae", "rmse"], task="regression", scores=scores, labels=labels, blocks=np.arange(600) // 50)
    assert found.find("mae").value == pytest.approx(sk.mean_absolute_error(labels, scores), abs=1e-9)
    assert found.find("rmse").value == pytest.approx(sk.root_mean_squared_error(labels, scores), abs=1e-9)


def test_a_difference_is_the_loss_against_the_comparator(days: Any) -> None:
    """Positive where the release is worse, whichever way the metric points."""
    found = measure(["auc", "log_loss"], **days().rows)
    for name in ("auc", "log_loss"):
        assert found.find(name, comparator="fallback").value < 0
        assert found.find(name, comparator="fallback").high < 0
    mirrored = days()
    swapped = measure(
        ["auc"],
        scores=mirrored.fallback,
        labels=mirrored.labels,
        blocks=mirrored.blocks,
        comparators={"fallback": mirrored.scores},
    )
    assert swapped.find("auc", comparator="fallback").value == -found.find("auc", comparator="fallback").value


def test_the_mean_over_equal_blocks_is_the_value(days: Any) -> None:
    """A row metric adds up; nothing is lost in the cutting."""
    found = measure(["log_loss"], **days().rows)
    alone = found.find("log_loss")
    assert np.mean([b.mean for b in alone.blocks]) == pytest.approx(alone.value, abs=1e-9)
    assert [b.name for b in alone.blocks] == list(found.blocks)
    assert sum(b.n for b in alone.blocks) == found.rows


def test_without_missing_outcomes_there_is_nothing_to_bound(days: Any) -> None:
    """Low, mean and high are one."""
    for m in measure(QUALITY, **days().rows).measures:
        assert all(b.low == pytest.approx(b.mean, abs=1e-9) == pytest.approx(b.high, abs=1e-9) for b in m.blocks)


@settings(max_examples=15, deadline=None)
@given(
    fill=st.floats(0, 1),
    metric=st.sampled_from(["log_loss", "brier", "accuracy"]),
    against=st.sampled_from(["", "fallback"]),
)
def test_no_outcome_could_leave_the_bounds(days: Any, fill: float, metric: str, against: str) -> None:
    """However the missing outcomes turn out, each block's true mean lies between low and high, and above the floor."""
    d = days(missing=0.1, per_block=60)
    rng = np.random.default_rng(1)
    later = np.where(np.isnan(d.labels), rng.random(len(d.labels)) < fill, d.labels)
    then = measure([metric], **(d.rows | {"labels": later})).find(metric, comparator=against)
    for b, true in zip(measure([metric], **d.rows).find(metric, comparator=against).blocks, then.blocks, strict=True):
        assert b.low - 1e-9 <= true.mean <= b.high + 1e-9
        assert b.floor <= b.low + 1e-9


@settings(max_examples=15, deadline=None)
@given(fill=st.floats(0, 1), metric=st.sampled_from(["auc", "calibration_error"]))
def test_a_random_outcome_stays_within_what_was_tried(days: Any, fill: float, metric: str) -> None:
    """For metrics of all rows the labellings that were tried are wider than chance."""
    d = days(missing=0.1, per_block=60)
    later = np.where(np.isnan(d.labels), np.random.default_rng(1).random(len(d.labels)) < fill, d.labels)
    found = measure([metric], **d.rows).find(metric)
    then = measure([metric], **(d.rows | {"labels": later})).find(metric)
    low, high = np.mean([b.low for b in found.blocks]), np.mean([b.high for b in found.blocks])
    assert low - 1e-9 <= np.mean([b.mean for b in then.blocks]) <= high + 1e-9


def test_a_block_without_any_outcome_is_bounded_not_dropped(days: Any) -> None:
    """A storm day on which nothing arrived still counts, as wide as it is."""
    d = days()
    labels = np.where(d.blocks == "2013-01-03", np.nan, d.labels)
    found = measure(["brier"], **(d.rows | {"labels": labels})).find("brier", comparator="fallback")
    storm = found.blocks[2]
    assert (storm.name, storm.n, storm.missing) == ("2013-01-03", 300, 300) and storm.low < storm.mean < storm.high


def test_small_slices_are_pooled_and_not_judged(days: Any) -> None:
    """Trenton has 2 % of the flights: it goes into other, and the report can say so."""
    found = measure(["log_loss"], **days().rows)
    slices = {m.slice: m for m in found.measures if not m.comparator}
    assert set(slices) == {"all", "origin=EWR", "origin=JFK", "origin=LGA", "origin=other"}
    assert not slices["origin=other"].judged and "fewer than 200" in slices["origin=other"].note
    assert sum(m.rows for name, m in slices.items() if name != "all") == found.rows


def test_slices_can_be_taken_for_some_metrics_only(days: Any) -> None:
    """A sort for each slice is not paid where nobody asked."""
    found = measure(QUALITY, **days().rows, sliced=["log_loss"])
    assert {m.metric for m in found.measures if m.slice != "all"} == {"log_loss"}
    assert found.find("auc") and found.find("auc", slice="origin=JFK") is None


def test_a_slice_is_measured_as_if_it_were_alone(days: Any) -> None:
    """Cutting rows changes nothing but the rows."""
    d = days()
    jfk = d.origin == "JFK"
    alone = measure(QUALITY, scores=d.scores[jfk], labels=d.labels[jfk], blocks=d.blocks[jfk])
    found = measure(QUALITY, **d.rows)
    for name in QUALITY:
        assert found.find(name, slice="origin=JFK").blocks == alone.find(name).blocks


def test_an_unbounded_error_waits_for_a_range() -> None:
    """A regression's missing outcome could be anything, until its range is declared."""
    labels = np.arange(400.0) % 7
    labels[3] = np.nan
    rows: dict[str, Any] = {"scores": np.full(400, 3.0), "labels": labels, "blocks": np.arange(400) // 40}
    open_ended = measure(["mae", "rmse"], task="regression", **rows)
    assert all(not m.blocks and "declare the label's range" in m.note for m in open_ended.measures)
    bounded = measure(["mae", "rmse"], task="regression", label_range=(0, 10), **rows)
    assert all(m.blocks[0].low < m.blocks[0].high for m in bounded.measures)


def test_an_undefined_metric_has_no_blocks_and_says_why() -> None:
    """AUC of one class is not zero and not a half."""
    found = measure(["auc"], scores=np.linspace(0, 1, 50), labels=np.zeros(50), blocks=np.arange(50) // 10)
    assert found.find("auc").blocks == () and "one class" in found.find("auc").note


def test_an_evaluation_is_plain_data(days: Any) -> None:
    """It goes through JSON and comes back equal, so that a run can keep it."""
    found = measure(QUALITY, **days(missing=0.02).rows)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Evaluation) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": ["aucc"]}, "no metric 'aucc'"),
        ({"metrics": ["latency_p95_ms"]}, "operational"),
        ({"metrics": ["mae"]}, "not a metric of a binary task"),
        ({"labels": np.zeros(3)}, "3 labels"),
        ({"labels": np.full(4200, 2.0)}, "a label is 2"),
        ({"scores": np.full(4200, np.nan)}, r"row 0 has the score nan from the release"),
        ({"slices": {"origin": ["EWR"]}}, "1 values for 4,200 rows"),
        ({"comparators": {"fallback": np.zeros((4200, 2))}}, "scores with shape"),
    ],
)
def test_rows_that_do_not_fit_are_named(days: Any, change: dict[str, Any], message: str) -> None:
    """Before anything is measured."""
    arguments = {"metrics": ["auc"], **days().rows, **change}
    with pytest.raises(UsageError, match=message):
        measure(arguments.pop("metrics"), **arguments)


def test_no_rows_cannot_be_measured() -> None:
    """An empty window is the caller's mistake, not an empty report."""
    with pytest.raises(UsageError, match="no rows"):
        measure(["auc"], scores=[], labels=[], blocks=[])


def test_missing_labels_of_many_classes_are_bounded_for_metrics_of_all_rows() -> None:
    """A confusion matrix with holes: the worst and the best that were tried lie around what is known."""
    rng = np.random.default_rng(3)
    p = rng.dirichlet((1.0, 1.0, 1.0), size=700)
    y = p.argmax(axis=1).astype(float)
    y[::2] = rng.integers(0, 3, size=350)
    y[::10] = np.nan
    found = measure(
        ["f1_macro"], task="multiclass", scores=p, labels=y, blocks=np.repeat(range(7), 100), comparators={}
    ).find("f1_macro")
    assert found is not None and found.value is not None and len(found.blocks) == 7
    low, high = (sum(getattr(b, end) for b in found.blocks) / 7 for end in ("low", "high"))
    assert low < found.value < high
