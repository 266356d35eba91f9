"""Rows of a small world, and what a careful clerk would make of them: the oracle reads raw rows, one question at a
time, with Python's own arithmetic, and shares no code with the room that it checks."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from plimsoll.features import Inputs, View, category, hour, number, view, weekday, windows

NEW_YORK = ZoneInfo("America/New_York")
Rows = list[dict[str, Any]]


@view(source="weather", entity="port", values=["temp", "wind"], age=True)
def weather_at_port(t: Any) -> Any:
    return t.select("temp", "wind", entity=t.port, known_at=t.published_at)


@view(source="trips", entity="line", values=windows.day_and_week_values("delay"))
def line_delays(t: Any) -> Any:
    return windows.day_and_week(t, entity="line", known_at="arrived_at", value="delay", timezone="America/New_York")


@view(source="trips", entity="ship", values=["delay"], age=True)
def last_trip(t: Any) -> Any:
    return t.select("delay", entity=t.ship, known_at=t.arrived_at)


VIEWS: tuple[View, ...] = (weather_at_port, line_delays, last_trip)
INPUTS = Inputs(number("miles"), hour("leaves_local"), weekday("leaves_local"), category("line"), category("port"))


def micros(at: datetime) -> int:
    """Microseconds since the epoch of a UTC time without zone."""
    return (at - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def world(seed: int, *, trips: int = 150, start: datetime = datetime(2013, 3, 5), days: int = 16) -> tuple[Rows, Rows]:
    """(trips, weather) around a clock change, with what real rows have: nulls, ties, late news, events at midnight."""
    chance = random.Random(seed)
    moments = [start + timedelta(minutes=chance.randrange(days * 96) * 15) for _ in range(trips)]
    midnights = [datetime(2013, 3, 9, 5), datetime(2013, 3, 10, 5), datetime(2013, 3, 11, 4), datetime(2013, 3, 12, 4)]
    rows = [_trip(chance, i, at, midnights) for i, at in enumerate(moments)]
    weather = [_weather(chance, start + timedelta(hours=h), port) for h in range(days * 24) for port in ("N", "S")]
    return rows, [row for row in weather if chance.random() > 0.2]


def _trip(chance: random.Random, i: int, leaves_at: datetime, midnights: list[datetime]) -> dict[str, Any]:
    arrived_at = leaves_at + timedelta(minutes=chance.randrange(30, 2000))
    if chance.random() < 0.08:
        arrived_at = chance.choice(midnights)
    done = chance.random() > 0.1
    return {
        "trip": f"t{i}",
        "line": chance.choice(["A", "B", "C", None]),
        "port": chance.choice(["N", "S", "unheard of"]),
        "ship": chance.choice([f"s{n}" for n in range(9)]),
        "miles": chance.choice([None, chance.randrange(1, 3000)]),
        "leaves_local": leaves_at.replace(tzinfo=UTC).astimezone(NEW_YORK).replace(tzinfo=None),
        "asked_at": leaves_at - timedelta(hours=2),
        "arrived_at": arrived_at if done else None,
        "delay": round(chance.gauss(10, 40), 3) if done and chance.random() > 0.05 else None,
        "late": chance.random() < 0.25 if done else None,
    }


def _weather(chance: random.Random, observed_at: datetime, port: str) -> dict[str, Any]:
    return {
        "port": port,
        "published_at": observed_at + timedelta(minutes=chance.choice([5, 5, 5, 190])),
        "temp": chance.choice([None, chance.uniform(-10, 30)]),
        "wind": chance.uniform(0, 40),
    }


def as_single(value: float) -> float:
    """``value`` rounded to float32."""
    return float(pa.scalar(value, pa.float32()).as_py())


def expected_weather(weather: Rows, port: str, asked_at: datetime) -> list[float]:
    known = [r for r in weather if r["port"] == port and r["published_at"] <= asked_at]
    if not known:
        return [math.nan] * 3
    newest = max(r["published_at"] for r in known)
    # two rows published at one moment: the greater values count, and null is the greatest
    last = max(
        (r for r in known if r["published_at"] == newest),
        key=lambda r: (math.inf if r["temp"] is None else as_single(r["temp"]), as_single(r["wind"])),
    )
    age_h = (asked_at - newest) / timedelta(hours=1)
    return [as_single(math.nan if last["temp"] is None else last["temp"]), as_single(last["wind"]), as_single(age_h)]


def expected_delays(trips: Rows, line: str | None, asked_at: datetime) -> list[float]:
    """Over the raw rows: known since local midnight, and known on the seven local days before today."""
    today = _local_day(asked_at)
    mine = [r for r in trips if line is not None and r["line"] == line and None not in (r["arrived_at"], r["delay"])]
    if not mine or min(r["arrived_at"] for r in mine) > asked_at:
        return [math.nan] * 4
    known = [(_local_day(r["arrived_at"]), r["delay"]) for r in mine if r["arrived_at"] <= asked_at]
    now = [delay for day, delay in known if day == today]
    week = [delay for day, delay in known if 1 <= (today - day).days <= 7]
    return [_mean(now), float(len(now)), _mean(week), float(len(week))]


def expected_last_trip(trips: Rows, ship: str, asked_at: datetime) -> list[float]:
    known = [r for r in trips if r["ship"] == ship and r["arrived_at"] is not None and r["arrived_at"] <= asked_at]
    if not known:
        return [math.nan] * 2
    newest = max(r["arrived_at"] for r in known)
    delays = [r["delay"] for r in known if r["arrived_at"] == newest]
    delay = math.nan if None in delays else max(delays)
    return [as_single(delay), as_single((asked_at - newest) / timedelta(hours=1))]


def _local_day(at: datetime) -> Any:
    return at.replace(tzinfo=UTC).astimezone(NEW_YORK).date()


def _mean(values: list[float]) -> float:
    return as_single(math.fsum(values) / len(values)) if values else math.nan
