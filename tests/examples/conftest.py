"""The flights, prepared once a session, and the example's modules under names of their own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from duckdb import DuckDBPyConnection, connect

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"


def module(name: str) -> ModuleType:
    """A module of the example. Its own name (``features``, …) is too common to be imported by."""
    unique = f"example_flights_{name}"
    if unique not in sys.modules:
        spec = importlib.util.spec_from_file_location(unique, FLIGHTS / f"{name}.py")
        assert spec is not None and spec.loader is not None
        sys.modules[unique] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[unique])
    return sys.modules[unique]


@pytest.fixture(scope="session")
def folder() -> Path:
    """The example's folder."""
    return FLIGHTS


@pytest.fixture(scope="session")
def data() -> ModuleType:
    return module("data")


@pytest.fixture(scope="session")
def features() -> ModuleType:
    return module("features")


@pytest.fixture(scope="session")
def model() -> ModuleType:
    return module("model")


@pytest.fixture(scope="session")
def sources(data: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The real year."""
    return data.prepare(tmp_path_factory.mktemp("flights"))


@pytest.fixture(scope="session")
def january(sources: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flights asked about in January."""
    path = tmp_path_factory.mktemp("january") / "flights.parquet"
    with connect() as db:
        db.execute("SET threads = 1; SET TimeZone = 'UTC'")
        db.execute(
            f"COPY (FROM '{sources.flights}' WHERE ask_time < TIMESTAMP '2013-02-01 05:00:00' ORDER BY ask_time, "
            f"flight_id) TO '{path}' (FORMAT parquet)"
        )
    return path


@pytest.fixture(scope="session")
def db(sources: Any) -> Iterator[DuckDBPyConnection]:
    """A connection with the views ``flights`` and ``weather``, in UTC."""
    with connect() as connection:
        connection.execute("SET threads = 1; SET TimeZone = 'UTC'")
        connection.execute(f"CREATE VIEW flights AS FROM '{sources.flights}'")
        connection.execute(f"CREATE VIEW weather AS FROM '{sources.weather}'")
        yield connection


@pytest.fixture(scope="session")
def one(db: DuckDBPyConnection) -> Callable[[str], Any]:
    """The single row of a query: its value, or its values."""

    def ask(query: str) -> Any:
        (row,) = db.execute(query).fetchall()
        return row[0] if len(row) == 1 else row

    return ask
