"""The first two weeks of the flights: a rehearsal that replays to the byte, and a storm that no verdict rests on."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import pytest

from plimsoll.kernel.chain import faults
from plimsoll.kernel.explanation import explained
from plimsoll.kernel.replay import has_verdict, replay
from plimsoll.kernel.verdict import Evidence, Policy, Verdict
from plimsoll.scaffold import sample_plan, write
from plimsoll.store import SqlCatalog

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
UNTIL = "2013-02-15"
STORM = {"2013-02-08", "2013-02-09"}


class Rehearsed(NamedTuple):
    """What a rehearsal left."""

    document: dict[str, Any]
    home: Path


def started(capability: Path, folder: Path, *words: str) -> subprocess.Popen[str]:
    folder.mkdir()
    places = ["--json", str(folder / "out.json"), "--home", str(folder / "home")]
    return subprocess.Popen(
        [sys.executable, "-m", "plimsoll.cli", "rehearse", str(capability), *words, *places],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def finished(process: subprocess.Popen[str]) -> None:
    out, _ = process.communicate(timeout=110)
    assert process.returncode == 0, out


def rehearsed(folder: Path) -> Rehearsed:
    (catalog,) = (folder / "home").rglob("catalog.db")
    return Rehearsed(json.loads((folder / "out.json").read_text()), catalog.parent)


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[Rehearsed]:
    """Seed 7, and seed 7 at the same time again; once for all the processes that run these tests."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folders = [shared / "flights-seven", shared / "flights-again"]
    with (shared / "flights.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folders[0].exists():
            running = [started(FLIGHTS, folder, "--seed", "7", "--until", UNTIL) for folder in folders]
            for process in running:
                finished(process)
    return [rehearsed(folder) for folder in folders]


@pytest.fixture(scope="module")
def lines(twice: list[Rehearsed]) -> list[Any]:
    catalog = SqlCatalog(f"sqlite:///{twice[0].home / 'catalog.db'}")
    found = list(catalog.ledger())
    catalog.close()
    return found


def test_the_same_seed_ends_at_the_same_line(twice: list[Rehearsed]) -> None:
    """To the byte, in two processes that ran beside each other; the documents are equal but for the clock on the wall."""
    one, two = [{k: v for k, v in r.document.items() if k != "wall_s"} for r in twice]
    assert one == two and one["events"] > 10_000 and len(one["ledger_head"]) == 64


PLAN = """
from datetime import UTC, datetime
from capability import capability
from plimsoll.operations import Candidate, Rehearsal

now_and_then = capability.variant(drill={"error_share": 0.004})
rehearsal = Rehearsal(
    start=datetime(2025, 2, 10, tzinfo=UTC),
    until=datetime(2025, 2, 14, tzinfo=UTC),
    candidates=[Candidate(label="first", at=datetime(2025, 2, 10, 3, tzinfo=UTC), capability=now_and_then)],
)
"""


def test_another_seed_ends_at_another_line(tmp_path: Path) -> None:
    """A release that raises now and then raises on other questions: the same rulings on other counts."""
    folder = tmp_path / "orders"
    write(sample_plan("orders", "binary"), folder)
    duckdb.read_csv(str(folder / "data/orders.csv")).write_parquet(str(folder / "data/orders.parquet"))
    text = (folder / "capability.py").read_text().replace("data/orders.csv", "data/orders.parquet")
    text = text.replace('unit="order_id",', 'unit="order_id",\n        arrives_at="closed_at",')
    (folder / "capability.py").write_text(text)
    (folder / "rehearsal.py").write_text(PLAN)
    homes = {seed: tmp_path / seed for seed in ("7", "8")}
    for process in [started(folder, home, "--seed", seed) for seed, home in homes.items()]:
        finished(process)
    seven, eight = (rehearsed(home).document for home in homes.values())
    assert seven["ledger_head"] != eight["ledger_head"] and seven["events"] == eight["events"]
    assert [d["kind"] for d in seven["decisions"]] == [d["kind"] for d in eight["decisions"]]


def test_the_first_release_passes_its_gate_and_is_on_trial(twice: list[Rehearsed]) -> None:
    """Measured, not scripted: gated on two weeks against the fallback, in shadow since."""
    (first,) = twice[0].document["releases"]
    assert first["gate"]["ruling"] == "pass" and first["state"] == "shadow" and first["exposed_events"] == 0


def test_the_storm_is_named_and_no_verdict_rests_on_it(lines: list[Any]) -> None:
    """More than half of the outcomes of 8 and 9 February never come: the days stand in the evidence, in no finding."""
    named = 0
    for line in lines:
        if line.entry.kind != "look" or not line.entry.body.get("verdict"):
            continue
        verdict = msgspec.convert(line.entry.body["verdict"], Verdict)
        evidence = msgspec.convert(line.entry.body["evidence"], tuple[Evidence, ...])
        for finding, e in zip(verdict.findings, evidence, strict=True):
            judged = [b.name for b in e.blocks if b.missing <= Policy().max_missing_share * b.n]
            assert not STORM & set(judged) and finding.blocks == len(judged)
            if {b.name for b in e.blocks} >= STORM:
                assert all(day in finding.reason for day in STORM) and "not judged" in finding.reason
                named += 1
    assert named >= 2


def test_every_verdict_replays_from_its_line(lines: list[Any]) -> None:
    """The evidence in the ledger, judged again, gives the verdicts that were written, to every number, and each finding
    has its sentence."""
    assert not list(faults(lines))
    replayed = [replay(line.entry.body) for line in lines if has_verdict(line.entry.body)]
    assert len(replayed) >= 5
    for one in replayed:
        assert one.same and not one.broken
        assert all(x.says.endswith(".") for x in explained(one.then, one.evidence))
