"""What is known about a flight two hours before it is scheduled to leave, each thing defined once.

Everything here rests on *other* flights' outcomes and on the weather, as they were known at the time: an arrival
from the moment of the arrival, an observation from the end of its hour. The flight's own delay is in the same table,
but its known time lies after the question, and the gate would say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.features import Inputs, Reach, category, hour, number, view, weekday, windows

if TYPE_CHECKING:
    from ibis.expr.types import Table  # type: ignore[import-untyped]

HOME_TIMEZONE = "America/New_York"
SO_FAR_AND_WEEK = windows.day_and_week_values("late")
SO_FAR = SO_FAR_AND_WEEK[:2]
ARRIVALS = Reach("arr_at", windows.DAY_AND_WEEK)
"""An arrival matters for as long as the week looks back: one that is pushed, however late, recompiles no more."""

timetable = Inputs(
    hour("sched_dep_local", name="hour"),
    number("distance"),
    category("carrier"),
    category("origin"),
    category("dest"),
)
"""From the question itself. Without the weekday, which seventeen days of January cannot teach."""

schedule = Inputs(*timetable.features, weekday("sched_dep_local", name="weekday"))
"""From the question itself, for a model that has seen more than two of each weekday."""


def late_arrivals(flights: Table, *, of: str) -> Table:
    """The share of arrivals that were late and their number, today so far and over the last seven whole days.

    An arrival counts for the New York day on which the flight arrived. Whether it was late says more than by how
    many minutes: one flight of 20 hours would drown a day (AUC .661 against .646 in January).
    """
    return windows.day_and_week(
        flights, entity=of, known_at="arr_at", value="late", timezone=HOME_TIMEZONE, resolution=1.0
    )


@view(source="flights", entity="carrier", values=SO_FAR_AND_WEEK, reach=ARRIVALS)
def carrier_delays(flights: Table) -> Table:
    """How the carrier's flights have been arriving."""
    return late_arrivals(flights, of="carrier")


@view(source="flights", entity="origin", values=SO_FAR_AND_WEEK, reach=ARRIVALS)
def origin_delays(flights: Table) -> Table:
    """How the airport's flights have been arriving."""
    return late_arrivals(flights, of="origin")


@view(source="flights", entity="carrier", values=SO_FAR, reach=ARRIVALS)
def carrier_today(flights: Table) -> Table:
    """How the carrier's flights have been arriving since midnight."""
    return late_arrivals(flights, of="carrier")


@view(source="flights", entity="origin", values=SO_FAR, reach=ARRIVALS)
def origin_today(flights: Table) -> Table:
    """How the airport's flights have been arriving since midnight."""
    return late_arrivals(flights, of="origin")


@view(source="flights", entity="tailnum", values=["arr_delay"], age=True, reach=Reach("arr_at"))
def aircraft_last_leg(flights: Table) -> Table:
    """The aircraft's previous flight out of New York: how late it arrived there (minutes), and how long ago.

    The flight back is not in the data. A delay that the aircraft had an hour ago is still with it; one that it had
    yesterday is not, which is why the age is a feature.
    """
    return flights.select("arr_delay", entity=flights.tailnum, known_at=flights.arr_at)


OBSERVED = (
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "wind_gust",
    "precip",
    "pressure",
    "visib",
)


@view(source="weather", entity="origin", values=OBSERVED, age=True, reach=Reach("known_at"))
def weather_at_origin(weather: Table) -> Table:
    """The weather last observed at the airport that the flight leaves from, and its age.

    A value that was not reported is missing, never the last one that was: no gust means no gust.
    """
    return weather.select(*OBSERVED, entity=weather.origin, known_at=weather.known_at)
