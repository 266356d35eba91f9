"""Rows become snapshots: what has arrived, what is new, what keeps its contract, and clear words for what does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from plimsoll.capability import Capability, load
from plimsoll.errors import Refused, UsageError
from plimsoll.operations.intake import take_in
from plimsoll.operations.rehearsing import _faulty
from plimsoll.operations.world import FeedFault

from .given import HOUR

FEBRUARY = datetime(2025, 2, 1, tzinfo=UTC)
HEAD = "order_id,ordered_at,channel,price_eur,items,returned,closed_at\n"


@pytest.fixture
def folder(orders_folder: Path, tmp_path: Path) -> Path:
    """The scaffold, to be changed at will."""
    return Path(shutil.copytree(orders_folder, tmp_path / "it's mine"))


@pytest.fixture
def arriving(folder: Path) -> Callable[[str], Capability]:
    """The orders as a CSV whose rows are complete from their ``closed_at`` on."""

    def make(rows: str) -> Capability:
        (folder / "data/orders.csv").write_text(HEAD + rows)
        declared = load(folder)
        return declared.variant(source=replace(declared.source, arrives_at="closed_at"))

    return make


def row(name: str, closed_at: str, *, price: str = "10.5") -> str:
    return f"{name},2025-01-30 10:00:00,web,{price},1,0,{closed_at}\n"


def kept(place: Any, capability: Capability, column: str = "order_id") -> list[Any]:
    files = [str(f) for f in take_in(capability, place.yard)["orders"].files]
    return [value for (value,) in duckdb.read_parquet(files).project(column).fetchall()]


def test_only_rows_that_have_arrived_are_taken_in_and_each_once(place: Any, arriving: Any) -> None:
    """A CSV's times are UTC, or have an offset that is not dropped."""
    rows = row("a", "2025-01-31 23:00:00") + row("b", "2025-02-01T01:30:00+02:00") + row("c", "2025-02-01 00:30:00")
    capability = arriving(rows + row("never", ""))
    place.clock.move_to(FEBRUARY)
    assert kept(place, capability) == ["a", "b"]
    assert kept(place, capability) == ["a", "b"] and len(place.catalog.snapshots("orders")) == 1
    place.clock.move_to(FEBRUARY + HOUR)
    assert kept(place, capability) == ["a", "b", "c"]
    assert kept(place, capability, "closed_at")[1] == datetime(2025, 1, 31, 23, 30)


def test_a_text_that_is_no_time_is_named(place: Any, arriving: Any) -> None:
    """A row that could never arrive is said, not lost."""
    with pytest.raises(UsageError, match="1 rows of 'orders' have no time in 'closed_at' but text: 'soon'"):
        take_in(arriving(row("a", "2025-01-31 10:00:00") + row("b", "soon")), place.yard)


def test_deliveries_keep_one_type_for_a_column(place: Any, arriving: Any, folder: Path) -> None:
    """First whole numbers, then fractions, then a word: the contract says what a price is."""
    place.clock.move_to(FEBRUARY)
    first = row("a", "2025-01-31 10:00:00", price="10")
    take_in(arriving(first), place.yard)
    place.clock.move_to(FEBRUARY + timedelta(days=5))
    many = "".join(row(f"b{i}", "2025-02-03 10:00:00", price="10.25") for i in range(200))
    capability = arriving(first + many + row("c", "2025-02-03 10:00:00", price="cheap"))
    taken = take_in(capability, place.yard)["orders"]
    assert taken.snapshot.rows == 201 and taken.checked is not None and taken.checked.bad_rows == 1
    assert "price_eur" in next(iter(taken.checked.reasons)) and taken.checked.quarantined is not None
    assert taken.checked.quarantined.is_file()


def test_rows_that_were_added_to_a_file_are_taken_in_alone(place: Any, folder: Path) -> None:
    """Without arrives_at, a row is new if its key is; their order is the file's."""
    rows = folder / "data/orders.csv"
    lines = rows.read_text().splitlines(keepends=True)
    rows.write_text("".join(lines[:500]))
    assert len(kept(place, load(folder))) == 499
    rows.write_text("".join([lines[0], *lines[600:400:-1]]))
    names = kept(place, load(folder))
    assert names[499:] == [line.split(",")[0] for line in lines[600:499:-1]]
    assert kept(place, load(folder)) == names


def test_a_file_that_lost_its_key_is_said_so(place: Any, folder: Path) -> None:
    """With the nearest name that it has."""
    rows = folder / "data/orders.csv"
    take_in(load(folder), place.yard)
    rows.write_text(rows.read_text().replace("order_id", "order_no", 1))
    with pytest.raises(UsageError, match="the rows of 'orders' have no column 'order_id'") as caught:
        take_in(load(folder), place.yard)
    assert "'order_no'" in caught.value.hint


@pytest.mark.parametrize(("name", "content"), [("orders.csv", b"\x00\xff\xfe" * 50), ("orders.parquet", b"not it")])
def test_a_file_that_is_no_table_is_said_so(place: Any, folder: Path, name: str, content: bytes) -> None:
    """As wrong usage or as a broken contract, with the file's name or its missing columns; never a traceback."""
    (folder / "data" / name).write_bytes(content)
    declared = load(folder)
    capability = declared.variant(source=replace(declared.source, rows=f"data/{name}"))
    with pytest.raises((UsageError, Refused), match=r"cannot be read|is missing|have no column"):
        take_in(capability, place.yard)


def test_a_file_that_is_not_there_is_said_so(place: Any, folder: Path) -> None:
    """Where it should be, and what to change."""
    (folder / "data/orders.csv").unlink()
    with pytest.raises(UsageError, match="which is not a file"):
        take_in(load(folder), place.yard)


def test_nothing_has_arrived_yet(place: Any, arriving: Any) -> None:
    """Before the first row there is no snapshot to train from."""
    place.clock.move_to(datetime(2020, 1, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match="no row of 'orders' has arrived by 2020-01-01"):
        take_in(arriving(row("a", "2025-01-31 10:00:00")), place.yard)


def test_rows_over_the_contracts_tolerance_are_refused_whole(place: Any, folder: Path) -> None:
    """Nothing is kept, and the bad rows lie where the hint says."""
    rows = folder / "data/orders.csv"
    lines = rows.read_text().splitlines(keepends=True)
    bad = [line.replace(",web,", ",fax,") for line in lines]
    rows.write_text("".join(bad))
    with pytest.raises(Refused, match="break the contract") as caught:
        take_in(load(folder), place.yard)
    assert caught.value.details["bad_rows"] > 1000 and Path(caught.value.hint.split(" in ")[-1]).is_file()
    assert place.catalog.snapshots("orders") == [] and place.catalog.ledger_head()[0] == 0


def test_a_column_with_a_quote_in_its_name_is_only_a_name(place: Any, tmp_path: Path) -> None:
    """Names and paths go into SQL as names and paths: here as the key, and as what a feed's fault replaces."""
    rows = tmp_path / "it's.parquet"
    duckdb.sql('SELECT 1 AS "te""mp", TIMESTAMP \'2025-01-01\' AS "at"').write_parquet(str(rows))
    fault = FeedFault(table="t", since=datetime(2024, 1, 1, tzinfo=UTC), replace={'te"mp': "99"})
    found = duckdb.read_parquet(str(_faulty(rows, [fault], "at", tmp_path / "o'ut"))).fetchall()
    assert found[0][0] == 99


def test_a_fault_that_is_no_sql_is_wrong_usage(tmp_path: Path) -> None:
    """The table is named; DuckDB's own error stays behind."""
    rows = tmp_path / "r.parquet"
    duckdb.sql(f"COPY (SELECT 1 AS temp, TIMESTAMP '2025-01-01' AS arrived) TO '{rows}'")
    fault = FeedFault(table="weather", since=datetime(2024, 1, 1, tzinfo=UTC), replace={"temp": "temp +"})
    with pytest.raises(UsageError, match="the fault of the feed 'weather'"):
        _faulty(rows, [fault], "arrived", tmp_path)
