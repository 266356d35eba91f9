"""Two rates compared: bounds that hold at every look, of arms apart and of arms that answer the same requests."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from plimsoll.stats.betting import log_evidence
from plimsoll.stats.two_rates import Arm, difference_sequence, log_evidence_above, ratio_sequence

ARMS = st.tuples(st.integers(0, 300), st.integers(1, 3_000)).map(lambda a: Arm(min(a), a[1]))
FIVE = {"alpha_low": 0.05, "alpha_high": 0.05}


@settings(max_examples=60, deadline=None)
@example(Arm(0, 1), Arm(0, 5), True)
@example(Arm(145, 300), Arm(0, 5), True)
@example(Arm(1, 20), Arm(0, 1), True)
@given(ARMS, ARMS, st.booleans())
def test_a_difference_lies_within_its_bounds_and_turns_with_the_arms(ours: Arm, theirs: Arm, paired: bool) -> None:
    """−1 ≤ low ≤ estimate ≤ high ≤ 1, and theirs less ours is the same turned round."""
    found = difference_sequence(ours, theirs, paired=paired, **FIVE)
    turned = difference_sequence(theirs, ours, paired=paired, **FIVE)
    assert -1 <= found.low <= found.estimate <= found.high <= 1
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-6)
    if found.low > -1:
        assert log_evidence_above(ours, theirs, found.low, paired=paired) == pytest.approx(math.log(20), abs=0.05)


@pytest.mark.parametrize("paired", [False, True])
def test_the_evidence_is_the_least_along_the_line(paired: bool) -> None:
    """No pair of rates with that difference has less than what is found; a fine grid of pairs comes down to it."""
    ours, theirs, d = Arm(30, 1_000), Arm(9, 800), 0.005
    least = math.inf
    for p in np.linspace(0.0005, 0.1, 4_000):
        a, b = log_evidence(30, 1_000, p + d), log_evidence(791, 800, 1 - p)
        least = min(least, np.logaddexp(a, b) - math.log(2) if paired else a + b)
    assert log_evidence_above(ours, theirs, d, paired=paired) == pytest.approx(least, abs=1e-4)


@pytest.mark.parametrize("paired", [False, True])
def test_watching_two_equal_rates_keeps_the_promise(paired: bool) -> None:
    """Looking after every 50 requests, also where one cause fails both, "worse at all" is said in at most 5 %."""
    rng, runs, wrong = np.random.default_rng(6), 60, 0
    for _ in range(runs):
        shared = rng.random(1_500) < 0.01 * paired
        ours, theirs = ((shared | (rng.random(1_500) < 0.02)).cumsum()[49::50] for _ in range(2))
        looks = [(Arm(int(a), n), Arm(int(b), n)) for a, b, n in zip(ours, theirs, range(50, 1_501, 50), strict=True)]
        wrong += any(log_evidence_above(a, b, 0.0, paired=paired) >= math.log(20) for a, b in looks)
    assert wrong <= 0.05 * runs + 2.6 * math.sqrt(0.05 * 0.95 * runs)


def test_a_rate_that_is_four_times_the_others_is_shown() -> None:
    """2 % against 0.5 % over 2,000 requests each: worse for certain, and by a factor of at least one."""
    ours, theirs = Arm(40, 2_000), Arm(10, 2_000)
    assert difference_sequence(ours, theirs, paired=True, **FIVE).low > 0
    assert ratio_sequence(ours, theirs, paired=True, **FIVE).low > 1
    assert ratio_sequence(ours, theirs, paired=False, **FIVE).low > 1.2


@pytest.mark.parametrize(
    ("ours", "theirs"), [(Arm(0, 500), Arm(0, 500)), (Arm(0, 0), Arm(3, 10)), (Arm(5, 5), Arm(0, 5))]
)
def test_nothing_and_certainty_are_no_special_case(ours: Arm, theirs: Arm) -> None:
    """No hit, no event, only hits: bounds there are, and none is a NaN."""
    difference = difference_sequence(ours, theirs, paired=True, **FIVE)
    ratio = ratio_sequence(ours, theirs, paired=True, **FIVE)
    assert -1 <= difference.low <= difference.high <= 1 and 0 <= ratio.low <= ratio.high
