"""`plimsoll score` as people run it: what requests get, to the bit; killed and gone on with, to the byte; a full disk."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from shutil import copytree
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv as csv  # type: ignore[import-untyped]
import pyarrow.parquet as parquet  # type: ignore[import-untyped]
import pytest
from processes import Up, catalog_of, command, hold_lease, run, scaffold, until
from tests.operations.feeds import demand

from plimsoll.kernel.records import Event
from plimsoll.operations.scoring.parts import Parts
from plimsoll.store import SegmentLog

CHANNELS = ("web", "app", "shop", "never seen")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one live release, which no test changes."""
    folder = scaffold(tmp_path_factory.mktemp("released") / "orders")
    code, said = run(folder, "release", "--label", "first")
    assert code == 0
    hold_lease(folder, said["release"])
    return folder


@pytest.fixture
def folder(released: Path, tmp_path: Path) -> Path:
    return Path(copytree(released, tmp_path / "orders"))


def rows(count: int) -> pa.Table:
    return pa.table(
        {
            "order_id": [f"o{n}" for n in range(count)],
            "ordered_at": pa.array([1_767_225_600_000_000 + n * 977_000_000 for n in range(count)], pa.timestamp("us")),
            "channel": [CHANNELS[n % 4] for n in range(count)],
            "price_eur": [(n * 37 % 997) / 10 for n in range(count)],
            "items": pa.array([n % 7 for n in range(count)], pa.int32()),
        }
    )


def wrote(folder: Path, table: pa.Table, name: str = "in.parquet", group: int = 300_000) -> str:
    if name.endswith(".csv"):
        csv.write_csv(table, folder / name)
    else:
        parquet.write_table(table, folder / name, row_group_size=group)
    return name


def scored(folder: Path, *words: str) -> list[dict[str, Any]]:
    code, said = run(folder, "score", "live", *words, "--out", "out.parquet")
    assert code == 0, said
    found: list[dict[str, Any]] = parquet.read_table(folder / "out.parquet").to_pylist()
    return found


def test_a_file_gets_what_requests_get(folder: Path) -> None:
    """The same scores to the bit, the same actions, in the rows' order: asked alone, over the wire."""
    table = rows(60)
    found = scored(folder, "--in", wrote(folder, table))
    with Up(folder) as up, up.client() as client:
        for row, given in zip(table.to_pylist(), found, strict=True):
            answer = client.ask(**row | {"ordered_at": row["ordered_at"].isoformat() + "Z"})
            assert (given["order_id"], given["score"]) == (row["order_id"], answer.score)
            assert (given["action"], given["error"]) == (answer.action, None)
        assert up.stop() == 0


VIEW = """

@view(source="demand", entity="channel", values=["visitors"], age=True)
def demand_on_channel(demand):
    return demand.select("visitors", entity=demand.channel, known_at=demand.seen_at)


capability = Capability("""


@pytest.fixture
def with_a_view(tmp_path: Path) -> Path:
    """A home whose live release looks up how many visitors the channel last had, and how long ago that was."""
    folder = scaffold(tmp_path / "orders")
    demand(folder, since=datetime(2024, 12, 1), until=datetime(2025, 6, 1))
    path = folder / "capability.py"
    text = path.read_text().replace("from plimsoll import (", "from plimsoll import (\n    Table,\n    view,")
    text = text.replace("\ncapability = Capability(", VIEW)
    text = text.replace("    features=[\n", "    features=[\n        demand_on_channel,\n")
    declared = 'Table(name="demand", contract="contracts/demand.odcs.yaml", rows="data/demand.parquet")'
    path.write_text(text.replace("    train=train,", f"    tables=[{declared}],\n    train=train,"))
    code, said = run(folder, "release", "--label", "first")
    assert code == 0, said
    hold_lease(folder, said["release"])
    return folder


def test_looked_up_features_are_in_a_file_what_they_were_online(with_a_view: Path) -> None:
    """What was answered from the online store is scored again from the timelines: as of each question, to the bit."""
    folder = with_a_view
    with Up(folder) as up, up.client() as client:
        for n in range(30):
            client.ask(order_id=f"o{n}", channel=("app", "shop", "web")[n % 3], price_eur=10.0 + n, items=1 + n % 4)
        assert up.stop() == 0
    log = SegmentLog(folder / ".plimsoll" / "events", writer="reader")
    events = [record for record in log.read()[0] if isinstance(record, Event)]
    log.close()
    assert len(events) == 30 and len({event.served.features[-8:] for event in events}) > 1, "it did look something up"
    asked = [event.inputs | {"ordered_at": event.at.replace(tzinfo=None)} for event in events]
    names = rows(1).schema.names
    table = pa.table({name: [row[name] for row in asked] for name in names})
    found = scored(folder, "--in", wrote(folder, table))
    assert [given["score"] for given in found] == [event.served.score for event in events]


def test_a_csv_gets_what_its_parquet_gets(folder: Path) -> None:
    """Text says what it is by the contract; both as input and as output."""
    table = rows(500)
    as_parquet = scored(folder, "--in", wrote(folder, table))
    code, _ = run(folder, "score", "--in", wrote(folder, table, "in.csv"), "--out", "out.csv")
    as_csv = csv.read_csv(folder / "out.csv").to_pylist()
    assert code == 0 and [row["score"] for row in as_csv] == [row["score"] for row in as_parquet]
    assert not list(folder.glob("*.parts"))


def test_several_files_come_out_in_their_order(folder: Path) -> None:
    """With the columns that were asked for."""
    table = rows(90)
    names = [wrote(folder, table.slice(0, 40), "b.parquet"), wrote(folder, table.slice(40), "a.parquet")]
    found = scored(folder, "--in", *names, "--keep", "channel")
    assert [row["order_id"] for row in found] == [f"o{n}" for n in range(90)]
    assert {row["channel"] for row in found} == set(CHANNELS)


def test_a_row_that_is_no_question_says_why(folder: Path) -> None:
    """The others are scored."""
    table = rows(10).set_column(0, "order_id", pa.array([None, *(f"o{n}" for n in range(1, 10))]))
    table = table.set_column(4, "items", pa.array([1.0, 2.5, *([3.0] * 8)]))
    found = scored(folder, "--in", wrote(folder, table))
    assert found[0]["error"] == "the question has no 'order_id'" and found[0]["score"] is None
    assert "must be a whole number, not" in found[1]["error"] and found[1]["action"] is None
    assert all(row["error"] is None and row["score"] is not None for row in found[2:])


def test_a_missing_value_is_a_missing_value(folder: Path) -> None:
    """Null in a file is null in a request."""
    table = rows(8).set_column(3, "price_eur", pa.array([None] * 8, pa.float64()))
    found = scored(folder, "--in", wrote(folder, table))
    with Up(folder) as up, up.client() as client:
        for row, given in zip(table.to_pylist(), found, strict=True):
            assert client.ask(**row | {"ordered_at": row["ordered_at"].isoformat() + "Z"}).score == given["score"]
        assert up.stop() == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop_columns(["items"]), "lacks the column 'items'"),
        (
            lambda t: t.set_column(3, "price_eur", pa.array(["1"] * 5)),
            "holds string, and a question's is of kind 'number'",
        ),
    ],
)
def test_the_wrong_columns_are_wrong_usage(folder: Path, change: Any, said: str) -> None:
    """Before anything is scored."""
    code, error = run(folder, "score", "--in", wrote(folder, change(rows(5))), "--out", "out.parquet")
    assert code == 2 and said in error["error"]


def test_an_output_is_never_overwritten(folder: Path) -> None:
    """Nor is a file that is none of the formats taken."""
    name = wrote(folder, rows(5))
    scored(folder, "--in", name)
    code, error = run(folder, "score", "--in", name, "--out", "out.parquet")
    assert code == 2 and "is there already" in error["error"]
    assert run(folder, "score", "--in", name, "--out", "out.xlsx")[0] == 2
    (folder / "bad.parquet").write_bytes(b"no")
    assert run(folder, "score", "--in", "bad.parquet", "--out", "o.csv")[0] == 2
    assert run(folder, "score", "--in", "none.parquet", "--out", "o.csv")[0] == 2


def noted(parts: Parts) -> int:
    """How many parts are said to be done, behind the line that says which job they are of."""
    manifest = parts.folder / "manifest.jsonl"
    return manifest.read_bytes().count(b"\n") - 1 if manifest.exists() else 0


def test_killed_and_gone_on_with_it_gives_the_same_bytes(folder: Path) -> None:
    """Parent and children; a part that was damaged meanwhile is made again; the ledger has one line for each output."""
    name = wrote(folder, rows(2_500_000))
    whole = folder / "whole.parquet"
    assert run(folder, "score", "--in", name, "--out", whole.name)[0] == 0
    out = folder / "out.parquet"
    parts = Parts(out)
    for parts_done in (1, 3):
        process = command(folder, "score", "--in", name, "--out", out.name, "--processes", "2", "--json")
        until(lambda wanted=parts_done: noted(parts) >= wanted)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.communicate()
    first = min(parts.folder.glob("*.arrow"))
    first.write_bytes(first.read_bytes()[:-1] + b"!")
    code, said = run(folder, "score", "--in", name, "--out", out.name)
    assert code == 0 and 0 < said["again"] < 2_500_000
    assert out.read_bytes() == whole.read_bytes() and not parts.folder.exists()
    catalog = catalog_of(folder)
    assert [line.entry.kind for line in catalog.ledger()].count("scored") == 2
    catalog.close()


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from plimsoll.cli import main
sys.exit(main(sys.argv[1:]))
"""


def on_a_full_disk(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command for which no file may grow beyond two megabytes."""
    return subprocess.run(
        [sys.executable, "-c", LIMITED, "2000000", *words],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_another_job_does_not_go_on_with_these_parts(folder: Path) -> None:
    """Its release, inputs or options are not the same."""
    name = wrote(folder, rows(400_000))
    assert on_a_full_disk(folder, "score", "--in", name, "--out", "out.parquet", "--json").returncode == 3
    code, error = run(folder, "score", "--in", name, "--out", "out.parquet", "--keep", "channel")
    assert code == 2 and "parts of another job" in error["error"]


def test_a_full_disk_is_said_and_gone_on_from(folder: Path) -> None:
    """3, and what to do; with room again the same command goes on."""
    name = wrote(folder, rows(400_000))
    words = ["score", "--in", name, "--out", "out.parquet", "--json"]
    done = on_a_full_disk(folder, *words)
    error = json.loads(done.stderr.strip().splitlines()[-1] if done.stderr.count("\n{") else done.stderr)
    assert done.returncode == 3 and "free some space" in error["hint"], done.stderr
    assert not (folder / "out.parquet").exists()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert run(folder, *words[:-1])[0] == 0
    assert parquet.read_metadata(folder / "out.parquet").num_rows == 400_000
