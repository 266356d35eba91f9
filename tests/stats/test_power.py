"""What a stage is said to see, against simulated streams that go through the shipped sequences."""

import math

import numpy as np
import pytest

from plimsoll.errors import UsageError
from plimsoll.stats.betting import rate_sequence
from plimsoll.stats.power import (
    blocks_until_caught,
    events_until_caught,
    gap_over_blocks,
    power_of_equivalence,
    power_of_rate,
    power_over_blocks,
    rate_events_to_catch,
    rate_seen,
)
from plimsoll.stats.sequence import mean_sequence

ALPHA, RHO, SD = 0.05, 0.1, 0.048


def streams(count: int, n: int, mean: float) -> list[list[float]]:
    """Autocorrelated Gaussian blocks."""
    rng = np.random.default_rng(11)
    xs = rng.standard_normal((count, n))
    for i in range(1, n):
        xs[:, i] = RHO * xs[:, i - 1] + math.sqrt(1 - RHO**2) * xs[:, i]
    found: list[list[float]] = (mean + SD * xs).tolist()
    return found


@pytest.mark.parametrize(("n", "effect"), [(12, -0.03), (17, -0.015), (30, 0.0)])
def test_the_power_to_pass_is_what_happens(n: int, effect: float) -> None:
    """At one look, within what 600 streams tell and the approximation's few points."""
    margin = 0.015
    passed = [mean_sequence(xs, alpha_low=ALPHA, alpha_high=ALPHA).high <= margin for xs in streams(600, n, effect)]
    said = power_over_blocks(n=n, gap=margin - effect, sd=SD, alpha=ALPHA, rho=RHO)
    assert abs(sum(passed) / 600 - said) < 0.08


@pytest.mark.parametrize(("n", "alpha"), [(17, 0.05), (30, 0.0125), (60, 0.0125)])
def test_the_smallest_fault_is_caught_as_often_as_said(n: int, alpha: float) -> None:
    """A loss that far beyond the margin is convicted in about 80 % of the streams."""
    beyond = gap_over_blocks(n=n, sd=SD, alpha=alpha, power=0.8, rho=RHO)
    caught = [mean_sequence(xs, alpha_low=alpha, alpha_high=ALPHA).low > 0.0 for xs in streams(600, n, beyond)]
    assert 0.72 < sum(caught) / 600 < 0.88


@pytest.mark.parametrize(("n", "sd"), [(17, 0.02), (30, 0.03), (20, 0.015)])
def test_equivalence_is_shown_as_often_as_both_sides_are(n: int, sd: float) -> None:
    """What a plan says of it: both bounds inside the margin, for a candidate that is equal."""
    margin, passed = 0.02, 0
    for xs in streams(600, n, 0.0):
        seen = mean_sequence([x * sd / SD for x in xs], alpha_low=ALPHA, alpha_high=ALPHA)
        passed += -margin < seen.low and seen.high < margin
    said = power_of_equivalence(n=n, margin=margin, sd=sd, alpha=ALPHA, rho=RHO)
    assert abs(passed / 600 - said) < 0.06
    assert said < power_over_blocks(n=n, gap=margin, sd=sd, alpha=ALPHA, rho=RHO)


def test_power_and_gap_are_each_others_inverse() -> None:
    """The gap behind a power has that power; before block 10 there is neither."""
    for power in (0.5, 0.8, 0.95):
        gap = gap_over_blocks(n=20, sd=SD, alpha=ALPHA, power=power)
        assert power_over_blocks(n=20, gap=gap, sd=SD, alpha=ALPHA) == pytest.approx(power)
    assert power_over_blocks(n=9, gap=1.0, sd=SD, alpha=ALPHA) == 0.0
    assert math.isinf(gap_over_blocks(n=9, sd=SD, alpha=ALPHA, power=0.8))


@pytest.mark.parametrize(("effect", "clean"), [(0.06, 0), (0.12, 0), (0.12, 10)])
def test_a_fault_is_caught_about_when_said(effect: float, clean: int) -> None:
    """The mean wait over 200 streams, also where clean blocks come before the loss."""
    most, waits = 30, []
    for xs in streams(200, clean + most, 0.0):
        bad = [x + effect * (i >= clean) for i, x in enumerate(xs)]
        looks = ((k, mean_sequence(bad[: clean + k], alpha_low=ALPHA, alpha_high=ALPHA)) for k in range(1, most + 1))
        waits.append(next((k for k, seen in looks if seen.low > 0.015 or seen.problem), most))
    said, _ = blocks_until_caught(effect=effect, margin=0.015, sd=SD, alpha=ALPHA, most=most, clean=clean, rho=RHO)
    assert 0.8 < said / (sum(waits) / 200) < 1.25


def test_clean_blocks_hide_a_fault() -> None:
    """What the sequence carries on from the shadow delays the canary's alarm."""
    usual = {"effect": 0.06, "margin": 0.015, "sd": SD, "alpha": ALPHA, "most": 30}
    assert blocks_until_caught(**usual, clean=10)[0] > blocks_until_caught(**usual)[0] - 10 + 1
    assert blocks_until_caught(**usual, clean=20)[1] < blocks_until_caught(**usual)[1]


@pytest.mark.parametrize(("rate", "n"), [(0.001, 2_000), (0.02, 400), (0.01, 1_500)])
def test_a_rates_power_is_what_happens(rate: float, n: int) -> None:
    """Exact at one look: within the error of 2,000 draws."""
    hits, times = np.unique(np.random.default_rng(5).binomial(n, rate, 2_000), return_counts=True)
    intervals = [rate_sequence(int(k), n, alpha_low=ALPHA, alpha_high=ALPHA) for k in hits]
    decided = [i.high <= 0.005 if rate < 0.005 else i.low > 0.005 for i in intervals]
    assert (
        abs(float(np.average(decided, weights=times)) - power_of_rate(n=n, limit=0.005, rate=rate, alpha=ALPHA)) < 0.035
    )


def test_a_rate_is_caught_after_the_events_that_are_said() -> None:
    """The number for 80 % has 80 %, a tenth fewer has less; the smallest rate seen in it is that rate."""
    n = rate_events_to_catch(limit=0.005, rate=0.02, alpha=ALPHA, power=0.8)
    assert power_of_rate(n=n, limit=0.005, rate=0.02, alpha=ALPHA) >= 0.8
    assert power_of_rate(n=int(0.85 * n), limit=0.005, rate=0.02, alpha=ALPHA) < 0.8
    assert rate_seen(n=n, limit=0.005, alpha=ALPHA, power=0.8) == pytest.approx(0.02, rel=0.05)


def test_the_expected_events_are_what_happens() -> None:
    """The mean over 400 runs of one fault, each looked at after every event."""
    rng, limit, rate, most = np.random.default_rng(3), 0.005, 0.03, 2_000
    waits = []
    for _ in range(400):
        at = np.flatnonzero(rng.random(most) < rate) + 1  # only a hit can convict
        caught = (
            int(n)
            for k, n in enumerate(at, 1)
            if rate_sequence(k, int(n), alpha_low=ALPHA, alpha_high=ALPHA).low > limit
        )
        waits.append(next(caught, most))
    said, caught = events_until_caught(limit=limit, rate=rate, alpha=ALPHA, most=most)
    assert 0.95 < said / float(np.mean(waits)) < 1.35 and caught > 0.99


def test_what_is_not_so_is_never_caught() -> None:
    """A rate at its limit, no events, a fault within the margin; impossible questions are refused."""
    assert rate_events_to_catch(limit=0.01, rate=0.01, alpha=ALPHA, power=0.8, most=1_000) == 1_000
    assert math.isinf(rate_seen(n=0, limit=0.01, alpha=ALPHA, power=0.8))
    assert blocks_until_caught(effect=0.0, margin=0.02, sd=SD, alpha=ALPHA, most=30)[1] < 0.05
    for wrong in ({"sd": -1.0}, {"sd": math.nan}, {"rho": 1.0}):
        with pytest.raises(UsageError):
            power_over_blocks(**{"n": 20, "gap": 0.1, "sd": 0.1, "alpha": 0.05, **wrong})


def test_a_stream_without_spread_is_known_at_once() -> None:
    """All blocks equal: shown as soon as the sequence speaks, or never; nothing is NaN."""
    usual = {"sd": 0.0, "alpha": ALPHA}
    assert power_over_blocks(n=10, gap=0.01, **usual) == 1.0 and power_over_blocks(n=10, gap=-0.01, **usual) == 0.0
    assert gap_over_blocks(n=10, sd=0.0, alpha=ALPHA, power=0.8) == 0.0
    assert blocks_until_caught(effect=0.1, margin=0.02, most=30, **usual) == (10.0, 1.0)
    assert blocks_until_caught(effect=0.01, margin=0.02, most=30, **usual) == (30.0, 0.0)
