"""A view that tells something before it was known makes the run invalid, by what was known, not by a name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from plimsoll import view
from plimsoll.app import Home, open_home
from plimsoll.capability import Capability, load
from plimsoll.kernel.verdict import Ruling
from plimsoll.operations import VirtualClock, ship
from plimsoll.settings import Settings

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"


@view(source="flights", entity="carrier", values=["arr_delay"])
def told_at_departure(flights: Any) -> Any:
    """Wrong on purpose: how late a flight arrives is not known when it leaves."""
    return flights.select("arr_delay", entity=flights.carrier, known_at=flights.dep_at)


@pytest.fixture
def flights(tmp_path: Path) -> Iterator[tuple[Capability, Home]]:
    with open_home(Settings(home=tmp_path), clock=VirtualClock(datetime(2013, 2, 2, 18, tzinfo=UTC))) as home:
        yield load(FLIGHTS), home


def test_a_view_that_dates_its_rows_too_early_is_invalid(flights: tuple[Capability, Home]) -> None:
    """Named with its value, how many rows, and how far ahead; nothing is trained."""
    capability, home = flights
    shipped = ship(
        capability.variant(features=[*capability.features, told_at_departure]), home.yard(), with_report=False
    )
    assert shipped.verdict is not None and shipped.verdict.ruling is Ruling.INVALID
    assert "told_at_departure (arr_delay)" in shipped.summary and "not known yet" in shipped.summary
    assert "model" not in home.catalog.release(capability.name, shipped.release).manifest.artifacts


def test_the_flights_own_views_are_honest(flights: tuple[Capability, Home]) -> None:
    capability, home = flights
    shipped = ship(capability, home.yard(), with_report=False)
    assert shipped.verdict is not None and shipped.verdict.ruling is not Ruling.INVALID
