"""What happens around the capability in 2013: the team's commits, and what the feeds deliver.

Nothing here says how a commit fares. The candidates are what a team might commit in a year, good and bad; the faults
are what happens to feeds. Who ships, who is caught and who comes back is decided by the loop.
"""

from datetime import UTC, datetime, timedelta

from capability import capability

from features import aircraft_last_leg, carrier_today, origin_today, timetable
from plimsoll import Inputs, Table, number
from plimsoll.operations import Candidate, FeedFault, Rehearsal, Retraining

CELSIUS = {"temp": "(temp - 32) * 5 / 9", "dewp": "(dewp - 32) * 5 / 9"}
WEATHER, FLIGHTS = capability.tables[0], capability.source
SECOND_FEED = Table(name="weather_b", contract=WEATHER.contract, rows=WEATHER.rows, arrives_at=WEATHER.arrives_at)


def on(month: int, day: int, hour: int = 18) -> datetime:
    return datetime(2013, month, day, hour, tzinfo=UTC)


first = capability.variant(
    features=[timetable, carrier_today, origin_today, aircraft_last_leg],
    params={**capability.params, "trees": 60},
)
"""All that seventeen days can teach."""

two_days = timedelta(days=2)
candidates = [
    Candidate(label="first", at=on(2, 2), capability=first),
    Candidate(
        label="departure-delay",
        at=on(2, 20),
        capability=capability.variant(features=[*capability.features, Inputs(number("dep_delay"))]),
    ),
    Candidate(label="all-features", at=on(3, 1), capability=capability),
    Candidate(label="all-features-again", at=on(3, 1), capability=capability),
    Candidate(label="other-seed", at=on(3, 1), capability=capability.variant(seed=11)),
    Candidate(
        label="second-feed",
        at=on(5, 20),
        capability=capability.variant(
            tables=[WEATHER, SECOND_FEED], bindings={"weather_at_origin": "weather_b"}, seed=12
        ),
        withdraw_after=two_days,
    ),
    Candidate(label="slow", at=on(5, 20), capability=capability.variant(drill={"latency_ms": 80.0}, seed=13)),
    Candidate(label="raising", at=on(5, 20), capability=capability.variant(drill={"error_share": 0.02}, seed=14)),
    Candidate(label="summer", at=on(6, 24), capability=capability.variant(seed=15)),
    Candidate(label="autumn", at=on(9, 30), capability=capability.variant(seed=16)),
]

rehearsal = Rehearsal(
    start=datetime(2013, 2, 1, 5, tzinfo=UTC),
    until=datetime(2014, 1, 1, 5, tzinfo=UTC),
    candidates=candidates,
    faults=[
        FeedFault(table="weather_b", since=on(1, 31), replace=CELSIUS),
        FeedFault(table="weather", since=on(8, 6), until=on(8, 9), replace=CELSIUS),
    ],
    retraining=Retraining(make=lambda now: capability.variant(seed=now.timetuple().tm_yday)),
    notes={"2013-02-08": "snow storm: more than half of the outcomes never come", "2013-02-09": "snow storm"},
)
