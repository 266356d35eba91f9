"""The planner against what happens: simulated rollouts pass about when it says."""

import math
import random

import pytest

from plimsoll.errors import UsageError
from plimsoll.stats.betting import rate_sequence
from plimsoll.stats.planner import blocks_needed, rate_events_needed
from plimsoll.stats.sequence import START, mean_sequence


def passes_at(rng: random.Random, sd: float, effect: float, margin: float) -> int:
    """The first block at which a stream with autocorrelation 0.1 is shown to be within the margin."""
    xs, last = [], rng.gauss(0, 1)
    while len(xs) < 200:
        last = 0.1 * last + math.sqrt(1 - 0.01) * rng.gauss(0, 1)
        xs.append(effect + sd * last)
        if len(xs) >= START and mean_sequence(xs, alpha_low=0.05, alpha_high=0.05).high <= margin:
            return len(xs)
    return 200


@pytest.mark.parametrize(("sd", "effect", "margin"), [(0.048, -0.025, 0.01), (0.011, 0.0, 0.01), (0.048, 0.0, 0.02)])
def test_the_plan_is_close_to_what_happens(sd: float, effect: float, margin: float) -> None:
    """The planned number of blocks for 80 % lies within a quarter of the simulated one, on the careful side."""
    rng = random.Random(7)
    times = sorted(passes_at(rng, sd, effect, margin) for _ in range(250))
    planned = blocks_needed(sd=sd, effect=effect, margin=margin, alpha=0.05, power=0.8)
    assert planned is not None
    assert 0.85 * times[200] <= planned <= 1.25 * times[200]


def test_what_cannot_be_shown_has_no_plan() -> None:
    """A candidate at or beyond the margin never passes; a tiny gap takes longer than the most that is asked."""
    assert blocks_needed(sd=0.05, effect=0.01, margin=0.01, alpha=0.05, power=0.8) is None
    assert blocks_needed(sd=0.05, effect=0.0099, margin=0.01, alpha=0.05, power=0.8) is None


def test_more_power_smaller_gaps_and_dependence_take_longer() -> None:
    """The plan moves the right way in each of its arguments."""
    usual = {"sd": 0.05, "effect": 0.0, "margin": 0.02, "alpha": 0.05, "power": 0.8}
    plain = blocks_needed(**usual) or 0
    for change in ({"power": 0.95}, {"margin": 0.015}, {"sd": 0.07}, {"alpha": 0.01}, {"rho": 0.3}):
        assert (blocks_needed(**{**usual, **change}) or 999) > plain


def test_a_rates_plan_is_the_least_number_that_shows_it() -> None:
    """With no errors at all, one event fewer would not do."""
    n = rate_events_needed(limit=0.005, rate=0.0, alpha=0.05, power=0.8)
    assert n is not None
    assert rate_sequence(0, n, alpha_low=0.05, alpha_high=0.05).high <= 0.005
    assert rate_sequence(0, n - 1, alpha_low=0.05, alpha_high=0.05).high > 0.005


def test_a_rates_plan_holds_in_simulation() -> None:
    """At a true 0.1 % against 0.5 %, the planned events show it in about 80 % of the runs or more."""
    n = rate_events_needed(limit=0.005, rate=0.001, alpha=0.05, power=0.8)
    assert n is not None
    rng = random.Random(3)
    shown = 0
    for _ in range(150):
        hits = sum(rng.random() < 0.001 for _ in range(n))
        shown += rate_sequence(hits, n, alpha_low=0.05, alpha_high=0.05).high <= 0.005
    assert shown / 150 > 0.7


def test_a_rate_above_its_limit_has_no_plan() -> None:
    """What is not so cannot be shown; impossible questions are refused."""
    assert rate_events_needed(limit=0.005, rate=0.006, alpha=0.05, power=0.8) is None
    with pytest.raises(UsageError):
        rate_events_needed(limit=0.0, rate=0.0, alpha=0.05, power=0.8)
