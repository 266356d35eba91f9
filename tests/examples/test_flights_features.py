"""The example's features against what a person would count by hand from the rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from duckdb import DuckDBPyConnection, connect

from plimsoll.features import FeatureSchema, compile, keeps_reach

NEW_YORK = ZoneInfo("America/New_York")
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def rows(db: DuckDBPyConnection, january: Path) -> list[dict[str, Any]]:
    """January's flights as plain rows, times in UTC without a zone."""
    times = ", ".join(f"{c}::TIMESTAMP AS {c}" for c in ("ask_time", "arr_at"))
    found = db.execute(
        f"SELECT flight_id, carrier, origin, tailnum, {times}, arr_delay, late FROM '{january}' ORDER BY ask_time"
    )
    names = [d[0] for d in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def local(at: datetime) -> datetime:
    return at.replace(tzinfo=ZoneInfo("UTC")).astimezone(NEW_YORK).replace(tzinfo=None)


def late_by_hand(rows: list[dict[str, Any]], question: dict[str, Any], entity: str) -> list[float]:
    """Today's and the last seven whole days' share and number of late arrivals, row by row."""
    today = local(question["ask_time"]).date()
    known = [
        (local(r["arr_at"]).date(), r["late"])
        for r in rows
        if r["arr_at"] is not None and r["arr_at"] <= question["ask_time"] and r[entity] == question[entity]
    ]
    so_far = [late for day, late in known if day == today]
    week = [late for day, late in known if today - WEEK <= day < today]
    return [np.mean(so_far) if so_far else np.nan, len(so_far), np.mean(week) if week else np.nan, len(week)]


@pytest.mark.parametrize("name", ["carrier_delays", "origin_delays"])
def test_delays_are_what_counting_by_hand_gives(
    features: ModuleType, january: Path, rows: list[dict[str, Any]], name: str
) -> None:
    """For forty questions over the month: only arrivals that were known, on New York's days."""
    view = getattr(features, name)
    asked = rows[3_000 :: len(rows) // 40]
    found = compile(view, [january]).as_of([q[view.entity] for q in asked], [q["ask_time"] for q in asked])
    wanted = np.array([late_by_hand(rows, q, view.entity) for q in asked], dtype=np.float32)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_the_last_leg_is_the_aircrafts_latest_known_arrival(
    features: ModuleType, january: Path, rows: list[dict[str, Any]]
) -> None:
    """With the hours since; nothing for an aircraft that has not flown yet."""
    asked = [q for q in rows[:: len(rows) // 60] if q["tailnum"]]
    found = compile(features.aircraft_last_leg, [january]).as_of(
        [q["tailnum"] for q in asked], [q["ask_time"] for q in asked]
    )
    for question, (delay, age_h) in zip(asked, found.tolist(), strict=True):
        flown = [r for r in rows if r["tailnum"] == question["tailnum"] and r["arr_at"] is not None]
        known = [(r["arr_at"], r["arr_delay"]) for r in flown if r["arr_at"] <= question["ask_time"]]
        if not known:
            assert np.isnan(delay) and np.isnan(age_h)
            continue
        at, wanted = max(known)
        assert (delay, age_h) == pytest.approx((wanted, (question["ask_time"] - at) / timedelta(hours=1)))


def test_no_feature_changes_when_the_future_is_taken_away(features: ModuleType, january: Path, tmp_path: Path) -> None:
    """A timeline of what was final by the 20th is the whole timeline until the 20th: nothing leaks."""
    then = datetime(2013, 1, 20, 15, tzinfo=ZoneInfo("UTC"))
    past = tmp_path / "flights.parquet"
    with connect() as db:
        db.execute(f"COPY (FROM '{january}' WHERE final_at <= TIMESTAMPTZ '{then}') TO '{past}' (FORMAT parquet)")
    until = int(then.timestamp() * 1e6)
    for view in (features.carrier_delays, features.origin_delays, features.aircraft_last_leg):
        assert compile(view, [past]).until(until).digest == compile(view, [january]).until(until).digest


def test_the_weather_is_the_last_hours_with_its_age(features: ModuleType, sources: Any, db: DuckDBPyConnection) -> None:
    """Asked at 10:20, the hour from 9 to 10 is known; the one that is running is not."""
    asked = datetime(2013, 5, 1, 10, 20)
    timeline = compile(features.weather_at_origin, [sources.weather])
    found = dict(zip(features.weather_at_origin.feature_names, timeline.as_of(["JFK"], [asked])[0], strict=True))
    row = db.execute(
        "SELECT temp FROM weather WHERE origin = 'JFK' AND observed_at = TIMESTAMPTZ '2013-05-01 09:00:00Z'"
    ).fetchone()
    assert row is not None
    assert found["weather_at_origin_temp"] == np.float32(row[0])
    assert found["weather_at_origin_age_h"] == pytest.approx(1 / 3)


def test_what_a_caller_sends_is_the_timetable_and_the_aircraft(features: ModuleType) -> None:
    """Everything else the server looks up itself; nothing of the flight's own outcome is read."""
    everything = [features.schedule, features.carrier_delays, features.origin_delays]
    schema = FeatureSchema.of([*everything, features.aircraft_last_leg, features.weather_at_origin])
    assert set(schema.columns) == {"sched_dep_local", "distance", "carrier", "origin", "dest", "tailnum"}
    assert len(schema.names) == 26


@pytest.mark.parametrize(
    ("name", "table"),
    [
        *((name, "flights") for name in ("carrier_delays", "origin_delays", "carrier_today", "origin_today")),
        ("aircraft_last_leg", "flights"),
        ("weather_at_origin", "weather"),
    ],
)
def test_a_push_compiles_what_it_reaches_alone(
    features: ModuleType, january: Path, sources: Any, name: str, table: str
) -> None:
    """Every view declares how far its rows reach, and keeps it: pushed or delivered, the rows are the same."""
    view, rows = getattr(features, name), [january if table == "flights" else sources.weather]
    assert view.reach is not None and keeps_reach(view, compile(view, rows), rows)
