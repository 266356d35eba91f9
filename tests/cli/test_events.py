"""SQL over the events from the terminal: tables for people, three formats for machines."""

import csv
import json
from datetime import UTC, datetime

import duckdb
import pytest

from plimsoll.kernel.records import Answer, Event
from plimsoll.store import SegmentLog

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def recorded(home):
    """The home with two events."""
    log = SegmentLog(home.path / "events", writer="given")
    for n in range(2):
        served = Answer(release="r1", role="live", score=n / 2)
        log.append(
            [
                Event(
                    id=f"e{n}",
                    capability="returns",
                    at=NOON.replace(hour=12 + n),
                    block="b",
                    unit="u",
                    inputs={"shop": "Köln, West", "rows": [1, 2]},
                    served=served,
                )
            ]
        )
    log.close()
    return home


def test_without_a_query_the_newest_events_are_shown(run, recorded):
    """What was answered, when, by whom."""
    page = run("events", "--home", recorded.path).out
    assert page.index("e1") < page.index("e0") and "score" in page


def test_json_is_an_array_of_objects(run, recorded):
    """With --json, or named as a format."""
    sql = "SELECT id, score, asked_at FROM events ORDER BY id"
    document = run("events", "--home", recorded.path, "--sql", sql, "--json").document
    assert document[1] == {"id": "e1", "score": 0.5, "asked_at": "2025-03-01T13:00:00"}
    assert run("events", "--home", recorded.path, "--sql", "SELECT 1 WHERE false", "--format", "json").document == []


def test_csv_has_a_header_and_quotes(run, recorded, tmp_path):
    """To the terminal, or into a file."""
    sql = "SELECT id, inputs->>'shop' AS shop, [1, 2] AS n FROM events ORDER BY id"
    out = tmp_path / "rows.csv"
    run("events", "--home", recorded.path, "--sql", sql, "--format", "csv", "--out", out)
    assert list(csv.reader(out.read_text(encoding="utf-8").splitlines())) == [
        ["id", "shop", "n"],
        ["e0", "Köln, West", "[1,2]"],
        ["e1", "Köln, West", "[1,2]"],
    ]


def test_parquet_goes_into_a_file(run, recorded, tmp_path):
    """And wants one."""
    out = tmp_path / "rows.parquet"
    assert run("events", "--home", recorded.path, "--format", "parquet", "--out", out).code == 0
    assert len(duckdb.read_parquet(str(out)).fetchall()) == 2
    ran = run("events", "--home", recorded.path, "--format", "parquet")
    assert ran.code == 2 and "--out rows.parquet" in ran.err


def test_since_is_a_time(run, recorded):
    """Only what is of then and later."""
    document = run("events", "--home", recorded.path, "--since", "2025-03-01T12:30", "--json").document
    assert [row["id"] for row in document] == ["e1"]


def test_a_long_table_is_cut_and_says_so(run, recorded):
    """The other formats have all of it."""
    page = run("events", "--home", recorded.path, "--sql", "SELECT * FROM range(1000)").out
    assert "the first 200 rows" in page


def test_a_wrong_query_is_wrong_usage(run, recorded):
    """With the nearest view."""
    ran = run("events", "--home", recorded.path, "--sql", "SELECT * FROM event", "--json")
    assert ran.code == 2 and "did you mean 'events'" in ran.error["hint"]


def test_an_aggregate_of_nothing_is_one_row(run, recorded):
    """Null where there is no value."""
    sql = "SELECT max(label) AS most FROM outcomes"
    assert json.loads(run("events", "--home", recorded.path, "--sql", sql, "--json").out) == [{"most": None}]


def test_where_nothing_was_recorded_it_says_so(run, tmp_path):
    """And makes no home."""
    ran = run("events", "--home", tmp_path / "none")
    assert ran.code == 2 and "nothing has been recorded" in ran.err and not (tmp_path / "none").exists()
