"""The example's contracts: valid by the standard, kept by the real year, and strict where it is not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from open_data_contract_standard.model import OpenDataContractStandard

from plimsoll.data import Contract, check, unknown_at_question


def contract(folder: Path, name: str) -> Contract:
    return Contract.load(folder / "contracts" / f"{name}.odcs.yaml")


@pytest.mark.parametrize("name", ["flights", "weather"])
def test_the_standards_own_library_reads_them(folder: Path, name: str) -> None:
    """ODCS 3.2, as a stranger's tool understands it; and nothing in it is left unenforced."""
    standard = OpenDataContractStandard.from_file(str(folder / "contracts" / f"{name}.odcs.yaml"))
    assert standard.apiVersion == "v3.2.0"
    assert contract(folder, name).unenforced == ()


def test_all_flights_keep_their_contract(folder: Path, sources: Any, tmp_path: Path) -> None:
    """336,776 rows, none bad, every origin with weather."""
    result = check(
        contract(folder, "flights"), sources.flights, out_folder=tmp_path, related={"weather": sources.weather}
    )
    assert (result.rows, result.bad_rows, result.refused) == (336_776, 0, "")


def test_a_wind_of_1048_mph_is_quarantined_and_nothing_else(folder: Path, sources: Any, tmp_path: Path) -> None:
    """One row of 26,115, with its reason; the rest goes on."""
    result = check(contract(folder, "weather"), sources.weather, out_folder=tmp_path)
    assert (result.rows, result.reasons, result.refused) == (26_115, {"wind_speed: above 200": 1}, "")


def test_a_flights_own_departure_delay_is_known_after_the_question(folder: Path, sources: Any) -> None:
    """Found from known times: in every row, two hours and a little early in the median."""
    (fault,) = unknown_at_question(sources.flights, contract(folder, "flights"), "ask_time", ["dep_delay"])
    assert (fault.column, fault.share) == ("dep_delay", 1.0)
    assert fault.lead is not None and timedelta(hours=1, minutes=50) < fault.lead < timedelta(hours=2, minutes=10)


def test_what_the_features_read_of_the_question_is_known_when_it_is_asked(
    folder: Path, sources: Any, features: Any
) -> None:
    """The schedule, the carrier, the airports and (an assumption) the aircraft."""
    views = [features.carrier_delays, features.origin_delays, features.aircraft_last_leg, features.weather_at_origin]
    columns = [*features.schedule.columns, *dict.fromkeys(v.entity for v in views)]
    assert unknown_at_question(sources.flights, contract(folder, "flights"), "ask_time", columns) == []
