"""Few labels and many predictions: covered as promised, narrower where the predictions are worth something."""

import math

import numpy as np
import pytest

from plimsoll.errors import UsageError
from plimsoll.stats.interval import t_interval
from plimsoll.stats.powered import powered_mean


def drawn(rng: np.random.Generator, n: int, others: int, *, worth: float, bias: float = 0.0) -> tuple[np.ndarray, ...]:
    """Losses of mean 1 and their predictions, which explain ``worth`` of them and are off by ``bias``."""
    f = rng.standard_normal(n + others)
    y = 1.0 + worth * f + math.sqrt(1.0 - worth**2) * rng.exponential(size=n + others) - math.sqrt(1.0 - worth**2)
    return y[:n], f[:n] + bias, f[n:] + bias


@pytest.mark.parametrize(("n", "worth", "bias"), [(50, 0.8, 0.0), (50, 0.8, 3.0), (100, 0.0, 0.0), (30, 0.5, -1.0)])
def test_the_truth_is_covered_however_wrong_the_predictions_are(n: int, worth: float, bias: float) -> None:
    """3,000 draws at 95 %: within the Monte-Carlo error and the few points that 30 skewed rows cost."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(3_000):
        found, _ = powered_mean(*drawn(rng, n, 2_000, worth=worth, bias=bias))
        hits += found.low <= 1.0 <= found.high
    assert 0.925 < hits / 3_000 < 0.97


def test_good_predictions_are_worth_labels() -> None:
    """Explaining 0.9 of it, they narrow the interval to half: as four times the labels would."""
    rng = np.random.default_rng(2)
    y, f, rest = drawn(rng, 100, 10_000, worth=0.9)
    found, weight = powered_mean(y, f, rest)
    plain = t_interval(y.tolist(), alpha_low=0.025, alpha_high=0.025)
    assert (found.high - found.low) < 0.55 * (plain.high - plain.low) and weight > 0.7


def test_worthless_predictions_cost_nothing() -> None:
    """The tuned weight goes to zero: the plain mean of the labels."""
    rng = np.random.default_rng(3)
    widths = []
    for _ in range(100):
        y, f, rest = drawn(rng, 100, 2_000, worth=0.0, bias=5.0)
        found, weight = powered_mean(y, f, rest)
        widths.append((found.high - found.low) / (2 * 1.984 * y.std(ddof=1) / 10))
        assert weight < 0.5
    assert max(widths) < 1.02


def test_rows_of_a_block_are_not_independent() -> None:
    """200 draws of 30 days that share a shock: covered with blocks, and not without."""
    rng, hits, naive = np.random.default_rng(4), 0, 0
    for _ in range(500):
        days = np.repeat(np.arange(30), 40)
        y = rng.standard_normal(30)[days] + rng.standard_normal(1_200)
        f = y + rng.standard_normal(1_200)
        chosen = rng.permutation(1_200) < 300
        args = y[chosen], f[chosen], f[~chosen]
        with_blocks, _ = powered_mean(*args, blocks=days[chosen], other_blocks=days[~chosen])
        without, _ = powered_mean(*args)
        hits += with_blocks.low <= 0.0 <= with_blocks.high
        naive += without.low <= 0.0 <= without.high
    assert hits / 500 > 0.92 > 0.7 > naive / 500


def test_too_few_labels_say_nothing() -> None:
    """An estimate without bounds; what is no number, or does not fit, is refused."""
    found, _ = powered_mean([1.0] * 5, [0.0] * 5, [0.0] * 100)
    assert found.estimate == 1.0 and math.isinf(found.high)
    assert math.isnan(powered_mean([], [], [0.0])[0].estimate)
    constant, weight = powered_mean([1.0] * 20, [0.5] * 20, [0.5] * 100)
    assert constant.low == constant.high == 1.0 and weight == 0.0
    for y, f in (([1.0, math.nan], [0.0, 0.0]), ([1.0], [0.0, 0.0])):
        with pytest.raises(UsageError):
            powered_mean(y, f, [0.0])
