"""A rehearsal from the command line: the story, the table, the document, and a home to look into."""

import json

import duckdb
import pytest

from plimsoll.scaffold import sample_plan, write

PLAN = """
from datetime import UTC, datetime

from capability import capability
from plimsoll.operations import Candidate, Rehearsal

rehearsal = Rehearsal(
    start=datetime(2025, 2, 10, tzinfo=UTC),
    until=datetime(2025, 3, 1, tzinfo=UTC),
    candidates=[Candidate(label="first", at=datetime(2025, 2, 10, 3, tzinfo=UTC), capability=capability)],
)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A scaffold whose rows say when they are complete, with a plan for three weeks."""
    folder = tmp_path_factory.mktemp("rehearsal") / "mine"
    write(sample_plan("mine", "binary"), folder)
    duckdb.sql(f"COPY (FROM read_csv('{folder}/data/mine.csv')) TO '{folder}/data/mine.parquet' (FORMAT parquet)")
    path = folder / "capability.py"
    text = path.read_text().replace("data/mine.csv", "data/mine.parquet")
    path.write_text(text.replace('unit="order_id",', 'unit="order_id",\n        arrives_at="closed_at",'))
    (folder / "rehearsal.py").write_text(PLAN)
    return folder


def test_a_rehearsal_tells_its_story_and_writes_it_down(run, folder, tmp_path):
    """One line a decision, a table at the end, and what to do next; the JSON has what a comparison needs."""
    ran = run("rehearse", folder, "--json", tmp_path / "out.json", "--home", tmp_path / "home")
    document = json.loads((tmp_path / "out.json").read_text())
    assert ran.code == 0 and "gate passed" in ran.out and "plimsoll status --home" in ran.out
    assert document["events"] > 1000 and document["releases"][0]["label"] == "first"
    assert {"digest", "state", "gate", "stages", "exposed_events", "reason"} <= document["releases"][0].keys()
    its_own = tmp_path / "home" / "rehearsals" / "7-2025-03-01"
    assert "loads nothing from anywhere" in (its_own / "rehearsal.html").read_text()
    status = run("status", "--home", its_own, "--json").document
    assert status["capabilities"][0]["capability"] == "mine"


def test_the_same_seed_gives_the_same_ledger(run, folder, tmp_path):
    """Two rehearsals end at the same line with the same digest."""
    heads = []
    for name in ("a", "b"):
        run("rehearse", folder, "--until", "2025-02-14", "--json", tmp_path / name, "--home", tmp_path / "home")
        heads.append(json.loads((tmp_path / name).read_text())["ledger_head"])
    assert heads[0] == heads[1]


def test_an_end_outside_the_plan_is_wrong_usage(run, folder, tmp_path):
    """The plan's span is named."""
    ran = run("rehearse", folder, "--until", "2031-01-01", "--home", tmp_path)
    assert ran.code == 2 and "2025-02-10" in ran.err


def test_a_folder_without_a_plan_is_wrong_usage(run, folder, tmp_path):
    """What is missing is named."""
    write(sample_plan("bare", "binary"), tmp_path / "bare")
    ran = run("rehearse", tmp_path / "bare")
    assert ran.code == 2 and "there is no rehearsal.py" in ran.err and "examples/flights/rehearsal.py" in ran.err
