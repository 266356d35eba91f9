"""The bootstrap of blocks: every replicate is what scikit-learn says of its rows, and few blocks say nothing."""

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from plimsoll.errors import UsageError
from plimsoll.stats import METRICS, wins
from plimsoll.stats.bootstrap import block_bootstrap, draws, replicated


def days(seed: int, count: int = 20, size: int = 60, digits: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (with ties, where they have few digits), labels, and days of unequal size."""
    rng = np.random.default_rng(seed)
    codes = np.sort(rng.integers(0, count, count * size))
    scores = rng.beta(2, 3, codes.size).round(digits)
    return scores, (rng.random(codes.size) < scores) * 1.0, codes


@pytest.mark.parametrize("digits", [1, 2, 15])
def test_a_replicate_is_what_its_rows_have(digits: int) -> None:
    """AUC with and without ties, and a mean: to 1e-12."""
    scores, labels, codes = days(0, digits=digits)
    weights = draws(20, 5, seed=3)
    found = {name: replicated(METRICS[name], scores, labels, codes, weights)[1] for name in ("auc", "brier")}
    for r, times in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(len(codes)), times[codes])
        assert found["auc"][r] == pytest.approx(sk.roc_auc_score(labels[rows], scores[rows]), abs=1e-12)
        assert found["brier"][r] == pytest.approx(np.mean((scores[rows] - labels[rows]) ** 2), abs=1e-12)


def test_wins_between_blocks_are_counted_pair_by_pair() -> None:
    """More rows than a chunk has, tied and not."""
    scores, labels, codes = days(1, count=4, size=120)
    found = wins.between(scores, labels == 1.0, codes, 4)
    for a, b in np.ndindex(4, 4):
        up, down = scores[(labels == 1) & (codes == a)], scores[(labels == 0) & (codes == b)]
        assert found[a, b] == (up[:, None] > down).sum() + 0.5 * (up[:, None] == down).sum()


@pytest.mark.parametrize("name", ["r2", "median_absolute_error"])
def test_what_does_not_add_up_is_measured_anew(name: str) -> None:
    """The interval holds the value of the rows."""
    rng = np.random.default_rng(2)
    labels = rng.normal(size=400)
    scores = labels + rng.normal(size=400)
    found = block_bootstrap([METRICS[name]], scores, labels, np.arange(400) // 20, replicates=200)[name]
    assert found.low < METRICS[name].whole(scores, labels) < found.high  # type: ignore[misc]


def test_a_difference_is_paired() -> None:
    """A score against itself differs by nothing in every replicate; against noise the gain is shown."""
    scores, labels, codes = days(4)
    noise = np.random.default_rng(5).random(len(scores))
    auc = [METRICS["auc"]]
    same = block_bootstrap(auc, scores, labels, codes, against=scores)["auc"]
    gain = block_bootstrap(auc, scores, labels, codes, against=noise)["auc"]
    assert (same.low, same.estimate, same.high) == (0.0, 0.0, 0.0) and gain.low > 0


def test_many_blocks_are_drawn_as_neighbours() -> None:
    """A thousand blocks, and the interval of a mean is that of the normal theory to a twentieth."""
    scores, labels, codes = days(6, count=1000, size=20)
    found = block_bootstrap([METRICS["brier"]], scores, labels, codes, replicates=4000)["brier"]
    error = 1.96 * np.std((scores - labels) ** 2) / math.sqrt(len(labels))
    assert found.high - found.estimate == pytest.approx(error, rel=0.1)


@pytest.mark.parametrize(
    ("labels", "said"), [([0.0] * 40, "undefined"), ([math.nan] * 40, "too few"), ([0.0, 1.0] * 20, "")]
)
def test_too_little_has_open_bounds_and_a_reason(labels: list[float], said: str) -> None:
    """One class, nothing, or enough."""
    found = block_bootstrap([METRICS["auc"]], np.linspace(0, 1, 40), labels, np.arange(40) // 4)["auc"]
    assert said in found.problem and math.isinf(found.high) == bool(said)


def test_nine_blocks_are_too_few() -> None:
    """Nothing is said, rather than something narrow."""
    found = block_bootstrap([METRICS["auc"]], *days(7, count=9))["auc"]
    assert "9 blocks are too few" in found.problem and found.low == -math.inf


def test_a_bound_of_few_replicates_is_refused() -> None:
    """The 2.5 % tail of ten draws is nothing."""
    with pytest.raises(UsageError, match="at least 100"):
        block_bootstrap([METRICS["auc"]], *days(8), replicates=10)
