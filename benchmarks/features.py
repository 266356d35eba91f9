"""Point-in-time features of 200,000 flight questions, equal to an oracle that reads the raw rows one by one.

The peer joins the same compiled timelines with ``pandas.merge_asof``, the usual tool for the same step.
"""

from __future__ import annotations

import bisect
import math
import random
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from examples.flights.data import Sources, prepare
from examples.flights.features import (
    OBSERVED,
    aircraft_last_leg,
    carrier_delays,
    origin_delays,
    schedule,
    weather_at_origin,
)
from numpy.typing import NDArray

from benchmarks.table import Row, at_least, at_most
from benchmarks.timing import best_s
from plimsoll.errors import Broken
from plimsoll.features import FeatureSchema, OnlineJoin, Timeline, TrainingSet, compile, read_columns, training_set
from plimsoll.store.online import MemoryOnline

QUESTIONS = 200_000
SAMPLED = 500
VIEWS = (weather_at_origin, carrier_delays, origin_delays, aircraft_last_leg)
NEW_YORK = ZoneInfo("America/New_York")


def run() -> list[Row]:
    """About half a minute, most of it the oracle's."""
    with tempfile.TemporaryDirectory() as folder:
        sources = prepare(Path(folder))
        whole_s = best_s(lambda: _training_set(sources), repeats=2)
        made = _training_set(sources)
        equal = _equal_to_oracle(made, sources)
    return [
        at_most("training set, point in time, 200k questions × all features, from Parquet", whole_s, 4.0, "s"),
        at_least(f"questions equal to the oracle, of {SAMPLED}", equal, SAMPLED, ""),
        at_most(
            "the as-of join alone, 200k questions × 4 views",
            best_s(lambda: _join(made), repeats=5),
            0.5,
            "s",
            peer="pandas.merge_asof",
            peer_value=_pandas_s(made),
        ),
        at_most("1,000 questions on a timeline of 327k rows", _thousand_ms(made), 2.0, "ms"),
        at_most("one question online, 4 views in the process", _online_us(made), 30.0, "µs"),
    ]


@dataclass(frozen=True, kw_only=True)
class Made:
    """What one run of the join leaves behind."""

    schema: FeatureSchema
    columns: Mapping[str, NDArray[Any]]
    timelines: Mapping[str, Timeline]
    set: TrainingSet


def _training_set(sources: Sources) -> Made:
    paths = {"flights": [sources.flights], "weather": [sources.weather]}
    timelines = {view.name: compile(view, paths[view.source]) for view in VIEWS}
    schema = FeatureSchema.of([schedule, *VIEWS])
    wanted = [*schema.columns, "flight_id", "ask_time", "late"]
    read = read_columns(paths["flights"], wanted, order=["ask_time", "flight_id"])
    columns = {name: column[:QUESTIONS] for name, column in read.items()}
    schema = schema.fit(columns)
    joined = training_set(
        schema=schema,
        columns=columns,
        timelines=timelines,
        unit="flight_id",
        asked_at="ask_time",
        blocks=columns["ask_time"].astype("datetime64[D]"),
        label="late",
        slices=["carrier", "origin"],
    )
    return Made(schema=schema, columns=columns, timelines=timelines, set=joined)


def _thousand_ms(made: Made) -> float:
    timeline = made.timelines["aircraft_last_leg"]
    some = slice(QUESTIONS // 2, QUESTIONS // 2 + 1000)
    tails, asked_at = made.columns["tailnum"][some], made.columns["ask_time"][some]
    return 1e3 * best_s(lambda: timeline.as_of(tails, asked_at), repeats=20)


def _online_us(made: Made) -> float:
    online, until_us = MemoryOnline(), int(made.columns["ask_time"][-1].astype(np.int64))
    for binding in made.schema.views:
        online.apply(binding.online, made.timelines[binding.view].rows_between(-(2**62), until_us))
    join = OnlineJoin(made.schema, online)
    question = {name: made.columns[name][-1] for name in made.schema.columns}
    asked = question | {"sched_dep_local": str(question["sched_dep_local"]), "distance": int(question["distance"])}
    return 1e6 / 1000 * best_s(lambda: [join.row(asked, until_us) for _ in range(1000)], repeats=10)


def _join(made: Made) -> None:
    for view in VIEWS:
        made.timelines[view.name].as_of(made.columns[view.entity], made.columns["ask_time"])


def _pandas_s(made: Made) -> float:
    import pandas as pd

    asked = pd.DataFrame({name: made.columns[name] for name in ("ask_time", "origin", "carrier", "tailnum")})
    frames = {view.name: _frame(made.timelines[view.name]) for view in VIEWS}

    def join() -> None:
        for view in VIEWS:
            left = asked[["ask_time", view.entity]].rename(columns={view.entity: "entity"})
            found = pd.merge_asof(left, frames[view.name], left_on="ask_time", right_on="known_at", by="entity")
            if len(found) != QUESTIONS:
                raise Broken(f"merge_asof made {len(found)} rows of {QUESTIONS}")

    return best_s(join, repeats=5)


def _frame(timeline: Timeline) -> Any:
    """The timeline as the peer wants it: sorted by time."""
    import pandas as pd

    columns = {"entity": timeline.entities_of_rows(), "known_at": timeline.known_at_us.astype("datetime64[us]")}
    columns |= dict(zip(timeline.names, timeline.values.T, strict=True))
    return pd.DataFrame(columns).sort_values("known_at", kind="stable")


def _equal_to_oracle(made: Made, sources: Sources) -> int:
    oracle = _Oracle(sources, made.columns)
    chosen = sorted(random.Random(7).sample(range(QUESTIONS), SAMPLED))
    return sum(_same(made.set.X[i].tolist(), oracle.features(i)) for i in chosen)


def _same(got: Sequence[float], wanted: Sequence[float]) -> bool:
    """Equal within the rounding to float32; NaN equals NaN."""
    return len(got) == len(wanted) and all(
        math.isclose(a, b, rel_tol=2e-7, abs_tol=1e-30) or (math.isnan(a) and math.isnan(b))
        for a, b in zip(got, wanted, strict=True)
    )


Known = tuple[datetime, tuple[float, ...]]


class _Oracle:
    """The features by their description, from the raw rows, with Python's own arithmetic."""

    def __init__(self, sources: Sources, columns: Mapping[str, NDArray[Any]]) -> None:
        flights = _raw(sources.flights, ["arr_at", "carrier", "origin", "tailnum", "late", "arr_delay"])
        weather = _raw(sources.weather, ["known_at", "origin", *OBSERVED])
        self.columns = columns
        self.late = {entity: _by(flights, entity, "arr_at", ["late"]) for entity in ("carrier", "origin")}
        self.tails = _by(flights, "tailnum", "arr_at", ["arr_delay"])
        self.weather = _by(weather, "origin", "known_at", OBSERVED)
        self.levels = {name: sorted(set(columns[name].tolist())) for name in ("carrier", "origin", "dest")}

    def features(self, i: int) -> list[float]:
        asked_at: datetime = self.columns["ask_time"][i].item()
        carrier, origin, dest, tail = (self.columns[name][i] for name in ("carrier", "origin", "dest", "tailnum"))
        leaves: datetime = self.columns["sched_dep_local"][i].item()
        codes = [float(self.levels[n].index(v)) for n, v in (("carrier", carrier), ("origin", origin), ("dest", dest))]
        return [
            float(leaves.hour),
            float(self.columns["distance"][i]),
            *codes,
            float(leaves.weekday()),
            *_last(self.weather[origin], asked_at, len(OBSERVED)),
            *_day_and_week(self.late["carrier"][carrier], asked_at),
            *_day_and_week(self.late["origin"][origin], asked_at),
            *_last(self.tails.get(tail, []), asked_at, 1),
        ]


def _raw(path: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    columns = read_columns([path], names)
    lists = [columns[name].tolist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]


def _by(rows: Sequence[Mapping[str, Any]], entity: str, known_at: str, values: Sequence[str]) -> dict[str, list[Known]]:
    grouped: dict[str, list[Known]] = defaultdict(list)
    for row in rows:
        if row[known_at] is not None:
            numbers = tuple(math.nan if row[value] is None else float(row[value]) for value in values)
            grouped[row[entity]].append((row[known_at], numbers))
    for known in grouped.values():
        known.sort(key=lambda k: (k[0], [(math.isnan(v), v) for v in k[1]]))
    return grouped


def _last(known: Sequence[Known], asked_at: datetime, size: int) -> list[float]:
    """The values of the last row known by then, and its age in hours."""
    end = bisect.bisect_right(known, asked_at, key=lambda k: k[0])
    if end == 0:
        return [math.nan] * (size + 1)
    at, values = known[end - 1]
    return [*values, (asked_at - at) / timedelta(hours=1)]


def _day_and_week(known: Sequence[Known], asked_at: datetime) -> list[float]:
    """Mean and count of what became known today, and on the seven local days before."""
    end = bisect.bisect_right(known, asked_at, key=lambda k: k[0])
    if end == 0:
        return [math.nan] * 4
    start = bisect.bisect_left(known, asked_at - timedelta(days=9), key=lambda k: k[0])
    today = _local_day(asked_at)
    days = [((today - _local_day(at)).days, value) for at, (value,) in known[start:end]]
    now = [value for ago, value in days if ago == 0]
    week = [value for ago, value in days if 1 <= ago <= 7]
    return [_mean(now), len(now), _mean(week), len(week)]


def _local_day(at: datetime) -> date:
    return at.replace(tzinfo=UTC).astimezone(NEW_YORK).date()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
