"""The example's model and its fallback, on January."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from plimsoll.features import FeatureSchema, TrainingSet, compile, read_columns, training_set
from plimsoll.stats.metrics import METRICS
from plimsoll.training import train

PARAMS = {"trees": 60, "num_leaves": 15, "learning_rate": 0.05, "min_rows": 200}


@pytest.fixture(scope="module")
def columns(january: Path) -> dict[str, Any]:
    wanted = ["flight_id", "ask_time", "carrier", "origin", "dest", "tailnum", "distance", "sched_dep_local", "late"]
    return read_columns([january], wanted, order=["ask_time", "flight_id"])


@pytest.fixture(scope="module")
def month(features: ModuleType, january: Path, columns: dict[str, Any]) -> TrainingSet:
    """The first release's features."""
    used = [features.timetable, features.carrier_today, features.origin_today, features.aircraft_last_leg]
    days = (columns["ask_time"].astype("datetime64[m]") - np.timedelta64(5, "h")).astype("datetime64[D]")
    return training_set(
        schema=FeatureSchema.of(used).fit(columns),
        columns=columns,
        timelines={view.name: compile(view, [january]) for view in used[1:]},
        unit="flight_id",
        asked_at="ask_time",
        blocks=days.astype(str),
        label="late",
    )


def fitted(model: ModuleType, month: TrainingSet, seed: int = 7) -> Any:
    return train(model.train, month.take(month.blocks.astype(str) <= "2013-01-17"), PARAMS, seed)


def test_training_twice_gives_the_same_model(model: ModuleType, month: TrainingSet) -> None:
    """The same rows, parameters and seed: the same text, to the last digit."""
    assert fitted(model, month).model_to_string() == fitted(model, month).model_to_string()


def test_another_seed_gives_another_model(model: ModuleType, month: TrainingSet) -> None:
    """Or an A/A test would compare a model with itself."""
    one, other = (fitted(model, month, seed).predict(month.X) for seed in (7, 11))
    assert 0.001 < np.abs(one - other).mean() < 0.05


def test_seventeen_days_teach_more_than_the_fallback_knows(
    model: ModuleType, month: TrainingSet, columns: dict[str, Any]
) -> None:
    """On 18–31 January: AUC .678 against .657."""
    later = (month.blocks.astype(str) > "2013-01-17") & ~np.isnan(month.y)
    auc = METRICS["auc"].whole
    assert auc is not None
    learnt = auc(fitted(model, month).predict(month.X[later]), month.y[later])
    known = auc(model.late_rate_by_carrier_and_hour(columns)[later], month.y[later])
    assert learnt > known + 0.01 > 0.66


def test_the_fallback_answers_for_a_carrier_that_it_has_never_seen(model: ModuleType) -> None:
    """With the hour's rate, and a score for each question, however the time is written."""
    asked = {"carrier": ["UA", "ZZ", None], "sched_dep_local": ["2013-07-01T17:30:00"] * 3}
    scores = model.late_rate_by_carrier_and_hour(asked)
    assert scores.shape == (3,) and scores[1] == scores[2] == model.RATES["any_other"][17]
    assert scores[0] == model.RATES["carriers"]["UA"][17]


def test_the_frozen_rates_are_those_that_the_script_makes(
    folder: Path, data: ModuleType, sources: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader can make ``fallback.json`` again, byte for byte."""
    monkeypatch.setitem(sys.modules, "data", data)
    monkeypatch.syspath_prepend(folder)
    script = importlib.import_module("make_fallback")
    assert script.text(script.table(sources.flights)) == (folder / "fallback.json").read_text(encoding="utf-8")
