"""SQL over the log: what is compacted, what is sealed and what is still being written; nothing else, and read only."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from plimsoll.errors import UsageError
from plimsoll.kernel.records import Answer, Beside, Event, Outcome
from plimsoll.store import EventQuery, SegmentLog, open_query

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
FIRST = Path(__file__).parent / "fixtures" / "first_events"
INPUTS = {"carrier": "string", "distance": "number", "asked": "timestamp"}


def event(n: int) -> Event:
    return Event(
        id=f"e{n}",
        capability="late",
        at=NOON + timedelta(days=n),
        block=f"2013-02-0{n + 1}",
        unit=f"u{n}",
        inputs={"carrier": "UA", "distance": n * 0.5, "asked": NOON},
        served=Answer(release="r1", role="live", score=n / 10, latency_ms=1.0),
        principal="shop",
        stages_us=(1, 2, 3),
        feature_ages_s={"weather": 1.5},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Three segments: compacted, sealed, open."""
    folder = tmp_path / "it's events"
    said = Beside(event="e0", answers=(Answer(release="r2", role="shadow", score=(0.25, 0.75)),))
    log = SegmentLog(folder)
    log.append(
        [event(0), said, Beside(event="lost", answers=()), Outcome(event="e0", label=1.0, at=NOON, values={"n": 2.0})]
    )
    log.close()
    log.compact()
    log = SegmentLog(folder)
    log.append([event(1)])
    log.close()
    log = SegmentLog(folder)
    log.append([event(2)])
    yield folder
    log.close()


@pytest.fixture
def query(folder: Path) -> Iterator[EventQuery]:
    with open_query(folder, inputs=INPUTS, target=folder.parent / "rows.parquet") as opened:
        yield opened


def test_events_of_every_segment_are_there(query: EventQuery) -> None:
    """Whatever state it is in."""
    assert list(query.rows("SELECT id, principal, stages_us FROM events ORDER BY asked_at")) == [
        (f"e{n}", "shop", [1, 2, 3]) for n in range(3)
    ]
    assert query.columns == ["id", "principal", "stages_us"]


def test_answers_hold_what_was_served_and_what_was_said_beside(query: EventQuery) -> None:
    """A row each, joined with their event by its id; multiclass scores as a list."""
    rows = list(query.rows("SELECT id, release, served, score, scores FROM answers ORDER BY id, release"))
    assert rows[:2] == [("e0", "r1", True, 0.0, None), ("e0", "r2", False, None, [0.25, 0.75])] and len(rows) == 4


def test_an_outcome_s_further_numbers_are_json(query: EventQuery) -> None:
    """By name, whatever it was told with."""
    assert list(query.rows("SELECT (numbers->>'n')::DOUBLE FROM outcomes")) == [(2.0,)]


def test_outcomes_join_by_id(query: EventQuery) -> None:
    """Only where there is one."""
    joined = "SELECT e.id, o.label FROM events e JOIN outcomes o USING (id)"
    assert list(query.rows(joined)) == [("e0", 1.0)]


def test_inputs_have_the_contracts_types(query: EventQuery) -> None:
    """Fields of a struct."""
    rows = query.rows("SELECT inputs.carrier, inputs.distance, inputs.asked FROM events WHERE inputs.distance = 0.5")
    assert list(rows) == [("UA", 0.5, NOON.replace(tzinfo=None))]


def test_inputs_without_a_contract_are_json(folder: Path) -> None:
    """Read with the arrow."""
    with open_query(folder) as query:
        assert list(query.rows("SELECT DISTINCT inputs->>'carrier' FROM events")) == [("UA",)]


def test_since_leaves_out_what_is_older(folder: Path) -> None:
    """In every view."""
    with open_query(folder, since=NOON + timedelta(days=1)) as query:
        assert list(query.rows("SELECT id FROM events ORDER BY id")) == [("e1",), ("e2",)]
        assert list(query.rows("SELECT DISTINCT id FROM answers ORDER BY id")) == [("e1",), ("e2",)]
        assert list(query.rows("SELECT count(*) FROM outcomes")) == [(0,)]


def test_rows_become_a_parquet_file(query: EventQuery, folder: Path) -> None:
    """The one that was announced; a comment at the end of the query does no harm."""
    query.write("SELECT id FROM events -- all of them", folder.parent / "rows.parquet")
    assert duckdb.read_parquet(str(folder.parent / "rows.parquet")).fetchall() == [("e0",), ("e1",), ("e2",)]


@pytest.mark.parametrize(
    "sql",
    [
        "COPY events TO 'stolen.csv'",
        "SELECT 1; SELECT 2",
        "SET memory_limit = '100GB'",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "DROP VIEW events",
        "",
    ],
)
def test_anything_but_one_select_is_refused(query: EventQuery, sql: str) -> None:
    """And says what it is."""
    with pytest.raises(UsageError, match="one SELECT is wanted"):
        list(query.rows(sql))


@pytest.mark.parametrize("source", ["read_text('/etc/hostname')", "glob('/*')", "read_csv('/etc/passwd')"])
def test_no_other_file_can_be_read(query: EventQuery, source: str) -> None:
    """The outside is shut."""
    with pytest.raises(UsageError, match="disabled by configuration") as found:
        list(query.rows(f"SELECT * FROM {source}"))
    assert "a query sees events, answers, outcomes" in str(found.value)


@pytest.mark.parametrize(
    ("sql", "said"),
    [("SELECT * FROM event", "did you mean 'events'"), ("SELECT scor FROM events", '"score"'), ("SELEC 1", "syntax")],
)
def test_a_wrong_query_says_what_was_meant(query: EventQuery, sql: str, said: str) -> None:
    """The nearest view or column."""
    with pytest.raises(UsageError) as found:
        list(query.rows(sql))
    assert said in str(found.value)


def test_a_damaged_segment_is_left_out_and_said(folder: Path) -> None:
    """The others are answered for."""
    path = next(folder.glob("*.seg"))
    path.write_bytes(path.read_bytes()[:-1])
    with open_query(folder) as query:
        assert list(query.rows("SELECT id FROM events ORDER BY id")) == [("e0",), ("e2",)]
        assert len(query.skipped) == 1 and "is damaged" in query.skipped[0]


def test_events_of_the_first_version_have_the_new_columns(tmp_path: Path) -> None:
    """At what they meant."""
    folder = Path(shutil.copytree(FIRST, tmp_path / "events"))
    (folder / "segments.lock").touch()
    with open_query(folder) as query:
        assert set(query.rows("SELECT payload, cached, principal FROM events")) == {
            (True, False, None),
            (True, False, ""),
        }


def test_an_empty_folder_has_the_views_too(tmp_path: Path) -> None:
    """No events is an answer."""
    with open_query(tmp_path) as query:
        assert list(query.rows("SELECT count(*) FROM events")) == [(0,)]


def test_exposures_lost_survive_compaction(folder: Path) -> None:
    """A record without answers is a record."""
    assert Beside(event="lost", answers=()) in SegmentLog(folder, writer="reader").read()[0]
