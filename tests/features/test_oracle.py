"""Offline features against an oracle that reads the raw rows, question by question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from plimsoll.features import compile

from .oracle import (
    expected_delays,
    expected_last_trip,
    expected_weather,
    last_trip,
    line_delays,
    weather_at_port,
    world,
)

Write = Callable[..., Path]


@pytest.mark.parametrize("seed", range(4))
def test_weather_is_the_last_published_with_its_age(write: Write, seed: int) -> None:
    """The last row published until the question, however late it was published, bit for bit."""
    trips, weather = world(seed)
    timeline = compile(weather_at_port, [write(weather)])
    got = timeline.as_of([t["port"] for t in trips], np.array([t["asked_at"] for t in trips], dtype="datetime64[us]"))
    wanted = [expected_weather(weather, t["port"], t["asked_at"]) for t in trips]
    np.testing.assert_array_equal(got, np.array(wanted, dtype=np.float32))


@pytest.mark.parametrize("seed", range(8))
def test_delays_are_those_known_today_and_in_the_week_before(write: Write, seed: int) -> None:
    """Across the clock change of 10 March, with events at midnight, ties and nulls. Counts are exact."""
    trips, _ = world(seed)
    timeline = compile(line_delays, [write(trips)])
    got = timeline.as_of([t["line"] for t in trips], np.array([t["asked_at"] for t in trips], dtype="datetime64[us]"))
    wanted = np.array([expected_delays(trips, t["line"], t["asked_at"]) for t in trips])
    np.testing.assert_array_equal(got[:, (1, 3)], wanted[:, (1, 3)])
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_the_last_trip_is_the_last_that_had_arrived(write: Write, seed: int) -> None:
    """A trip that is under way, or that never arrived, tells nothing yet."""
    trips, _ = world(seed)
    timeline = compile(last_trip, [write(trips)])
    got = timeline.as_of([t["ship"] for t in trips], np.array([t["asked_at"] for t in trips], dtype="datetime64[us]"))
    wanted = [expected_last_trip(trips, t["ship"], t["asked_at"]) for t in trips]
    np.testing.assert_array_equal(got, np.array(wanted, dtype=np.float32))


@pytest.mark.parametrize("seed", range(3))
def test_a_question_at_the_very_moment_sees_the_row(write: Write, seed: int) -> None:
    """``known_at <= asked_at``: asked a microsecond earlier, it does not."""
    trips, _ = world(seed)
    arrived = [t for t in trips if t["line"] and t["arrived_at"] and t["delay"] is not None]
    timeline = compile(line_delays, [write(trips)])
    at = np.array([t["arrived_at"] for t in arrived], dtype="datetime64[us]")
    for asked in (at, at - np.timedelta64(1, "us")):
        got = timeline.as_of([t["line"] for t in arrived], asked)
        wanted = [expected_delays(trips, t["line"], a) for t, a in zip(arrived, asked.tolist(), strict=True)]
        np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)
