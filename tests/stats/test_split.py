"""The sequential sample-ratio test."""

from __future__ import annotations

import math

import numpy as np
import pytest

from plimsoll.errors import UsageError
from plimsoll.stats.split import CONCENTRATIONS, split_evidence


def test_the_evidence_is_the_ratio_of_two_likelihoods() -> None:
    """As SciPy has the Dirichlet-multinomial and the multinomial."""
    from scipy.stats import dirichlet_multinomial, multinomial

    counts, shares = np.array([130, 271, 99]), np.array([0.25, 0.5, 0.25])
    mixed = np.mean([dirichlet_multinomial.pmf(counts, k * shares, 500) for k in CONCENTRATIONS])
    wanted = math.log(mixed / multinomial.pmf(counts, 500, shares))
    assert split_evidence(counts.tolist(), shares.tolist()) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("shares", [(0.25, 0.75), (0.05, 0.95), (0.2, 0.3, 0.5)])
def test_a_good_split_is_rarely_called_broken(shares: tuple[float, ...]) -> None:
    """Looking after every five units, a promise of 5 % is kept."""
    rng, broken = np.random.default_rng(4), 0
    for _ in range(200):
        counts = rng.multinomial(5, shares, 200).cumsum(axis=0)
        broken += any(split_evidence(c.tolist(), shares) >= math.log(20) for c in counts)
    assert broken <= 0.05 * 200 + 2.6 * math.sqrt(0.05 * 0.95 * 200)


def test_a_broken_split_is_found() -> None:
    """A quarter that gets 30 % shows within 5,000 units at an error of 0.001; one that gets nothing, within 100."""
    assert split_evidence((1500, 3500), (0.25, 0.75)) > math.log(1000)
    assert split_evidence((0, 100), (0.25, 0.75)) > math.log(1000)


@pytest.mark.parametrize(
    ("counts", "shares"),
    [((1,), (0.5, 0.5)), ((-1, 2), (0.5, 0.5)), ((1, 2), (0.5, 0.6)), ((1, 2), (0.0, 1.0)), ((), ())],
)
def test_what_is_no_split_is_refused(counts: tuple[int, ...], shares: tuple[float, ...]) -> None:
    """A count for each share, none negative; shares above zero that sum to one."""
    with pytest.raises(UsageError, match="shares"):
        split_evidence(counts, shares)
