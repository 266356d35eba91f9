"""The story of a rehearsal: its document, its sentences and its page are made from what happened, and from nothing else."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import pytest
from rich.console import Console

from plimsoll.app import open_home
from plimsoll.capability import Capability, load
from plimsoll.cli.narration import ending, line, narrating
from plimsoll.kernel.records import Outcome
from plimsoll.kernel.requirement import at_least
from plimsoll.kernel.rollout import Deployment
from plimsoll.operations import (
    ROUTINE,
    Candidate,
    Rehearsal,
    Stage,
    VirtualClock,
    outcome,
    rehearse,
    story_page,
)
from plimsoll.operations.notify import LogNotifier
from plimsoll.operations.story.account import Account, account_of
from plimsoll.operations.story.page import written
from plimsoll.operations.story.series import traffic
from plimsoll.operations.story.wording import names_of, plainly, problem, verb
from plimsoll.outcome_metric import outcome_mean
from plimsoll.scaffold import sample_plan, write
from plimsoll.settings import Settings
from plimsoll.store import SegmentLog

START = datetime(2025, 2, 10, tzinfo=UTC)


def on(day: int, hour: int = 3) -> datetime:
    return START + timedelta(days=day, hours=hour)


@pytest.fixture(scope="module")
def capability(tmp_path_factory: pytest.TempPathFactory) -> Capability:
    """A scaffold whose rows say when they are complete."""
    folder = tmp_path_factory.mktemp("story") / "mine"
    write(sample_plan("mine", "binary"), folder)
    duckdb.sql(f"COPY (FROM read_csv('{folder}/data/mine.csv')) TO '{folder}/data/mine.parquet' (FORMAT parquet)")
    path = folder / "capability.py"
    text = path.read_text().replace("data/mine.csv", "data/mine.parquet")
    path.write_text(text.replace('unit="order_id",', 'unit="order_id",\n        arrives_at="closed_at",'))
    return load(folder)


class Played(NamedTuple):
    """A rehearsal that is over, with what was made of it while its home was open."""

    stage: Stage
    account: Account
    document: dict[str, Any]
    page: str


def played(capability: Capability, home: Path) -> Played:
    """Three weeks: one that is slow, a good one, and the good one again."""
    slow = capability.variant(drill={"latency_ms": 900.0}, seed=3)
    plan = Rehearsal(
        start=START,
        until=on(20),
        candidates=[
            Candidate(label="slow", at=on(0, 2), capability=slow),
            Candidate(label="good", at=on(0), capability=capability),
            Candidate(label="good-again", at=on(0), capability=capability),
        ],
        notes={"2025-02-12": "a holiday <b>"},
    )
    clock = VirtualClock(plan.start)
    with open_home(Settings(home=home), clock=clock, notifier=LogNotifier()) as opened:
        log = SegmentLog(opened.settings.segments, durability="process")
        stage, story = rehearse(
            capability, plan, opened.yard(), clock, log, seed=5, tell=lambda t: None, progress=lambda *a: None
        )
        log.close()
        return Played(stage, account_of(stage, story), outcome(stage, story), story_page(stage, story).decode())


@pytest.fixture(scope="module")
def play(capability: Capability, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return played(capability, tmp_path_factory.mktemp("home"))


def release(play: Played, label: str) -> dict[str, Any]:
    return next(r for r in play.document["releases"] if r["label"] == label)


def test_the_document_says_what_became_of_each_release(play: Played) -> None:
    """The slow one was caught before a user met it, the good one answers everybody."""
    slow, good = release(play, "slow"), release(play, "good")
    assert slow["state"] == "rolled_back" and slow["known_bad"] and slow["exposed_events"] == 0
    assert good["state"] == "live" and good["gate"]["ruling"] == "pass" and good["exposed_events"] > 0


def test_stages_follow_one_another_without_a_gap(play: Played) -> None:
    """Each stage begins where the one before ended; the last is open."""
    stages = release(play, "good")["stages"]
    assert [s["stage"].split()[0] for s in stages] == ["shadow", "canary", "live"]
    assert all(a["to"] == b["from"] for a, b in pairwise(stages)) and stages[-1]["to"] is None
    assert all(s["blocks"] > 0 and s["ruling"] == "pass" for s in stages[:-1])


def test_a_decision_names_its_line_in_the_ledger(play: Played) -> None:
    """The line has the same sentence; what changed nothing has no line."""
    lines = {line.seq: line.entry.summary for line in play.account.lines}
    for d in play.document["decisions"]:
        assert lines.get(d["ledger_seq"], d["summary"]) == d["summary"]
        assert (d["ledger_seq"] == 0) == (d["kind"] == "unchanged")


def test_routine_is_counted_and_not_told(play: Played) -> None:
    """Looks and renewals stand in the ledger alone."""
    assert not {"look", "renewed"} & {d["kind"] for d in play.document["decisions"]}
    assert "look" in {line.entry.kind for line in play.account.lines}


def test_the_same_seed_gives_the_same_document(
    play: Played, capability: Capability, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Only the time it took may differ."""
    again = played(capability, tmp_path_factory.mktemp("again")).document
    assert again | {"wall_s": 0} == play.document | {"wall_s": 0}


def test_the_document_is_json(play: Played) -> None:
    """It goes to a file as it is."""
    assert json.loads(msgspec.json.encode(play.document))["ledger_head"] == play.account.head[1]


def test_no_sentence_shows_a_digest(play: Played) -> None:
    """People read labels."""
    told = [t.plain for t in play.account.told if t.kind not in ROUTINE]
    assert told and not any(re.search(r"\b[0-9a-f]{12}\b", said) for said in told)


def test_the_shares_of_a_day_sum_to_one(play: Played) -> None:
    """Whoever answered, somebody did."""
    rows = traffic(play.account)
    days = {r["at"] for r in rows}
    assert all(sum(r["share"] for r in rows if r["at"] == day) == pytest.approx(1.0) for day in days)
    assert sum(r["n"] for r in rows) == play.document["events"]


def test_the_page_loads_nothing_and_has_everything(play: Played) -> None:
    """One file: every release, every line of the ledger, its head, and the plots."""
    links = Links()
    links.feed(play.page)
    assert all(link.startswith("#") for link in links.found)
    assert all(f'id="L{line.seq}"' in play.page for line in play.account.lines)
    assert play.document["ledger_head"] in play.page and play.page.count("<svg") > 5
    assert len(play.page.encode()) < 3_000_000 and "a holiday <b>" not in play.page


def test_the_same_account_gives_the_same_page(play: Played) -> None:
    """No random names inside the plots."""
    assert written(play.account).decode() == play.page


def test_without_the_extra_the_page_has_its_numbers(play: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plots' libraries are optional; the page says how to get them."""
    monkeypatch.setattr("plimsoll.operations.story.page.plots_can_be_drawn", lambda: False)
    page = written(play.account).decode()
    assert "plimsoll[report]" in page and "The ledger" in page and "rolled back" in page


def test_a_rehearsal_without_any_release_has_a_page(play: Played) -> None:
    """Nothing happened, and it says so."""
    bare = replace(
        play.account, labels={}, gates={}, told=[], lines=[], incidents=[], deployment=Deployment(capability="mine"),
        served={"fallback": 9}, hourly={}, blocks=[],
    )  # fmt: skip
    assert "No release had to be stopped." in written(bare).decode()


def test_a_line_on_the_screen_fits_it(play: Played) -> None:
    """Its tail is wrapped under itself."""
    for told in play.account.told:
        assert all(len(part) <= 100 for part in line(told, 100).plain.splitlines())


def test_plain_lines_where_there_is_no_terminal(play: Played) -> None:
    """A file gets words without colours, and no bar."""
    out = io.StringIO()
    console = Console(file=out, highlight=False)
    with narrating(console, begin=START, end=on(20)) as narrator:
        for told in play.account.told:
            narrator.tell(told)
    ending(console, play.document, routine=narrator.routine, report=Path("r.html"), home=Path("h"))
    assert "rolled back" in out.getvalue() and "\x1b" not in out.getvalue() and narrator.routine > 0
    assert "plimsoll explain slow --home h" in out.getvalue()


SKEW = (
    "offline/online skew in 0123456789ab: 68 of 70 questions of the last 6 hours have other feature values online than "
    "recomputed offline: temp (68), dewp (60)"
)
LEAK = "leakage: 'dep_delay' becomes known after the question in 100.0% of rows (43,913), by 1:58:00 in the median"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SKEW, "68 of 70 questions in 6 hours were answered from other values than the warehouse has (temp, dewp)"),
        (LEAK, "leakage: dep_delay is known only after the question (100.0% of rows, 1 h 58 min in the median)"),
        ("0123456789ab is odd", "first is odd"),
    ],
)
def test_a_problem_is_said_plainly(text: str, said: str) -> None:
    """What was wrong, how often, and where; names instead of digests."""
    assert problem(text, names_of({"0123456789ab" + "0" * 52: "first"})) == said


def test_an_operators_word_is_told_as_it_stands() -> None:
    """A kind without a plainer saying keeps the ledger's sentence, with names."""
    name = names_of({"0123456789ab" + "0" * 52: "first"})
    text = "0123456789ab is paused in shadow by anna: too many changes"
    said = plainly("paused", "", text, None, Deployment(capability="x"), name=name, unit="day")
    assert said == "paused in shadow by anna: too many changes"


class Links(HTMLParser):
    """Everything that a page points to or loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value]


def test_what_happened_has_one_name_everywhere() -> None:
    """Each word of the report has a style in the console, and each mark of a gate a sign in the chart."""
    from plimsoll.cli.narration import STYLES
    from plimsoll.operations.story.charts import SIGNS

    gates = {verb("gate", ruling) for ruling in ("pass", "fail", "invalid", "inconclusive")}
    assert gates <= set(SIGNS) and gates <= set(STYLES)
    kinds = ("started", "advanced", "live", "confirmed", "held", "held_live", "grace", "safe_answer", "rolled_back")
    assert {verb(kind) for kind in kinds} <= set(STYLES)


def test_recorded_outcomes_come_with_the_numbers_that_are_read(capability: Capability, tmp_path: Path) -> None:
    """Of the columns that requirements name: what an outcome would have been told with."""
    items = outcome_mean("items", unit="items", between=(0, 50))
    levels = capability.variant(metrics=[items], retrain=[at_least(items, 1.0)])
    plan = Rehearsal(start=START, until=on(2), candidates=[])
    with open_home(Settings(home=tmp_path), clock=VirtualClock(plan.start), notifier=LogNotifier()) as opened:
        log = SegmentLog(opened.settings.segments, durability="process")
        rehearse(
            levels,
            plan,
            opened.yard(),
            VirtualClock(plan.start),
            log,
            seed=5,
            tell=lambda t: None,
            progress=lambda *a: None,
        )
        outcomes = [r for r in log.read()[0] if isinstance(r, Outcome)]
        log.close()
    assert outcomes and all(1.0 <= o.values["items"] <= 50.0 for o in outcomes)
