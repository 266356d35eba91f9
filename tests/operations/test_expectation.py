"""Live quality before its labels: right while the world stays, corrected by the past, silent where it knows nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from plimsoll.operations.answered.expectation import expectation
from plimsoll.operations.answered.noted import sentences
from plimsoll.operations.answered.reading import Answered

T0 = datetime(2025, 3, 1, tzinfo=UTC)


def answers(
    days: int, waiting: int, *, bend: float = 1.0, per_day: int = 300, seed: int = 1, hard: float = 0.0
) -> tuple[Answered, np.ndarray]:
    """``days`` days, the last ``waiting`` without outcomes; odds to the power of ``bend`` are said; the last days' questions
    are harder by ``hard``. Also the labels that will come."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), per_day)
    truth = rng.beta(1.0, 4.0, len(day))
    late = day >= days - waiting
    truth[late] = truth[late] * (1 - hard) + 0.5 * hard
    label = (rng.random(len(day)) < truth).astype(float)
    said = truth**bend / (truth**bend + (1 - truth) ** bend)
    at = [T0 + timedelta(days=int(d)) for d in day]
    rows = Answered(
        ids=[f"e{i}" for i in range(len(day))],
        units=[""] * len(day),
        blocks=np.array([f"{t:%Y-%m-%d}" for t in at], dtype=object),
        asked_at=at,
        scores=said,
        others=None,
        labels=np.where(late, np.nan, label),
    )
    return rows, label


def of(document: dict[str, Any] | None, metric: str) -> dict[str, Any]:
    assert document is not None
    return next(m for m in document["metrics"] if m["metric"] == metric)


@pytest.mark.parametrize("bend", [1.0, 2.0])
def test_what_is_expected_is_what_comes(bend: float) -> None:
    """Also where the scores are too sure of themselves: the past's labels calibrate them. 300 answers a day, 40 seeds."""
    hits, off = 0, []
    for seed in range(40):
        rows, label = answers(22, 2, bend=bend, seed=seed)
        found = of(expectation(rows, "binary"), "brier")
        late = np.isnan(rows.labels)
        truth = float(((rows.scores[late] - label[late]) ** 2).mean())
        hits += found["low"] <= truth <= found["high"]
        off.append(found["expected"] - truth)
    assert hits >= 36 and abs(float(np.mean(off))) < 0.005


def test_harder_questions_show_before_their_labels() -> None:
    """The shift is in what is asked: the estimate moves at once, beyond its bounds around the past."""
    found = of(expectation(answers(22, 2, hard=0.8)[0], "binary"), "accuracy")
    assert found["high"] < found["past"]


def test_what_has_no_past_has_no_bounds() -> None:
    """One labelled day tells nothing of how far off such an estimate is; without any, the scores' own word is taken."""
    found = of(expectation(answers(3, 2)[0], "binary"), "log_loss")
    assert found["low"] is None and found["past"] is not None
    alone = of(expectation(answers(2, 2)[0], "binary"), "log_loss")
    assert alone["expected"] is not None and alone["past"] is None


def test_where_nothing_waits_nothing_is_expected() -> None:
    """All labelled; no answers; and numbers, which do not say how sure they are."""
    assert expectation(answers(10, 0)[0], "binary") is None
    assert expectation(answers(10, 2)[0], "regression") is None
    rows, _ = answers(1, 0, per_day=0)
    assert expectation(rows, "binary") is None


def test_outcomes_that_never_come_are_past() -> None:
    """A day with a tenth missing is past; only what is younger than the last such day waits."""
    rows, _ = answers(12, 1)
    labels = rows.labels.copy()
    labels[: len(labels) // 2][::10] = np.nan
    found = expectation(replace(rows, labels=labels), "binary")
    assert found is not None and found["answers"] == 300 and found["blocks"] == 1 and found["past_blocks"] == 11


def test_it_is_said_in_sentences() -> None:
    """What waits, and each metric with its bounds beside what it was."""
    document = expectation(answers(22, 2)[0], "binary")
    assert document is not None
    first, loss, *_ = sentences(document)
    assert first == "600 answers of 2 blocks since 2025-03-21 have no outcome yet"
    assert loss.startswith("log_loss is expected to be 0.") and "on the 20 blocks before" in loss


def test_one_class_has_no_auc() -> None:
    """Said for the other metrics, left out for this one, never a number that is none."""
    rows, _ = answers(8, 1)
    same = replace(rows, labels=np.where(np.isnan(rows.labels), np.nan, 0.0))
    found = expectation(same, "binary")
    assert of(found, "auc")["expected"] is None and of(found, "log_loss")["expected"] is not None
