"""Streams of blocks that a rollout is simulated on: independent, autocorrelated, with shocks, and a real year's days.

A stream is a level for each block with mean 0 and variance 1; what is measured in a block moves with it, and varies by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.standard_normal(shape)


def storms(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """One day in thirty is a storm of 1.5 ± 3 usual standard deviations. Skewness 1.0, variance 1."""
    storm = (rng.random(shape) < 1 / 30) * rng.normal(1.5, 3.0, shape)
    return (rng.standard_normal(shape) + storm - 0.05) / math.sqrt(1.0 + 11.25 / 30 - 0.05**2)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Exponential days: skewness 2, excess kurtosis 6, as the flights' are. Variance 1."""
    return rng.exponential(size=shape) - 1.0


def turned(draw: Draw) -> Draw:
    """The same with the long tail on the side of being better."""
    return lambda rng, shape: -draw(rng, shape)


def days(rng: np.random.Generator, draw: Draw, shape: tuple[int, ...], rho: float) -> Floats:
    """A stationary first-order autoregression along the last axis, mean 0 and variance 1."""
    xs = draw(rng, shape)
    for i in range(1, shape[-1]):
        xs[..., i] = rho * xs[..., i - 1] + math.sqrt(1.0 - rho * rho) * xs[..., i]
    return xs


def independent(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Levels that do not move at all: events are all there is."""
    return np.zeros(shape)


def autocorrelated(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return days(rng, gaussian, shape, 0.15)


def shocks(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return days(rng, turned(storms), shape, 0.15)


def replayed(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Days of 2013 as they followed each other, from a random one on: two trainings of one model, an A/A."""
    return _windows(flight_days(ALIKE), rng, shape)


def replayed_apart(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """As ``replayed``, of two kinds of model: their difference goes with the months, so that it has no one true value."""
    return _windows(flight_days(APART), rng, shape)


def _windows(year: Floats, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    begin = rng.integers(0, len(year), shape[:-1])
    return year[(begin[..., None] + np.arange(shape[-1])) % len(year)]


STREAMS: Mapping[str, Draw] = {
    "independent": independent,
    "autocorrelated": autocorrelated,
    "block shocks": shocks,
    "replayed days": replayed,
    "replayed days, two kinds of model": replayed_apart,
}


ALIKE = """
  SELECT y, day, avg(y) FILTER (half = 0) OVER cell AS a, avg(y) FILTER (half = 1) OVER cell AS b
  FROM asked WINDOW cell AS (PARTITION BY carrier, sched_hour)"""
APART = """
  SELECT y, day, avg(y) OVER (PARTITION BY carrier) AS a, avg(y) OVER (PARTITION BY sched_hour) AS b FROM asked"""
_DAYS = """
WITH asked AS (
  SELECT sched_dep_local::DATE AS day, late::DOUBLE AS y, carrier, sched_hour, hash(flight_id) % 2 AS half
  FROM '{flights}' WHERE late IS NOT NULL),
said AS ({models}),
clear AS (SELECT y, day, greatest(least(a, 0.9), 0.05) AS a, greatest(least(b, 0.9), 0.05) AS b FROM said)
SELECT day, avg(y * ln(b / a) + (1 - y) * ln((1 - b) / (1 - a))) AS difference
FROM clear WHERE a IS NOT NULL AND b IS NOT NULL GROUP BY 1 ORDER BY 1
"""


@cache
def flight_days(models: str) -> Floats:
    """Each day's mean difference in log loss between two tables of late rates, standardised over the year."""
    import duckdb
    from examples.flights.data import prepare

    with TemporaryDirectory() as folder, duckdb.connect() as db:
        flights = prepare(Path(folder)).flights
        db.execute("SET threads = 1")
        found = db.execute(_DAYS.format(flights=flights, models=models)).fetchnumpy()["difference"]
    return np.asarray((found - found.mean()) / found.std(), dtype=np.float64)
