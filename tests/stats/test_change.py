"""Detectors: what they promise while all is well, how fast they are, and that their state is all they need."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import Broken, UsageError
from plimsoll.stats.change import Detection, mean_detector, rate_detector

blocks = st.lists(st.tuples(st.floats(-0.2, 0.5), st.floats(-0.6, -0.2)), max_size=30)


def watch(xs: list[tuple[float, float]], run_length: float = 365.0) -> int | None:
    """After how many blocks the alarm comes, limit 0.02; None if it does not."""
    state: tuple[float, ...] = ()
    for i, block in enumerate(xs, 1):
        found = mean_detector(state, [block], limit=0.02, run_length=run_length)
        if found.alarm:
            return i
        state = found.state
    return None


@given(blocks, st.integers(0, 30))
def test_one_by_one_or_at_once_is_the_same(xs: list[tuple[float, float]], cut: int) -> None:
    """A pass over new blocks goes on where the last one stopped, to the last digit."""
    whole = mean_detector((), xs, limit=0.02, run_length=365)
    first = mean_detector((), xs[:cut], limit=0.02, run_length=365)
    assert mean_detector(first.state, xs[cut:], limit=0.02, run_length=365) == whole


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(5, 100)), max_size=30), st.integers(0, 30))
def test_a_rates_state_goes_on_too(xs: list[tuple[int, int]], cut: int) -> None:
    """The same for counts."""
    whole = rate_detector((), xs, limit=0.01, run_length=1000)
    first = rate_detector((), xs[:cut], limit=0.01, run_length=1000)
    assert rate_detector(first.state, xs[cut:], limit=0.01, run_length=1000) == whole


@given(blocks)
def test_the_state_can_always_be_stored(xs: list[tuple[float, float]]) -> None:
    """Its numbers are finite and not negative, and so is the evidence."""
    found = mean_detector((), xs, limit=0.02, run_length=365)
    assert all(math.isfinite(v) and v >= 0 for v in (*found.state, found.log_e))


def test_nothing_seen_is_no_alarm() -> None:
    """A fresh detector without blocks says no."""
    assert mean_detector((), [], limit=0.02, run_length=365) == Detection(False, 0.0, (0.0,) * 4, "e-detector-betting")


def test_a_false_alarm_takes_as_long_as_promised() -> None:
    """At the limit itself, with days correlated by 0.15, the mean time to a false alarm is above the run length."""
    rng, waited, alarms = random.Random(6), 0, 0
    for _ in range(120):
        last, xs = 0.0, []
        for _ in range(400):
            last = 0.15 * last + 0.989 * rng.gauss(0, 1)
            xs.append((0.02 + 0.048 * last, -0.2))
        at = watch(xs, run_length=100)
        waited, alarms = waited + (at or 400), alarms + (at is not None)
    assert waited / max(1, alarms) > 100


def test_a_good_past_does_not_blind_it() -> None:
    """After a good year a change by one and a half standard deviations is found within weeks."""
    rng = random.Random(8)
    good = [(rng.gauss(-0.02, 0.048), -0.2) for _ in range(365)]
    bad = [(rng.gauss(0.09, 0.048), -0.2) for _ in range(40)]
    assert watch(good) is None
    assert 365 < (watch(good + bad) or 0) <= 365 + 30


def test_a_floor_above_the_limit_is_certain() -> None:
    """If no label could save the block, one block is enough."""
    assert mean_detector((), [(0.3, 0.1)], limit=0.02, run_length=365).alarm


def test_a_value_below_its_floor_is_our_bug() -> None:
    """A bound that does not bound would void the promise, so it is never clipped in silence."""
    with pytest.raises(Broken, match="below its floor"):
        mean_detector((), [(-0.3, -0.2)], limit=0.02, run_length=365)


def test_a_rate_within_its_limit_rings_no_alarm_and_a_tripled_one_does() -> None:
    """A month of hours at 0.4 % against 0.5 %; then 2 % for half a day."""
    rng = random.Random(9)
    quiet = [(sum(rng.random() < 0.004 for _ in range(200)), 200) for _ in range(720)]
    loud = [(4, 200)] * 12
    state = rate_detector((), quiet, limit=0.005, run_length=8760)
    assert not state.alarm and rate_detector(state.state, loud, limit=0.005, run_length=8760).alarm


def test_hours_without_events_change_nothing() -> None:
    """Nights have no flights."""
    some = rate_detector((), [(1, 50)], limit=0.01, run_length=100)
    assert rate_detector(some.state, [(0, 0)] * 9, limit=0.01, run_length=100) == some


def test_what_must_never_happen_alarms_at_once() -> None:
    """With a limit of zero the first hit is the alarm, and none before."""
    assert not rate_detector((), [(0, 10_000)], limit=0.0, run_length=365).alarm
    assert rate_detector((), [(1, 10_000)], limit=0.0, run_length=365).alarm


def test_a_median_can_be_watched() -> None:
    """A limit of a half (p50 latency) leaves room for alternatives above it."""
    assert rate_detector((), [(40, 50)] * 2, limit=0.5, run_length=1000).alarm


def test_a_state_of_another_detector_is_refused() -> None:
    """A state carried over from another version is not misread."""
    with pytest.raises(UsageError, match="state has 4 numbers"):
        mean_detector((0.0,) * 6, [], limit=0.0, run_length=365)
