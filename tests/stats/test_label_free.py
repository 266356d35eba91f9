"""Quality before labels: right where scores are calibrated, corrected where they were off, bounded as often as promised."""

import math

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

from plimsoll.errors import UsageError
from plimsoll.stats.label_free import (
    Isotonic,
    calibrated,
    corrected,
    expected_auc,
    expected_confusion,
    expected_rows,
)
from plimsoll.stats.metrics import METRICS


def test_isotonic_is_scikit_learns() -> None:
    """To 1e-12, ties and scores beyond the seen ones included."""
    rng = np.random.default_rng(1)
    s = np.round(rng.random(2_000), 2)
    y = (rng.random(2_000) < s**2).astype(float)
    new = np.linspace(-0.2, 1.2, 301)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(s, y).predict(new)
    assert np.abs(Isotonic(s, y)(new) - theirs).max() < 1e-12


@pytest.mark.parametrize("name", ["log_loss", "brier", "accuracy"])
def test_a_calibrated_score_knows_its_quality(name: str) -> None:
    """Within what 200,000 rows vary."""
    rng = np.random.default_rng(2)
    p = rng.beta(1, 3, 200_000)
    y = (rng.random(len(p)) < p).astype(float)
    metric = METRICS[name]
    assert metric.rows is not None
    expected = expected_rows(metric, p, np.stack([1 - p, p], axis=1)).mean()
    assert expected == pytest.approx(metric.rows(p, y).mean(), abs=0.004)
    assert expected_auc(p, p) == pytest.approx(roc_auc_score(y, p), abs=0.004)


def test_expected_auc_is_the_weighted_auc() -> None:
    """Each row twice, as a positive and as a negative, weighted by its probability."""
    rng = np.random.default_rng(3)
    s, p = np.round(rng.random(300), 2), rng.random(300)
    theirs = roc_auc_score(np.repeat([1, 0], 300), np.tile(s, 2), sample_weight=np.concatenate([p, 1 - p]))
    assert expected_auc(s, p) == pytest.approx(theirs, abs=1e-12)
    assert math.isnan(expected_auc([0.5], [1.0])) and sum(expected_confusion(s > 0.5, p)) == pytest.approx(300)


def test_bent_scores_are_calibrated_first() -> None:
    """Odds squared: wrong by their own word, right by the past's labels."""
    rng = np.random.default_rng(4)
    p = rng.beta(2, 5, 100_000)
    said = p**2 / (p**2 + (1 - p) ** 2)
    y = (rng.random(len(p)) < p).astype(float)
    past, new = slice(0, 50_000), slice(50_000, None)
    metric = METRICS["log_loss"]
    assert metric.rows is not None
    truth = metric.rows(said[new], y[new]).mean()
    naive = expected_rows(metric, said[new], np.stack([1 - said[new], said[new]], axis=1)).mean()
    better = expected_rows(metric, said[new], calibrated(said[new], said[past], y[past])).mean()
    assert abs(better - truth) < 0.01 < abs(naive - truth)


def test_many_classes_sum_to_one() -> None:
    """Each class calibrated against the others."""
    rng = np.random.default_rng(5)
    p = rng.dirichlet([1, 2, 3], 20_000)
    y = np.array([rng.choice(3, p=row) for row in p[:4_000]], dtype=float)
    made = calibrated(p[4_000:], p[:4_000], y)
    assert np.abs(made.sum(axis=1) - 1).max() < 1e-12
    metric = METRICS["log_loss"]
    assert metric.rows is not None
    assert expected_rows(metric, p[4_000:], made).mean() == pytest.approx(-(p * np.log(p)).sum(axis=1).mean(), abs=0.03)


def test_days_that_drift_are_covered() -> None:
    """4,000 histories: 20 days on which the world was off by a shock each, and 2 days to come: 95 % is kept."""
    rng, hits = np.random.default_rng(6), 0
    for _ in range(4_000):
        shocks = 0.02 + 0.05 * rng.standard_normal(22)
        expected = 0.5 + 0.1 * rng.random(22)
        found = corrected(expected[20:].tolist(), expected[:20].tolist(), (expected + shocks)[:20].tolist())
        truth = float((expected + shocks)[20:].mean())
        hits += found.low <= truth <= found.high
    assert 0.94 < hits / 4_000 < 0.99


def test_without_a_past_nothing_is_bounded() -> None:
    """An estimate alone; without rows not even that; a metric of all rows has no expectation row by row."""
    found = corrected([0.4, 0.6], [], [])
    assert found.estimate == 0.5 and math.isinf(found.high)
    assert math.isnan(corrected([], [0.1] * 9, [0.1] * 9).estimate)
    with pytest.raises(UsageError):
        corrected([0.1], [0.1], [])
    with pytest.raises(UsageError):
        expected_rows(METRICS["auc"], [0.1], [[0.9, 0.1]])
    with pytest.raises(UsageError):
        Isotonic([0.1], [math.nan])
