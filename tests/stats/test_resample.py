"""Pseudo-values of blocks: exact where they can be, the fast ways equal to the slow one, and honest intervals."""

import math

import numpy as np
import pytest

from plimsoll.errors import UsageError
from plimsoll.stats import METRICS, jackknife_blocks, t_interval


def days(seed: int, count: int = 20, size: int = 150) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with ties, labels, and days of unequal size."""
    rng = np.random.default_rng(seed)
    ids = np.sort(rng.integers(0, count, size * count))
    scores = np.clip(0.3 + 0.2 * rng.standard_normal(ids.size), 0.0, 1.0).round(2)
    return scores, (rng.uniform(size=ids.size) < scores) * 1.0, np.array([f"day-{i:02d}" for i in ids])


@pytest.mark.parametrize("name", ["auc", "calibration_error", "rmse"])
def test_the_fast_way_is_the_slow_way(name: str) -> None:
    """Leaving blocks out by their parts gives what measuring again without them gives."""
    whole = METRICS[name].whole
    assert whole is not None
    fast = jackknife_blocks(whole, *days(1))
    slow = jackknife_blocks(lambda s, y: whole(s, y), *days(1))
    assert [v.block for v in fast] == [v.block for v in slow]
    assert [v.value for v in fast] == pytest.approx([v.value for v in slow], abs=1e-9)


def test_a_mean_over_equal_blocks_gives_back_the_block_means() -> None:
    """For what is a plain mean the pseudo-values are the blocks' own means, and they carry the block sizes."""
    scores, labels, ids = np.arange(12.0), np.zeros(12), np.repeat(["a", "b", "c"], 4)
    found = jackknife_blocks(lambda s, y: float(s.mean()), scores, labels, ids)
    assert [(v.block, v.n) for v in found] == [("a", 4), ("b", 4), ("c", 4)]
    assert [v.value for v in found] == pytest.approx([1.5, 5.5, 9.5])


def test_blocks_keep_the_order_of_the_rows() -> None:
    """Neighbours in time stay neighbours, whatever their names sort like."""
    found = jackknife_blocks(lambda s, y: float(s.mean()), np.arange(6.0), np.zeros(6), ["b", "b", "c", "c", "a", "a"])
    assert [v.block for v in found] == ["b", "c", "a"]


def test_a_paired_difference_is_the_difference_of_the_pseudo_values() -> None:
    """And is exactly zero for a release compared with itself."""
    scores, labels, ids = days(2)
    other = 1.0 - scores
    auc = METRICS["auc"].whole
    assert auc is not None
    paired = jackknife_blocks(auc, scores, labels, ids, against=other)
    ours, theirs = jackknife_blocks(auc, scores, labels, ids), jackknife_blocks(auc, other, labels, ids)
    assert [v.value for v in paired] == pytest.approx([a.value - b.value for a, b in zip(ours, theirs, strict=True)])
    assert {v.value for v in jackknife_blocks(auc, scores, labels, ids, against=scores)} == {0.0}


def test_rows_without_a_label_are_left_out() -> None:
    """A missing outcome changes nothing but the block's size."""
    scores, labels, ids = days(3)
    missing = labels.copy()
    missing[::7] = math.nan
    keep = ~np.isnan(missing)
    auc = METRICS["auc"].whole
    assert auc is not None
    assert jackknife_blocks(auc, scores, missing, ids) == jackknife_blocks(auc, scores[keep], labels[keep], ids[keep])


@pytest.mark.parametrize("labels", [[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0], [math.nan] * 4])
def test_too_little_gives_no_values(labels: list[float]) -> None:
    """When a single class is left without some block, nothing is claimed."""
    auc = METRICS["auc"].whole
    assert auc is not None
    assert jackknife_blocks(auc, [0.1, 0.2, 0.3, 0.4], labels, ["a", "a", "b", "b"]) == []


def test_lengths_must_agree() -> None:
    """Rows that do not line up are the caller's mistake."""
    with pytest.raises(UsageError, match="one entry a row"):
        jackknife_blocks(lambda s, y: 0.0, [0.1], [1.0, 0.0], ["a", "b"])


def test_the_interval_of_an_auc_covers_it_with_two_weeks_of_dependent_days() -> None:
    """Days that shift all their labels: the t over pseudo-values covers in 95 %, where rows alone would not."""
    rng, covered, runs = np.random.default_rng(5), 0, 300
    auc = METRICS["auc"].whole
    assert auc is not None
    for _ in range(runs):
        day = np.repeat(np.arange(14), 60)
        signal, shift = rng.standard_normal(day.size), rng.standard_normal(14)[day]
        labels = (signal + shift + rng.standard_normal(day.size) > 0) * 1.0
        values = [v.value for v in jackknife_blocks(auc, signal, labels, day)]
        found = t_interval(values, alpha_low=0.025, alpha_high=0.025)
        truth = 0.5 + 2 * math.asin(math.sqrt(1 / 6)) / math.pi  # a signal that correlates by √⅓ with what decides
        covered += found.low <= truth <= found.high
    assert covered / runs > 0.92
