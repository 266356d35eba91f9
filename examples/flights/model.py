"""The model, and the answer without one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.features import TrainingSet, category, hour

if TYPE_CHECKING:
    import lightgbm

RATES: dict[str, Any] = msgspec.json.decode(Path(__file__).with_name("fallback.json").read_bytes())
"""The share of late arrivals on 1–17 January, by carrier and hour of departure.

Made once by ``make_fallback.py`` and frozen: release zero must be what it was whenever it is compared with."""

_CARRIER = category("carrier", levels=list(RATES["carriers"]))
_HOUR = hour("sched_dep_local")


def train(training: TrainingSet, params: Mapping[str, Any]) -> lightgbm.Booster:
    """Small, slow-learning trees: a month of flights is a million minutes, but only thirty mornings.

    The flights of a day share its weather, so leaves need many rows, or they learn the days by heart: LightGBM's
    defaults, trained on the same 17 days, are worse than the rates of ``late_rate_by_carrier_and_hour``. Categories
    go in as numbers. Equal rows and parameters give an equal model: one thread, seeded, the order of the rows kept.
    """
    import lightgbm

    rows = training.labelled()
    settings = {
        "objective": "binary",
        "num_leaves": params["num_leaves"],
        "learning_rate": params["learning_rate"],
        "min_data_in_leaf": params["min_rows"],
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "feature_fraction": 0.8,
        "seed": params["seed"],
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    data = lightgbm.Dataset(rows.X, rows.y, feature_name=list(rows.names))
    return lightgbm.train(settings, data, num_boost_round=params["trees"])


def late_rate_by_carrier_and_hour(columns: Mapping[str, Any]) -> NDArray[np.float64]:
    """Release zero: how often this carrier was late at this hour of departure. Reads ``carrier`` and
    ``sched_dep_local``; a carrier it has not seen gets the hour's rate."""
    rates = np.array([*RATES["carriers"].values(), RATES["any_other"]])
    carriers = _CARRIER.compute(columns).astype(np.intp)  # −1, the last row, for an unknown one
    hours = _HOUR.compute(columns).astype(np.intp)
    return rates[carriers, hours]
