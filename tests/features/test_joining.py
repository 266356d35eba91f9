"""Training set, online row, skew: the same features three ways, and every row exactly once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from plimsoll.errors import Damaged, Inadmissible, InvalidDeclaration, UsageError
from plimsoll.features import (
    FeatureSchema,
    Inputs,
    OnlineJoin,
    Timeline,
    compile,
    mismatches,
    number,
    read_columns,
    training_set,
)
from plimsoll.store.online import MemoryOnline

from .oracle import INPUTS, VIEWS, micros, weather_at_port, world

EVER = 2**62
COLUMNS = ("trip", "line", "port", "ship", "miles", "leaves_local", "asked_at", "late")


@dataclass
class World:
    """A world's questions and timelines, compiled."""

    trips: list[dict[str, Any]]
    columns: dict[str, NDArray[Any]]
    timelines: dict[str, Timeline]
    schema: FeatureSchema

    def set(self, **changes: Any) -> Any:
        given = {
            "schema": self.schema,
            "columns": self.columns,
            "timelines": self.timelines,
            "unit": "trip",
            "asked_at": "asked_at",
            "blocks": [str(at)[:10] for at in self.columns["asked_at"]],
            "label": "late",
            "slices": ["port"],
        }
        return training_set(**(given | changes))

    def filled(self, until_us: int) -> MemoryOnline:
        online = MemoryOnline()
        for binding in self.schema.views:
            online.apply(binding.online, self.timelines[binding.view].rows_between(-EVER, until_us))
        return online


@pytest.fixture(params=range(2))
def small(request: pytest.FixtureRequest, write: Callable[..., Path]) -> World:
    trips, weather = world(request.param)
    paths = {"trips": [write(trips, "trips.parquet")], "weather": [write(weather, "weather.parquet")]}
    columns = read_columns(paths["trips"], COLUMNS, order=["asked_at", "trip"])
    return World(
        trips=sorted(trips, key=lambda t: (t["asked_at"], t["trip"])),
        columns=columns,
        timelines={v.name: compile(v, paths[v.source]) for v in VIEWS},
        schema=FeatureSchema.of([INPUTS, *VIEWS]).fit(columns),
    )


def test_online_is_offline_bit_for_bit(small: World) -> None:
    """Each question asked as it would be: when everything known until then has been applied, from JSON's types."""
    matrix = small.set().X
    online, last = MemoryOnline(), -EVER
    join = OnlineJoin(small.schema, online)
    for row, trip in zip(matrix, small.trips, strict=True):
        now = micros(trip["asked_at"])
        for binding in small.schema.views:
            online.apply(binding.online, small.timelines[binding.view].rows_between(last, now))
        last = now
        asked = {**trip, "leaves_local": trip["leaves_local"].isoformat()}
        assert join.row(asked, now).tobytes() == row.tobytes()
        assert join.rows([asked, asked], [now, now]).tobytes() == row.tobytes() * 2


def test_every_question_is_one_row(small: World) -> None:
    """In the order of the questions, with its label, or NaN where none came."""
    made = small.set()
    assert made.units.tolist() == [t["trip"] for t in small.trips]
    assert made.X.shape == (len(small.trips), 5 + 3 + 4 + 2) and made.X.dtype == np.float32
    wanted = [np.nan if t["late"] is None else float(t["late"]) for t in small.trips]
    np.testing.assert_array_equal(made.y, wanted)
    assert made.unlabelled == sum(t["late"] is None for t in small.trips) == len(made) - len(made.labelled())
    assert made.slices["port"].tolist() == [t["port"] for t in small.trips]
    assert made.categories == ("line", "port")
    assert made.asked_at[0] == np.datetime64(small.trips[0]["asked_at"], "us")


def test_a_repeated_unit_is_refused_with_both_counts(small: World) -> None:
    twice = {name: np.concatenate([c, c[:1]]) for name, c in small.columns.items()}
    with pytest.raises(Inadmissible, match=r"151 questions have 150 distinct") as refused:
        small.set(columns=twice, blocks=["b"] * 151)
    assert refused.value.details == {"rows": 151, "units": 150}


def test_columns_of_unequal_length_are_refused(small: World) -> None:
    with pytest.raises(UsageError, match=r"150 questions.*'blocks': 3"):
        small.set(blocks=["a", "b", "c"])


def test_a_class_is_its_place(small: World) -> None:
    """With classes the label is text; a label that is none of them is named."""
    assert set(small.set(label="ship", classes=[f"s{n}" for n in range(9)]).y) <= set(range(9))
    with pytest.raises(UsageError, match="s8"):
        small.set(label="ship", classes=[f"s{n}" for n in range(8)])


def test_a_missing_column_is_named_with_the_nearest(small: World) -> None:
    with pytest.raises(UsageError, match="did you mean 'trip'"):
        small.set(unit="trips")
    join = OnlineJoin(small.schema, MemoryOnline())
    question = {name: None for name in COLUMNS if name != "ship"}
    for ask in (lambda: join.row(question, 0), lambda: join.rows([question], [0])):
        with pytest.raises(UsageError, match="no column 'ship'"):
            ask()


def test_of_an_unknown_entity_nothing_is_known(small: World) -> None:
    """Its values and their age are NaN, and a null entity is nobody."""
    join = OnlineJoin(small.schema, small.filled(EVER))
    nobody = dict.fromkeys(COLUMNS)
    assert np.isnan(join.row(nobody, 0)[5:]).all()
    assert join.rows([nobody, {**nobody, "port": "N"}], [0, 0])[:, 5:].tobytes() == (
        join.row(nobody, 0)[5:].tobytes() + join.row({**nobody, "port": "N"}, 0)[5:].tobytes()
    )


def test_an_online_row_of_another_length_is_damage(small: World) -> None:
    online = MemoryOnline()
    online.apply(small.schema.views[0].online, [("N", 0, b"1234")])
    join = OnlineJoin(small.schema, online)
    question = {**dict.fromkeys(COLUMNS), "port": "N"}
    for ask in (lambda: join.row(question, 0), lambda: join.rows([question], [0])):
        with pytest.raises(Damaged, match="4 bytes; the schema says 8"):
            ask()


def test_skew_shows_a_feed_in_other_units(small: World) -> None:
    """Celsius for Fahrenheit: the feature is named, whatever the model makes of it."""
    offline = small.set().X
    assert mismatches(offline, offline.copy()) == (0, 150, (0,) * 14)
    online = offline.copy()
    online[:, 5] = (online[:, 5] - 32) / 1.8
    skew = mismatches(online, offline)
    assert skew.rows_mismatching == np.isfinite(offline[:, 5]).sum() > 0
    assert list(skew.named(small.schema.names)) == ["weather_at_port_temp"]
    assert 0 < skew.share <= 1


def test_nan_equals_nan_and_nothing_else() -> None:
    """Infinities equal themselves; a difference of one part in a million is rounding."""
    a = np.array([[np.nan, np.nan, np.inf, -np.inf, 1.0, 1e-30, 0.0]], dtype=np.float32)
    b = np.array([[np.nan, 0.0, np.inf, np.inf, 1.000001, 2e-30, 0.0]], dtype=np.float32)
    assert mismatches(a, b).per_feature == (0, 1, 0, 1, 0, 1, 0)
    assert mismatches(a, b) == mismatches(b, a)
    with pytest.raises(UsageError, match="shapes"):
        mismatches(a, b[:, :2])


def test_another_feed_is_another_online_row() -> None:
    """Two releases with other bindings, or other code, are served side by side; names stay the model's."""
    own = FeatureSchema.of([weather_at_port])
    other = FeatureSchema.of([weather_at_port], bindings={"weather_at_port": "weather2"})
    assert own.names == other.names and own.digest != other.digest
    assert own.views[0].online != other.views[0].online
    assert own.views[0].feed == "weather" and other.views[0].feed == "weather2"
    with pytest.raises(InvalidDeclaration, match="did you mean 'weather_at_port'"):
        FeatureSchema.of([weather_at_port], bindings={"weather_at_ports": "x"})


def test_a_schema_round_trips_and_says_what_it_reads(small: World) -> None:
    again = FeatureSchema.from_json(small.schema.to_json())
    assert again == small.schema and again.digest == small.schema.digest
    assert again == FeatureSchema.from_plain(small.schema.to_plain())
    assert again.columns == ("miles", "leaves_local", "line", "port", "ship")


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(InvalidDeclaration, match="weather_at_port_temp"):
        FeatureSchema.of([Inputs(number("weather_at_port_temp")), weather_at_port])


def test_a_timeline_of_other_values_is_refused(small: World) -> None:
    """And so is a missing one."""
    wrong = small.timelines | {"last_trip": small.timelines["line_delays"]}
    with pytest.raises(UsageError, match=r"line_delays|last_trip"):
        small.set(timelines=wrong)
    with pytest.raises(UsageError, match="'last_trip' is missing"):
        small.set(timelines={k: v for k, v in small.timelines.items() if k != "last_trip"})


def test_a_question_without_a_time_is_refused(small: World) -> None:
    at = small.columns["asked_at"].copy()
    at[3] = np.datetime64("NaT")
    with pytest.raises(UsageError, match="1 of 150 questions have no time"):
        small.set(columns=small.columns | {"asked_at": at})


def test_a_later_row_than_the_question_is_used_as_it_is(small: World) -> None:
    """Between asking and looking a row may come in: it is used, and its age says so."""
    online = small.filled(EVER)
    known_at_us, _ = online.get(small.schema.views[0].online, "N") or (0, b"")
    asked = known_at_us - micros(datetime(1970, 1, 1) + timedelta(minutes=6))
    row = OnlineJoin(small.schema, online).row({**dict.fromkeys(COLUMNS), "port": "N"}, asked)
    assert row[7] == pytest.approx(-0.1)
