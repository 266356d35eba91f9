"""What answers bring about: from who was shown whose answer to evidence, and through the loop on a real store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from plimsoll.kernel.columns import in_columns
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.records import FALLBACK, Answer, Beside, Event, Outcome, Record
from plimsoll.kernel.requirement import Requirement, at_least, at_most, better, no_worse
from plimsoll.kernel.rollout import Canary, Live, Shadow
from plimsoll.kernel.verdict import Evidence
from plimsoll.operations.arms import measured
from plimsoll.operations.closed import ClosedBlock
from plimsoll.operations.tally import Tally
from plimsoll.outcome_metric import outcome_mean, outcome_rate, outcome_ratio
from plimsoll.serving import position

from .given import DAY, HOUR, T0, deploy, live, loop_of, parcels, queued

BOUGHT, PAID = outcome_rate(), outcome_mean("paid", unit="USD", between=(0, 100))
PER_ITEM = outcome_ratio("paid", "items", unit="USD")
COMPARED = no_worse(BOUGHT, margin=0.1, than="champion")
SHARE = 0.5


def visit(name: str, unit: str, at: Any, served: str, score: float | None = 0.5, rollout: str = "r1") -> Event:
    said = Answer(release=served, role="canary", score=score, error="" if score is not None else "it raised")
    return Event(
        id=name,
        capability="late",
        at=at,
        block=at.date().isoformat(),
        unit=unit,
        inputs={},
        served=said,
        rollout=rollout,
    )


def visits(
    days: int, *, ours: float, theirs: float, each: int = 60, labelled: float = 1.0, first: int = 0, canary: str = "r1"
) -> list[Record]:
    """Days of visits of units divided as serving divides them, who buy at the rate of whose offer they see."""
    records: list[Record] = []
    for day in range(first, first + days):
        rng = np.random.default_rng(day)
        for i in range(each):
            at, unit, name = T0 + day * DAY + i * (DAY / each), f"u{rng.integers(400)}", f"v{day}-{i}"
            served = canary if canary and position("late", unit) < SHARE else FALLBACK
            other = Answer(release="r1" if served == FALLBACK else FALLBACK, role="beside", score=0.5)
            records += [visit(name, unit, at, served), Beside(event=name, answers=(other,))]
            bought = float(rng.random() < (ours if served != FALLBACK else theirs))
            if i < labelled * each:
                paid = {"paid": 20.0 * bought, "items": 1.0 + bought}
                records.append(Outcome(event=name, label=bought, at=at + HOUR, values=paid))
    return records


def closed(records: Sequence[Record], days: int = 30) -> list[ClosedBlock]:
    tally = Tally(task="binary", maturity=36 * HOUR, shown=["paid", "items"])
    tally.read(in_columns(records))
    tally.close(T0 + days * DAY)
    return tally.closed


def evidence(requirement: Requirement, metric: Any, records: Sequence[Record]) -> Evidence:
    against = FALLBACK if requirement.compares else ""
    bare = Evidence(requirement=requirement, release="r1", source="canary", comparator=against)
    return measured(bare, metric, closed(records), None)


def test_each_arm_has_its_own_units_and_what_came_of_them() -> None:
    """The mean of the blocks is the loss of our rate against theirs; nobody is counted on both sides."""
    records = visits(12, ours=0.3, theirs=0.6)
    found = evidence(COMPARED, BOUGHT, records)
    told = {o.event: o.label for o in records if isinstance(o, Outcome)}
    rate = {
        who: np.mean([told[e.id] for e in records if isinstance(e, Event) and e.served.release == who])
        for who in ("r1", FALLBACK)
    }
    assert np.mean([b.mean for b in found.blocks]) == pytest.approx(rate[FALLBACK] - rate["r1"])
    units = {e.unit for e in records if isinstance(e, Event)}
    assert sum(found.arms) == len(units) and len(found.blocks) == 12 and found.hidden > 0.0


def test_an_answer_that_failed_counts_for_the_release_whose_turn_it_was() -> None:
    """What stood in for it belongs to it: units were divided, not answers."""
    failed = [
        replace(r, served=replace(r.served, score=None)) if isinstance(r, Event) else r
        for r in visits(3, ours=0, theirs=1)
    ]
    found = evidence(COMPARED, BOUGHT, failed)
    assert [b.mean for b in found.blocks] == pytest.approx([1.0, 1.0, 1.0]) and found.blocks[0].n == 60


def test_numbers_of_an_outcome_are_read_by_name() -> None:
    """A mean, and a ratio of sums, each as the loss: less is worse here."""
    paid = evidence(better(PAID, than="champion"), PAID, visits(12, ours=1.0, theirs=0.0))
    per_item = evidence(better(PER_ITEM, than="champion"), PER_ITEM, visits(12, ours=1.0, theirs=0.0))
    assert [b.mean for b in paid.blocks] == pytest.approx([-20.0] * 12)
    assert [b.mean for b in per_item.blocks] == pytest.approx([-10.0] * 12)


def test_what_never_came_could_have_been_anything_that_was_declared() -> None:
    """At best all of ours had bought, at worst none, and the other way for theirs; without bounds nothing is judged."""
    records = visits(12, ours=0.5, theirs=0.5, labelled=0.8)
    found = evidence(COMPARED, BOUGHT, records)
    low, mean, high = (np.mean([getattr(b, name) for b in found.blocks]) for name in ("low", "mean", "high"))
    assert low == pytest.approx(mean - 0.2, abs=0.05) and high == pytest.approx(mean + 0.2, abs=0.05)
    unbounded = evidence(no_worse(PER_ITEM, margin=1.0, than="champion"), PER_ITEM, records)
    assert not unbounded.blocks and "declare them (between=…)" in unbounded.waits_for


def test_an_arm_that_nobody_saw_says_so() -> None:
    """It waits, and does not raise."""
    found = evidence(COMPARED, BOUGHT, visits(3, ours=0.5, theirs=0.5, canary=""))
    assert not found.blocks and "nothing has come of an answer of r1" in found.waits_for


def test_a_level_is_that_of_who_was_shown_it() -> None:
    """Without a comparator: the release's own."""
    found = evidence(at_least(BOUGHT, 0.1), BOUGHT, visits(4, ours=1.0, theirs=0.0))
    assert [b.mean for b in found.blocks] == pytest.approx([1.0] * 4) and not found.arms


def test_a_ranking_is_compared_by_its_own_order_and_what_came_of_it() -> None:
    """Each query once, by the arm that ranked it; one that is not answered in full is none."""
    records: list[Record] = []
    for day in range(12):
        for q in range(10):
            served = "r1" if q % 2 else FALLBACK
            for i, clicked in enumerate((0.0, 1.0, 0.0)):
                name, score = f"{day}-{q}-{i}", float(i == 1) if served == "r1" else float(i == 0)
                answer = None if (day, q, i) == (0, 1, 2) else score
                event = visit(name, f"q{day}-{q}", T0 + day * DAY + q * HOUR, served, answer)
                records += [
                    replace(event, inputs={"query": f"q{q}"}),
                    Outcome(event=name, label=clicked, at=event.at + HOUR),
                ]
    tally = Tally(task="ranking", maturity=36 * HOUR, shown=[], columns=["query"], group="query")
    tally.read(in_columns(records))
    tally.close(T0 + 30 * DAY)
    compared = no_worse("mrr", margin=0.1, than="champion")
    bare = Evidence(requirement=compared, release="r1", source="canary", comparator=FALLBACK)
    found = measured(bare, compared.definition, tally.closed, None)
    # ours finds the one that was clicked at once; theirs after another, tied for second and third place
    assert [b.mean for b in found.blocks] == pytest.approx([(1 / 2 + 1 / 3) / 2 - 1.0] * 12)
    assert found.arms == (59, 60)


DEAR = at_most("cost_per_1k_usd", 0.2)


def priced(records: Sequence[Record], **usd: float) -> list[Record]:
    """The same, each answer at its release's price."""
    return [replace(r, cost_usd=usd[r.served.release]) if isinstance(r, Event) else r for r in records]


def test_costs_are_compared_between_those_who_were_answered() -> None:
    """By the thousand; only a shown answer has a cost."""
    dearer = no_worse("cost_per_1k_usd", margin=0.05, than="champion")
    found = evidence(dearer, dearer.definition, priced(visits(12, ours=0, theirs=0), r1=0.0003, fallback=0.0001))
    assert [b.mean for b in found.blocks] == pytest.approx([0.2] * 12) and found.hidden == pytest.approx(0.0, abs=1e-12)


def test_a_live_cost_is_each_blocks_own_and_never_below_nothing() -> None:
    """A detector takes one block after the other, and bets by the least that it could be."""
    costs = priced(visits(2, ours=0, theirs=0), r1=0.0003, fallback=0.0)
    bare = Evidence(requirement=DEAR, release="r1", source="live")
    found = measured(bare, DEAR.definition, closed(costs), None)
    assert [(b.mean, b.floor) for b in found.blocks] == [(pytest.approx(0.3), 0.0)] * 2


def test_without_prices_a_cost_is_unknown_and_not_nothing() -> None:
    """It says where to declare them."""
    found = evidence(DEAR, DEAR.definition, visits(3, ours=0, theirs=0))
    assert not found.blocks and "server.core_second_usd" in found.waits_for


def test_a_live_release_that_becomes_dear_is_taken_back(place: Any) -> None:
    """As for errors and latency: at once when its blocks close, to whoever was there before."""
    capability = parcels(keep=[DEAR])
    loop = loop_of(capability, place.catalog, place.log, place.clock, place.notes)
    deploy(place.catalog, live("r1", [DEAR]))
    kinds = []
    for day in range(40):
        usd = 0.0001 if day < 10 else 0.002
        served = [
            replace(r, served=replace(r.served, release="r1")) if isinstance(r, Event) else r
            for r in visits(1, ours=0, theirs=0, first=day, each=20)
        ]
        place.log.append(priced(served, r1=usd))
        place.clock.move_to(T0 + (day + 1) * DAY)
        kinds += [decision.kind for decision in loop.settle()]
        if "rolled_back" in kinds:
            break
    assert "rolled_back" in kinds and place.catalog.deployment("late").live == FALLBACK and day > 10


OFFER = parcels(
    gate=[at_least("auc", 0.6)],
    rollout=[
        Shadow(blocks=2, deadline_blocks=20, requires=(at_most("error_rate", 0.05),)),
        Canary(SHARE, blocks=10, deadline_blocks=25, requires=(COMPARED,)),
        Live(),
    ],
    keep=[at_most("error_rate", 0.05)],
    metrics=[BOUGHT, PAID],
    influences_outcome=True,
)


def offered(place: Any, *, ours: float, theirs: float, days: int = 40) -> list[str]:
    """The kinds of decisions while r1 goes its way, its answers shown to whom the deployment says."""
    loop = loop_of(OFFER, place.catalog, place.log, place.clock, place.notes)
    deploy(place.catalog, queued("r1"))
    kinds = [d.kind for d in loop.settle()]
    for day in range(days):
        d = place.catalog.deployment("late")
        canary = "r1" if d.rollout and d.rollout.state is State.CANARY else ""
        live = d.live if d.lease else ""
        records = visits(1, ours=ours, theirs=theirs, each=200, first=day, canary=canary)
        if live == "r1":
            records = [
                replace(r, served=replace(r.served, release="r1")) if isinstance(r, Event) else r for r in records
            ]
        place.log.append(records)
        place.clock.move_to(T0 + (day + 1) * DAY)
        kinds += [decision.kind for decision in loop.settle()]
    return [kind for kind in dict.fromkeys(kinds) if kind not in ("look", "renewed")]


def test_a_release_goes_live_by_what_its_answers_brought_about(place: Any) -> None:
    """Shadow by its errors, the canary by the two arms, confirmed when the last outcomes are in."""
    kinds = offered(place, ours=0.5, theirs=0.4)
    d = place.catalog.deployment("late")
    assert kinds == ["started", "advanced", "live", "confirmed"] and d.live == "r1"
    lines = [line.entry for line in place.catalog.ledger(capability="late") if line.entry.kind == "live"]
    (judged,) = [e for e in lines[0].body["evidence"] if e["requirement"]["metric"] == BOUGHT.id]
    assert judged["hidden"] > 0.0 and len(judged["arms"]) == 2 and judged["source"] == "canary"
    assert len(judged["blocks"]) >= 10


def test_a_release_whose_answers_bring_less_is_taken_back(place: Any) -> None:
    """Though nobody could say what the champion's would have brought to the same units."""
    assert offered(place, ours=0.1, theirs=0.6) == ["started", "advanced", "rolled_back"]
    assert "r1" in place.catalog.deployment("late").known_bad
