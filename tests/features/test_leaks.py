"""A view that dates its rows too early is found from what was known, not from its code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plimsoll.features import View, compile, leak, view

from .oracle import VIEWS, micros, world
from .test_timeline import known_until

NOW = datetime(2013, 3, 12, 7, 30)


@view(source="trips", entity="ship", values=["delay", "miles"])
def dates_arrivals_by_departure(t: Any) -> Any:
    """Wrong on purpose: the delay is not known when the trip begins."""
    return t.select("delay", "miles", entity=t.ship, known_at=t.asked_at)


def test_a_view_that_tells_too_early_is_named(write: Callable[..., Path]) -> None:
    """With the value, how many rows, and how far ahead of its time."""
    rows = world(5)[0]
    whole = compile(dates_arrivals_by_departure, [write(rows)])
    then = compile(dates_arrivals_by_departure, [write(known_until(rows, NOW), "then.parquet")])
    found = leak(whole, then, micros(NOW))
    assert found is not None and found.view == "dates_arrivals_by_departure" and "delay" in found.values
    assert 0 < found.rows < found.of and found.lead > timedelta(hours=2)
    assert "dates_arrivals_by_departure (delay" in str(found)


@pytest.mark.parametrize("one", VIEWS, ids=lambda v: v.name)
def test_an_honest_view_is_not(write: Callable[..., Path], one: View) -> None:
    rows = world(6)[one.source == "weather"]
    whole = compile(one, [write(rows)])
    then = compile(one, [write(known_until(rows, NOW), "then.parquet")])
    assert leak(whole, then, micros(NOW)) is None


@view(source="trips", entity="ship", values=["miles"])
def tells_by_absence(t: Any) -> Any:
    """Wrong on purpose: a trip that will arrive later is left out today already."""
    under_way = t.filter(t.arrived_at.isnull())
    return under_way.select("miles", entity=under_way.ship, known_at=under_way.asked_at)


def test_a_row_that_later_knowledge_takes_away_is_a_leak(write: Callable[..., Path]) -> None:
    rows = [
        {**row, "miles": 5, "arrived_at": row["arrived_at"] and row["asked_at"] + timedelta(9)} for row in world(5)[0]
    ]
    whole = compile(tells_by_absence, [write(rows)])
    then = compile(tells_by_absence, [write(known_until(rows, NOW), "then.parquet")])
    found = leak(whole, then, micros(NOW))
    assert found is not None and found.rows > 0 and found.values == ("miles",)
