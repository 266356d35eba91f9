"""A rollout foreseen: before any history, and with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from plimsoll.capability import load
from plimsoll.cli.commands.plan import _stand_in
from plimsoll.kernel.chain import Entry, Line
from plimsoll.kernel.requirement import at_most, better, equivalent, no_worse
from plimsoll.kernel.rollout import Canary, Live, Shadow
from plimsoll.kernel.verdict import Block, Evidence
from plimsoll.operations.planning.document import plan_of
from plimsoll.operations.planning.history import History, Rate, Spread, from_ledger, key_of
from plimsoll.outcome_metric import outcome_rate
from plimsoll.scaffold import sample_plan, write

CLOSE = no_worse("log_loss", margin=0.02, than="champion")
ERRORS = at_most("error_rate", 0.01)


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    write(sample_plan("orders", "binary"), tmp_path / "orders")
    return tmp_path / "orders"


def known(sd: float, events: float = 900.0) -> History:
    """A past in which the difference varied by ``sd``."""
    spread = Spread(sd=sd, rho=0.1, mean=0.0, blocks=14, source="the gate of v1, 14 blocks")
    return History(events_per_block=events, traffic_source="the gate of v1", spreads={key_of(CLOSE): spread})


def planned(orders: Path, history: History, *stages: Any) -> dict[str, Any]:
    return plan_of(load(orders).variant(rollout=[*stages, Live()]), history)


def test_a_plan_before_any_history_says_what_it_assumed(orders: Path, run: Callable[..., Any], tmp_path: Path) -> None:
    """Spread and traffic from the rows, by rules that need no training; nothing is written."""
    ran = run("plan", orders, "--home", tmp_path / "none", "--json")
    plan = ran.document
    loss, errors, _ = plan["stages"][0]["requirements"]
    assert plan["events_per_block"] == 80 and loss["assumed"] and loss["design_effect"] > 0
    assert any("the fallback against the rate of all rows" in said for said in plan["assumes"])
    assert errors["over"] == "events" and errors["bad_answers"] == 0  # in shadow nobody is shown one
    assert not (tmp_path / "none").exists() and "the rollout, foreseen" in run("plan", orders).out


def test_evidence_of_the_past_goes_before_what_is_assumed() -> None:
    """Comparisons with releases, the newest of each, pooled; the fallback's are left aside; traffic is the newest."""
    lines = [line(1, "champ", 0.02, 300), line(2, "fallback", 0.05, 400), line(3, "champ", 0.01, 500)]
    history = from_ledger([*lines, line(3, "champ", 0.01, 500)], {"r3": "v3"})
    spread = history.spreads[key_of(CLOSE)]
    assert history.events_per_block == 500 and not spread.assumed and spread.blocks == 16
    assert spread.sd == pytest.approx(((0.02**2 + 0.01**2) / 2) ** 0.5)
    assert spread.source == "the shadow of v3 and 1 more, 16 blocks"
    alone = from_ledger(lines[1:2], {}).spreads[key_of(CLOSE)]
    assert alone.sd == pytest.approx(0.05) and alone.blocks == 8


def line(seq: int, comparator: str, sd: float, n: int) -> Line:
    """One look: eight blocks around zero with this spread."""
    values = [sd * (7 / 8) ** 0.5 * (-1) ** i for i in range(8)]
    blocks = tuple(Block(f"2025-03-0{i + 1}", n, v, v, v, -9.0) for i, v in enumerate(values))
    e = Evidence(requirement=CLOSE, release=f"r{seq}", source="shadow", comparator=comparator, blocks=blocks)
    body = {"evidence": [msgspec.to_builtins(e)]}
    entry = Entry(
        at=datetime(2025, 3, seq, tzinfo=UTC), capability="x", kind="look", subject=e.release, summary="", body=body
    )
    return Line(seq=seq, previous="", digest="", entry=entry)


def test_where_no_plan_can_answer_it_is_said(orders: Path) -> None:
    """A spread of 0.3 against a margin of 0.02: a year of days would not do."""
    stage = Shadow(blocks=10, deadline_blocks=30, requires=(CLOSE,))
    plan = planned(orders, known(0.3), stage)
    (found,) = plan["stages"][0]["requirements"]
    assert found["answer"] == "cannot" and found["needs_blocks"] is None
    assert any("a year of blocks would not" in said for said in plan["says"])


def test_a_canary_that_teaches_nothing_is_told_so(orders: Path) -> None:
    """What is paired is seen of answers beside; the share shrinks to what shows that the machinery works."""
    stages = Shadow(blocks=10, requires=(CLOSE,)), Canary(0.25, blocks=7, requires=(CLOSE,))
    plan = planned(orders, known(0.02), *stages)
    shadow, canary = plan["proposal"]
    assert canary["share"] == 0.1 < 0.25 and shadow["blocks"] > 10
    assert any("shadow is the better tool" in said for said in plan["says"])


def test_a_fault_in_a_canary_reaches_people(orders: Path) -> None:
    """The more of them the larger the share; one that begins after a clean shadow is caught later."""
    of = {
        share: planned(orders, known(0.02), Shadow(blocks=10, requires=(CLOSE,)), Canary(share, requires=(CLOSE,)))
        for share in (0.05, 0.25)
    }
    shadow, canary = (s["requirements"][0] for s in of[0.25]["stages"])
    assert canary["fault_answers"] == pytest.approx(5 * of[0.05]["stages"][1]["requirements"][0]["fault_answers"])
    assert shadow["fault_answers"] == 0 and canary["fault_blocks"] > shadow["fault_blocks"]


def test_a_plan_without_rows_or_past_knows_nothing(orders: Path) -> None:
    """It says so, and does not guess."""
    plan = planned(orders, History(events_per_block=None, traffic_source="", spreads={}), Shadow(requires=(CLOSE,)))
    (found,) = plan["stages"][0]["requirements"]
    assert found["answer"] == "unknown" and found["power"] is None and plan["proposal"][0]["blocks"] == 10


def test_a_rollout_of_one_stage_needs_no_plan(orders: Path) -> None:
    """Live on the gate alone: nothing is foreseen, and nothing is proposed."""
    plan = planned(orders, known(0.02))
    assert plan["stages"] == [] == plan["proposal"] and plan["says"] == []


def test_equal_blocks_and_a_limit_of_nothing_break_no_plan(orders: Path) -> None:
    """A difference that never varies is known at block 10; a rate of exactly zero cannot be shown, and is said so."""
    stage = Shadow(blocks=10, requires=(CLOSE, at_most("error_rate", 0.0)))
    loss, errors = planned(orders, known(0.0), stage)["stages"][0]["requirements"]
    assert loss["needs_blocks"] == 10 and loss["power"] == 1.0 and loss["catches_from"] == 0.02
    assert errors["answer"] == "unknown"


def test_every_kind_of_requirement_is_foreseen(orders: Path) -> None:
    """Equivalence takes longer than no worse; a gain is foreseen of a candidate like the last; two rates by their events."""
    asked = (
        CLOSE,
        equivalent("log_loss", margin=0.02, than="champion"),
        better("log_loss", than="champion"),
        no_worse("error_rate", margin=0.01, than="champion"),
        equivalent("error_rate", margin=0.01, than="champion"),
    )
    past = Spread(sd=0.02, rho=0.1, mean=-0.03, blocks=14, source="the gate of v1, 14 blocks")
    counted = {"error_rate": Rate(rate=0.003, source="the lease of v1, 3 of 1,000")}
    history = History(events_per_block=900, traffic_source="the gate", spreads={key_of(CLOSE): past}, rates=counted)
    stage = Shadow(blocks=10, requires=asked)
    close, same, gain, rates, equal = planned(orders, history, stage)["stages"][0]["requirements"]
    assert same["needs_blocks"] > close["needs_blocks"] and same["power"] < close["power"]
    assert same["catches_from"] > close["catches_from"]  # to fail it may be missed on either side
    assert gain["candidate"] == "one like the last" and gain["needs_blocks"] < 30 and gain["fault"] == 0.02
    assert rates["source"].startswith("the lease of v1") and rates["fault"] == pytest.approx(0.033)
    assert 0 < rates["needs_blocks"] <= equal["needs_blocks"] and rates["caught"] > 0.9


@pytest.mark.parametrize("margin", [0.0, 0.001])
def test_fewer_errors_are_foreseen_of_who_errs_half_as_often(orders: Path, margin: float) -> None:
    """With what was counted, and with what is assumed where nothing was."""
    stage = Shadow(blocks=10, requires=(better("error_rate", margin=margin, than="champion"),))
    counted = {"error_rate": Rate(rate=0.02, source="the lease of v1, 20 of 1,000")}
    past = History(events_per_block=900, traffic_source="the gate", spreads={}, rates=counted)
    (known,), (assumed,) = (
        planned(orders, h, stage)["stages"][0]["requirements"] for h in (past, msgspec.structs.replace(past, rates={}))
    )
    assert known["candidate"] == "one that errs half as often" and 0 < known["needs_blocks"] < 30
    assert assumed["assumed"] and assumed["source"].startswith("assumed: the champion's error_rate is 0.")


def test_a_lease_is_foreseen_with_what_a_fault_costs_until_it_ends(orders: Path) -> None:
    """For sizes of fault: larger ones sooner; what counts answers says how many are bad; quality waits for its outcomes."""
    keep = [at_most("error_rate", 0.005), no_worse("log_loss", margin=0.02, than="predecessor")]
    spread = msgspec.structs.replace(known(0.02).spreads[key_of(CLOSE)], floor=-0.1)
    history = History(events_per_block=900, traffic_source="the gate", spreads={key_of(CLOSE): spread})
    plan = plan_of(load(orders).variant(rollout=[Live()], keep=keep), history)
    errors, loss = plan["live"]
    assert [f["size"] for f in errors["faults"]] == [0.01, 0.02, 0.05]
    assert sorted((f["blocks"] for f in errors["faults"]), reverse=True) == [f["blocks"] for f in errors["faults"]]
    assert errors["faults"][1]["bad_answers"] == pytest.approx(0.02 * errors["faults"][1]["answers"])
    assert loss["waits_blocks"] > 0 and all(f["blocks"] > loss["waits_blocks"] for f in loss["faults"])
    assert loss["faults"][0]["bad_answers"] is None and loss["false_alarm_blocks"] == 730


def test_a_lease_that_nothing_was_measured_of_is_said_to_be_unknown(orders: Path) -> None:
    """No traffic, no spread: no number."""
    keep = [at_most("error_rate", 0.005), no_worse("log_loss", margin=0.02, than="predecessor")]
    nothing = History(events_per_block=None, traffic_source="", spreads={})
    plan = plan_of(load(orders).variant(keep=keep), nothing)
    assert not any(held["faults"] for held in plan["live"]) and "nothing" in plan["live"][1]["source"]


def test_two_arms_are_foreseen_by_dividing_the_recorded_rows(orders: Path) -> None:
    """As the canary will, by unit: an A/A of the very units; the share is what it learns by, and no shadow does it better."""
    returned = outcome_rate(higher_is_better=False)
    canary = Canary(0.5, blocks=14, requires=(no_worse(returned, margin=0.1, than="champion"),))
    capability = load(orders).variant(
        rollout=[Shadow(blocks=3), canary, Live()], metrics=[returned], keep=[ERRORS], influences_outcome=True
    )
    plan = plan_of(capability, _stand_in(capability, [r for s in capability.stages for r in s.requires]))
    shadow, arms = (stage["requirements"] for stage in plan["stages"])
    assert "recorded rows divided as a canary of 50% will divide them" in arms[0]["source"] and arms[0]["sd"] > 0
    assert plan["stages"][1]["begins_at_block"] == 0 and [r["over"] for r in shadow] == ["events"]
    assert plan["proposal"][1]["share"] == 0.5 and not any("shadow is the better tool" in said for said in plan["says"])
