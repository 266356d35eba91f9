"""All flights and all weather of 2013 against their contracts, with quarantine and reasons: ours, pandas, Great Expectations.

Ours reads, checks, and writes what has to be written: the quarantined row and the good rows of the weather (the
flights are all good, so their file is passed on). Both peers check the same rules over the same Parquet files:
pandas as one would write it by hand, a boolean column per rule and the same files written; Great Expectations with
its own expectations, counting only. Imports are not timed, for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.flights.data import Sources, prepare

from benchmarks import peers
from benchmarks.table import Row, at_most
from benchmarks.timing import best_s, once_s
from plimsoll.data import CheckResult, Contract, check, enforce

TARGET_S = 0.4
RUNS = 10
"""Counted runs of each tool: the same for all, since the best of more runs is better by luck alone."""

CONTRACTS = Path(__file__).parents[1] / "examples" / "flights" / "contracts"
SCRIPTS = Path(__file__).parent / "scripts"
BAD_WEATHER_ROWS = 1  # 1,048 mph at EWR on 12 February


def run() -> list[Row]:
    """The best of ``RUNS`` for each tool; half of ours before the peers and half after, because the load moves."""
    with TemporaryDirectory(prefix="plimsoll-bench-") as name:
        folder = Path(name)
        sources = prepare(folder)
        ours = checking(sources, folder)
        results = ours()
        _expect(results)
        pandas = peers.env("pandas==2.*", "pyarrow")
        expectations = peers.env("great-expectations==1.*", "pyarrow")
        paths = (str(sources.flights), str(sources.weather), str(folder), str(RUNS))
        first_s = best_s(ours, repeats=RUNS // 2)
        pandas_s = peers.run(pandas, SCRIPTS / "contracts_pandas.py", *paths)["seconds"]
        expectations_s = peers.run(expectations, SCRIPTS / "contracts_great_expectations.py", *paths)["seconds"]
        ours_s = min(first_s, best_s(ours, repeats=RUNS // 2))
    rows = sum(r.rows for r in results)
    what = f"contracts of {rows:,} flights and weather rows"
    return [
        at_most(
            what, ours_s, TARGET_S, "s", peer="pandas, by hand", peer_value=pandas_s, note=f"best of {RUNS} runs each"
        ),
        at_most(
            f"{what}, against a framework",
            ours_s,
            TARGET_S,
            "s",
            peer="Great Expectations 1",
            peer_value=expectations_s,
            note="Great Expectations counts the same rules, without the conditions over several columns, and writes nothing",
        ),
        at_most("reading both contracts", once_s(_load), 0.1, "s"),
    ]


def checking(sources: Sources, folder: Path) -> Callable[[], tuple[CheckResult, CheckResult]]:
    """What is timed: both sets, the weather first because flights refer to its origins."""
    flights, weather = _load()

    def work() -> tuple[CheckResult, CheckResult]:
        observed = enforce(check(weather, sources.weather, out_folder=folder / "out"))
        flown = check(flights, sources.flights, related={"weather": observed.good}, out_folder=folder / "out")
        return observed, enforce(flown)

    return work


def _load() -> tuple[Contract, Contract]:
    return Contract.load(CONTRACTS / "flights.odcs.yaml"), Contract.load(CONTRACTS / "weather.odcs.yaml")


def _expect(results: tuple[CheckResult, CheckResult]) -> None:
    """A benchmark of a wrong answer is worth nothing."""
    weather, flights = results
    if (weather.bad_rows, flights.bad_rows, flights.rows) != (BAD_WEATHER_ROWS, 0, 336_776):
        raise AssertionError(f"the contracts found other rows than they should: {weather.reasons}, {flights.reasons}")
