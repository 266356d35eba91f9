"""Known times: leaks found row by row from the contract, and rows as they were known at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.data.conftest import column, custom

from plimsoll.data import Contract, KnownFault, masked_as_of, unknown_at_question
from plimsoll.data.rows import connection
from plimsoll.errors import InvalidDeclaration, UsageError

Declare = Callable[..., Contract]
Table = Callable[..., Path]

FLIGHTS = """
SELECT * FROM (VALUES
    (1, TIMESTAMP '2013-01-01 10:00', TIMESTAMP '2013-01-01 12:00', TIMESTAMP '2013-01-01 14:00', 5),
    (2, TIMESTAMP '2013-01-01 11:00', TIMESTAMP '2013-01-01 10:30', TIMESTAMP '2013-01-01 15:00', 9),
    (3, TIMESTAMP '2013-01-01 11:00', NULL,                         NULL,                         NULL),
) t(id, asked, dep_at, arr_at, delay)
"""


def known(value: Any) -> dict[str, Any]:
    """A column's own known time."""
    return {"customProperties": [custom("knownAt", value)]}


@pytest.fixture
def flights(contract: Declare) -> Contract:
    """Published ids, departures known at departure, delays five minutes after arrival."""
    return contract(
        column("id", **known("published")),
        column("asked", "timestamp", **known("asked_at")),
        column("dep_at", "timestamp", **known("dep_at")),
        column("arr_at", "timestamp", **known({"column": "arr_at"})),
        column("delay", **known({"column": "arr_at", "offset": "PT5M"})),
    )


def test_a_leak_is_named_with_its_share_and_lead(flights: Contract, table: Table) -> None:
    """Rows known later than asked, and rows never known, count; the lead is the median of the late ones."""
    faults = unknown_at_question(table(FLIGHTS), flights, "asked", ["delay", "id", "asked", "dep_at"])
    assert faults == [
        KnownFault(column="delay", share=1.0, rows=3, lead=timedelta(hours=4, minutes=5)),
        KnownFault(column="dep_at", share=2 / 3, rows=2, lead=timedelta(hours=2)),
    ]
    assert faults[1].sentence == (
        "'dep_at' becomes known after the question in 66.7% of rows (2), by 2:00:00 in the median"
    )


def test_published_columns_and_those_asked_with_are_never_late(flights: Contract, table: Table) -> None:
    """What the caller sends is known when asked."""
    assert unknown_at_question(table(FLIGHTS), flights, "asked", ["id", "asked"]) == []


@pytest.mark.parametrize(("offset", "late"), [("-PT2H", 0), ("PT0S", 0), ("PT1S", 2)])
def test_an_offset_to_the_question_shifts_the_known_time(
    contract: Declare, table: Table, offset: str, late: int
) -> None:
    """Two hours before the question is early enough; a second after is not."""
    declared = contract(column("a", **known({"column": "asked_at", "offset": offset})))
    source = table("SELECT 1 AS a, TIMESTAMPTZ '2013-01-01 10:00:00+00' AS asked FROM range(2)")
    faults = unknown_at_question(source, declared, "asked", ["a"])
    assert sum(f.rows for f in faults) == late


def test_a_row_without_a_time_of_question_counts_against_the_column(contract: Declare, table: Table) -> None:
    """What cannot be shown to be early is late."""
    declared = contract(column("a", "timestamp", **known("a")))
    source = table("SELECT TIMESTAMP '2013-01-01' AS a, NULL::TIMESTAMP AS asked")
    (fault,) = unknown_at_question(source, declared, "asked", ["a"])
    assert (fault.rows, fault.lead) == (1, None)
    assert fault.sentence.endswith(", or never")


def test_no_rows_have_no_leaks(flights: Contract, table: Table) -> None:
    """And no division by zero."""
    assert unknown_at_question(table(f"{FLIGHTS} LIMIT 0"), flights, "asked", ["delay"]) == []


def test_columns_that_are_not_there_are_named(flights: Contract, table: Table) -> None:
    """In the contract, or in the rows."""
    with pytest.raises(InvalidDeclaration, match="no column 'delai'"):
        unknown_at_question(table(FLIGHTS), flights, "asked", ["delai"])
    with pytest.raises(UsageError, match="no column 'ask'") as caught:
        unknown_at_question(table(FLIGHTS), flights, "ask", ["delay"])
    assert "'asked'" in caught.value.hint


def test_rows_whose_times_are_no_times_are_refused(flights: Contract, table: Table, tmp_path: Path) -> None:
    """Text, or a CSV that nobody has typed."""
    with pytest.raises(UsageError, match="cannot be read"):
        unknown_at_question(table("SELECT 'x' AS asked, 'y' AS dep_at"), flights, "asked", ["dep_at"])
    (tmp_path / "t.csv").write_text("asked,dep_at\n")
    with pytest.raises(UsageError, match="no types yet"):
        unknown_at_question(tmp_path / "t.csv", flights, "asked", ["dep_at"])


def _masked(source: Path, declared: Contract, at: datetime, **more: str) -> list[tuple[Any, ...]]:
    with connection(threads=1) as db:
        return db.execute(masked_as_of(declared, source, at, **more)).fetchall()


def test_rows_as_of_a_time_hide_what_was_not_known(flights: Contract, table: Table) -> None:
    """At 14:04 the first flight has landed, but its delay is known at 14:05 only."""
    at = datetime(2013, 1, 1, 14, 4, tzinfo=UTC)
    asked, ten = datetime(2013, 1, 1, 10), datetime(2013, 1, 1, 10, 30)
    assert _masked(table(FLIGHTS), flights, at, asked_at_column="asked") == [
        (1, asked, datetime(2013, 1, 1, 12), datetime(2013, 1, 1, 14), None),
        (2, datetime(2013, 1, 1, 11), ten, None, None),
        (3, datetime(2013, 1, 1, 11), None, None, None),
    ]
    later = _masked(table(FLIGHTS), flights, at + timedelta(minutes=1), asked_at_column="asked")
    assert [row[4] for row in later] == [5, None, None]


def test_a_row_of_which_nothing_was_known_is_not_there(contract: Declare, table: Table) -> None:
    """And a column without a known time is shown to nobody."""
    declared = contract(column("at", "timestamp", **known("at")), column("secret"))
    source = table("SELECT TIMESTAMP '2013-01-01' + to_hours(range::INTEGER) AS at, 7 AS secret FROM range(5)")
    seen = _masked(source, declared, datetime(2013, 1, 1, 2, tzinfo=UTC))
    assert seen == [(datetime(2013, 1, 1, hour),) for hour in range(3)]


def test_masking_says_what_it_lacks(contract: Declare, flights: Contract, table: Table) -> None:
    """The column of the question's time, or any known time at all."""
    at = datetime(2013, 1, 1, tzinfo=UTC)
    with pytest.raises(UsageError, match="no column holds the time of the question"):
        masked_as_of(flights, table(FLIGHTS), at)
    with pytest.raises(UsageError, match="gives no column a known time"):
        masked_as_of(contract(column("id")), table(FLIGHTS), at)
