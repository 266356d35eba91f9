"""Rows that nobody wished for: a clear error or a measure without a number, never a NaN in a headline."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from plimsoll import at_least, at_most
from plimsoll.errors import UsageError
from plimsoll.evaluation import Evaluation, evidence, measure
from plimsoll.kernel.verdict import Finding, Policy, Ruling, judge

METRICS = ("auc", "log_loss", "brier", "accuracy", "calibration_error", "f1", "mcc", "average_precision")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def measured(scores: Any, labels: Any, blocks: Any, **more: Any) -> Evaluation:
    return measure(METRICS, scores=scores, labels=labels, blocks=blocks, **more)


def finding(found: Evaluation) -> Finding:
    """Of an AUC and a Brier score that anything should meet, at the gate."""
    asked = [at_least("auc", 0.0), at_most("brier", 2.0)]
    verdict = judge(evidence(found, asked, release="r"), Policy(), NOW)
    assert verdict.ruling in (Ruling.INCONCLUSIVE, Ruling.INVALID)
    return verdict.findings[0]


@pytest.mark.parametrize(
    ("scores", "labels", "blocks"),
    [
        ([0.3], [1.0], ["a"]),
        (np.full(60, 0.3), np.zeros(60), np.arange(60) // 10),
        (np.full(60, 0.3), np.arange(60) % 2, np.zeros(60)),
        (np.linspace(0, 1, 60), np.full(60, math.nan), np.arange(60) // 10),
        (np.linspace(0, 1, 60), np.ones(60), np.arange(60) // 10),
        (np.linspace(0, 1, 60), np.arange(60) % 2, np.arange(60) // 30),
    ],
    ids=["one row", "constant", "one block", "no label", "one class", "two blocks"],
)
def test_too_little_has_no_headline_that_is_no_number(scores: Any, labels: Any, blocks: Any) -> None:
    """Every value is a number or None, and the gate is not passed."""
    found = measured(scores, labels, blocks)
    for m in found.measures:
        assert all(x is None or math.isfinite(x) for x in (m.value, m.estimate, m.low, m.high)), m.metric
        assert all(math.isfinite(x) for b in m.blocks for x in (b.mean, b.low, b.high, b.floor)), m.metric
    assert finding(found).reason


def test_constant_scores_rank_nothing() -> None:
    """All tied: an AUC of exactly ½, in every block."""
    found = measured(np.full(400, 0.3), np.arange(400) % 2, np.arange(400) // 20).find("auc")
    assert found is not None and (found.low, found.value, found.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("task", "scores", "labels", "said"),
    [
        ("binary", [0.1, math.inf], [0.0, 1.0], "row 1 has the score inf"),
        ("binary", [0.1, math.nan], [0.0, 1.0], "row 1 has the score nan"),
        ("binary", [0.1, 1.5], [0.0, 1.0], "a score is 1.5; a binary task has probabilities"),
        ("binary", [0.1, 0.2], [0.0, 3.0], "a label is 3"),
        ("regression", [0.1, 0.2], [0.0, math.inf], "row 1 has the label inf"),
        ("regression", [0.1, -math.inf], [0.0, 1.0], "row 1 has the score -inf"),
    ],
)
def test_numbers_that_are_none_are_named_with_their_row(task: str, scores: Any, labels: Any, said: str) -> None:
    """Before anything is measured."""
    with pytest.raises(UsageError, match=said):
        measure(["mae" if task == "regression" else "auc"], task=task, scores=scores, labels=labels, blocks=["a", "b"])


@pytest.mark.parametrize("kind", ["numbers", "text", "None among them"])
def test_a_slice_a_row_is_one_slice_that_nobody_judges(kind: str) -> None:
    """Two hundred thousand values of a column: pooled, counted, and no measure each."""
    n = 200_000
    values: Any = np.arange(n)
    if kind != "numbers":
        values = values.astype(str).astype(object)
    if kind == "None among them":
        values[0] = None
    rows = {"scores": np.full(n, 0.5), "labels": np.arange(n) % 2 * 1.0, "blocks": np.arange(n) // 20_000}
    found = measure(["brier"], **rows, slices={"user": values})
    assert [m.slice for m in found.measures] == ["all", "user=other"]
    assert "200,000 values of user with fewer than 200" in found.measures[1].note and not found.measures[1].judged


def test_a_slice_with_three_rows_blocks_nobody() -> None:
    """It is pooled, shown, and no evidence for a requirement by that column."""
    n = 3_000
    rng = np.random.default_rng(0)
    origin = np.where(np.arange(n) < 3, "XXX", "EWR")
    scores = rng.random(n)
    rows = {"scores": scores, "labels": (rng.random(n) < scores) * 1.0, "blocks": np.arange(n) // 150}
    found = measure(["brier"], **rows, slices={"origin": origin})
    pieces = evidence(found, [at_most("brier", 0.4, by="origin")], release="r")
    assert [p.slice for p in pieces] == ["origin=EWR"] and judge(pieces, Policy(), NOW).ruling is Ruling.PASS


def test_rows_that_come_twice_are_counted_twice_and_the_blocks_know() -> None:
    """Doubling every row changes no estimate and narrows no interval: blocks are counted, not rows."""
    rng = np.random.default_rng(1)
    scores, day = rng.random(2_000), np.arange(2_000) // 100
    labels = (rng.random(2_000) < scores) * 1.0
    once, twice = measured(scores, labels, day), measured(*(np.repeat(x, 2) for x in (scores, labels, day)))
    for a, b in zip(once.measures, twice.measures, strict=True):
        if a.metric != "calibration_error":  # debiased by the number of rows
            assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), abs=1e-9)
