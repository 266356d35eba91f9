"""Two trainings side by side, against reference implementations and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from plimsoll.evaluation.deep.churn import churn, rank_correlation
from plimsoll.evaluation.deep.loss import Answered
from plimsoll.stats import METRICS

FINE = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=40)


@given(FINE)
def test_the_rank_correlation_is_scipys(pairs):
    """With ties; a constant answer has none."""
    a, b = (np.array(x, dtype=float) for x in zip(*pairs, strict=True))
    found = rank_correlation(a, b)
    if len(set(a)) < 2 or len(set(b)) < 2:
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(a, b).statistic, abs=1e-9)


def answered(scores, labels, task="binary"):
    blocks = [f"b{i // 100:02}" for i in range(len(labels))]
    return Answered(task=task, scores=np.asarray(scores), labels=np.asarray(labels, dtype=float), blocks=blocks)


def test_decisions_that_differ_are_counted_by_what_became_of_them():
    """A tenth of the rows is decided otherwise: half of it becomes right, half wrong, in one slice alone."""
    labels = np.tile([1.0, 0.0], 500)
    scores = np.where(np.arange(1_000) % 20 == 0, 0.4, np.where(labels == 1, 0.8, 0.2))  # a twentieth is wrong
    flip = np.isin(np.arange(1_000) % 20, (0, 2))
    other = np.where(flip, 1 - scores, scores)
    where = np.where(flip | (np.arange(1_000) < 200), "odd", "even").astype(object)
    found = churn("seed 1", answered(scores, labels), other, [METRICS["log_loss"]], {"where": where})
    assert found.flips is not None and found.flips.share == pytest.approx(0.1)
    assert (found.won, found.lost) == (50, 50) and found.worst[0].name == "where=odd"
    assert found.moved == pytest.approx(np.abs(other - scores).mean()) and found.losses[0].blocks == 10


def test_a_training_that_changes_nothing_says_so():
    """The seed is not used: no flip, no move, a perfect rank, and an interval of zero."""
    rng = np.random.default_rng(1)
    scores = rng.random(600)
    found = churn("seed 1", answered(scores, rng.random(600) < scores), scores, [METRICS["log_loss"]], {})
    assert found.flips is not None and found.flips.share == 0.0 and found.rank == 1.0
    assert found.losses[0].worse_by == 0.0 and "does not depend on it" in found.note


def test_numbers_move_and_classes_flip():
    """A regression decides nothing by itself; of several classes the likeliest is the decision."""
    rng = np.random.default_rng(2)
    values = rng.normal(size=400)
    numbers = churn("s", answered(values, values, "regression"), values + 0.5, [METRICS["mae"]], {})
    assert numbers.flips is None and numbers.moved == pytest.approx(0.5) and numbers.losses[0].worse_by == 0.5
    three = rng.dirichlet([1, 1, 1], size=400)
    classes = churn("s", answered(three, three.argmax(axis=1), "multiclass"), three[:, [1, 0, 2]], [], {})
    assert classes.flips is not None and classes.won == 0 and classes.lost == round(400 * classes.flips.share)
