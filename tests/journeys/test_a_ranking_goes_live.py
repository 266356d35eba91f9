"""A ranking goes the whole way: rows with their query, a ranker fitted on them, gate, shadow, canary and live on a real store."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from plimsoll.app import open_home
from plimsoll.capability import Capability, load
from plimsoll.kernel.records import Event
from plimsoll.operations import Candidate, Rehearsal, VirtualClock, outcome, rehearse, story_page
from plimsoll.operations.notify import LogNotifier
from plimsoll.operations.planning.document import plan_of
from plimsoll.operations.planning.standin import from_rows
from plimsoll.settings import Settings
from plimsoll.store import SegmentLog

START, GATE, DAYS = datetime(2025, 1, 1, tzinfo=UTC), 10, 52
CAPABILITY = """
from lightgbm import LGBMRanker
from plimsoll import Canary, Capability, Inputs, Live, Ranking, Shadow, Source
from plimsoll import at_least, at_most, better, no_worse, number

capability = Capability(
    name="search", owner="shop",
    task=Ranking(label="clicked", group="query"),
    source=Source(name="hits", contract="hits.odcs.yaml", rows="hits.parquet", asked_at="at", unit="hit", sticky="query",
                  arrives_at="known_at"),
    features=[Inputs(number("match"), number("price"))],
    train=LGBMRanker(n_estimators=15, num_leaves=7, min_child_samples=20, verbose=-1),
    fallback=lambda asked: [-p for p in asked["price"]],
    gate=[at_least("ndcg_at_5", 0.5), better("ndcg_at_5", than="fallback"), no_worse("mrr", margin=0.1, than="champion")],
    rollout=[Shadow(blocks=10), Canary(0.5, blocks=7), Live()],
    keep=[at_most("error_rate", 0.01), no_worse("ndcg_at_5", margin=0.1, than="fallback")],
    report=["recall_at_3", "mean_average_precision"],
)
"""
CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: hits
version: 1.0.0
status: active
name: hits
schema:
  - name: hits
    physicalType: table
    properties:
"""
COLUMNS = {
    "hit": ("string", "asked_at"),
    "query": ("string", "asked_at"),
    "at": ("timestamp", "asked_at"),
    "match": ("number", "asked_at"),
    "price": ("number", "asked_at"),
    "clicked": ("integer", "{column: known_at}"),
    "known_at": ("timestamp", "{column: known_at}"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty queries a day with six hits each: a good match is clicked, and now and then a cheap one."""
    folder, rng, rows = tmp_path_factory.mktemp("ranking"), np.random.default_rng(1), []
    for day in range(DAYS):
        for q in range(30):
            at = (START + timedelta(days=day, minutes=40 * q)).replace(tzinfo=None)
            match, price = rng.random(6), 100 * rng.random(6)
            pull = 6 * match - 0.01 * price + rng.gumbel(size=6)
            for i in range(6):
                clicked = int(pull[i] == pull.max())
                rows.append(
                    (f"d{day}q{q}h{i}", f"d{day}q{q}", at, match[i], price[i], clicked, at + timedelta(hours=3))
                )
    (folder / "hits.csv").write_text("\n".join(",".join(map(str, row)) for row in [tuple(COLUMNS), *rows]))
    duckdb.sql(f"COPY (FROM read_csv('{folder}/hits.csv')) TO '{folder}/hits.parquet' (FORMAT parquet)")
    unique = ", primaryKey: true, unique: true"
    properties = [
        f"      - {{name: {name}, logicalType: {kind}, required: true{unique if name == 'hit' else ''}, "
        f"customProperties: [{{property: knownAt, value: {known}}}]}}"
        for name, (kind, known) in COLUMNS.items()
    ]
    (folder / "hits.odcs.yaml").write_text(CONTRACT + "\n".join(properties) + "\n")
    (folder / "capability.py").write_text(CAPABILITY)
    return folder


@pytest.fixture(scope="module")
def capability(folder: Path) -> Capability:
    return load(folder)


@pytest.fixture(scope="module")
def played(capability: Capability, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[Event], str]:
    """The ranker is released after three weeks of rows and goes its way; what became of it, every event, and the page."""
    begin = START + timedelta(days=22)
    plan = Rehearsal(
        start=begin,
        until=START + timedelta(days=DAYS - 2),
        candidates=[Candidate(label="ranker", at=begin + timedelta(hours=3), capability=capability)],
    )
    home = tmp_path_factory.mktemp("home")
    with open_home(Settings(home=home), clock=VirtualClock(plan.start), notifier=LogNotifier()) as opened:
        clock, log = VirtualClock(plan.start), SegmentLog(opened.settings.segments, durability="process")
        stage, story = rehearse(
            capability, plan, opened.yard(), clock, log, seed=5, tell=lambda t: None, progress=lambda *a: None
        )
        events = [r for r in log.read(limit=1_000_000)[0] if isinstance(r, Event)]
        log.close()
        return outcome(stage, story), events, story_page(stage, story).decode()


def test_a_ranker_passes_its_gate_and_goes_live(played: tuple[dict[str, Any], list[Event], str]) -> None:
    """Through shadow and canary, judged query by query against the price's order."""
    document, _, page = played
    (ranker,) = [r for r in document["releases"] if r["label"] == "ranker"]
    assert ranker["state"] == "live" and ranker["gate"]["ruling"] == "pass"
    assert [s["stage"].split()[0] for s in ranker["stages"]] == ["shadow", "canary", "live"]
    assert "ndcg_at_5" in page


def test_the_rows_of_one_query_are_ranked_by_one_release(played: tuple[dict[str, Any], list[Event], str]) -> None:
    """Also in a canary, where queries are divided between two."""
    _, events, _ = played
    by_query = defaultdict(set)
    for event in events:
        by_query[event.inputs["query"]].add(event.served.release)
    assert len({release for releases in by_query.values() for release in releases}) == 2
    assert all(len(releases) == 1 for releases in by_query.values())


def test_a_plan_divides_the_rows_into_queries(capability: Capability, folder: Path) -> None:
    """Before any history: the fallback's order against none."""
    required = [r for stage in capability.stages for r in stage.requires]
    plan = plan_of(capability, from_rows(capability, [folder / "hits.parquet"], required))
    loss = plan["stages"][0]["requirements"][0]
    assert loss["assumed"] and loss["sd"] > 0 and loss["design_effect"] > 0
