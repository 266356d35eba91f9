"""The loop on a real store: killed between any two writes, fenced off, raced, and each time explained by its ledger."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from msgspec.structs import replace

from kernel.given import DAY, HOUR, NOON, TERMS, later, observed, overridden, passed, shipped
from kernel.rules import check_deployment
from plimsoll.errors import Conflict
from plimsoll.kernel import override
from plimsoll.kernel.case import Decision, Observation
from plimsoll.kernel.decide import decide
from plimsoll.kernel.ports import Fence
from plimsoll.kernel.rollout import Deployment
from plimsoll.operations.act import carry_out
from plimsoll.store import SqlCatalog

from .conftest import Crash, House

LOOP = "loop:late"


def act(house: House, catalog: SqlCatalog, decision: Decision, now: datetime, fence: Fence | None = None) -> Deployment:
    return carry_out(decision, catalog=catalog, notifier=house.notifier, fence=fence, now=now)


def chosen(rng: random.Random, d: Deployment, now: datetime, name: str) -> Decision | None:
    """What a release, a person or the loop wants now."""
    what = rng.random()
    if what < 0.15 or not d.states:
        return shipped(rng, d, name, now)
    return overridden(rng, d, now) if what < 0.25 else decide(d, observed(rng, d, now), TERMS)


def test_a_crash_between_any_two_writes_loses_nothing_and_doubles_nothing(house: House) -> None:
    """Every step of one decision is a place to die. Before the commit nothing was decided, after it everything was."""
    catalog = house.opened()
    first = passed(catalog.deployment("late"), "r1")
    before, house.fuse.seen = house.fuse.seen, 0
    assert before and act(house, catalog, first, NOON).version == 1
    started = decide(catalog.deployment("late"), Observation(now=NOON), TERMS)
    assert started is not None
    started = replace(started, opens=("test", "an incident"), notify=True)
    decided = 0
    for step in range(60):
        d = house.explained(catalog)
        with house.fuse.lit(step):
            try:
                act(house, catalog, replace(started, deployment=replace(started.deployment, version=d.version)), NOON)
            except Crash:
                catalog.close()
                catalog = house.opened()
                after = house.explained(catalog)
                assert after.version - d.version in (0, 1)
                decided += after.version - d.version
                continue
        assert step > 10 and decided >= 3, "it died before, within and after the commit"
        return
    pytest.fail("it never came through")


def test_random_lives_of_a_store_are_always_explained(house: House) -> None:
    """Hundreds of decisions, two in five killed somewhere, on a clock that jumps: what is kept is always whole."""
    rng, now, catalog = random.Random(5), NOON, house.opened()
    died: Counter[str] = Counter()
    for step in range(300):
        now = later(rng, now)
        d = catalog.deployment("late")
        decision = chosen(rng, d, now, f"r{step}")
        if decision is None:
            continue
        if rng.random() > 0.4:
            d = act(house, catalog, decision, now)
            check_deployment(d)
            continue
        try:
            with house.fuse.lit(rng.randrange(11)):
                act(house, catalog, decision, now)
        except Crash:
            catalog.close()
            catalog = house.opened()
            kept = house.explained(catalog)
            died["after" if kept.version > d.version else "before"] += 1
            assert kept == d or kept.version == d.version + 1
            check_deployment(kept)
    assert died["before"] > 10 and died["after"] > 10
    assert house.explained(catalog).version > 100


def test_of_two_deciders_only_one_writes(house: House) -> None:
    """Both decide on what both read; whoever comes second, or holds an old fence, writes nothing at all."""
    rng, now = random.Random(8), NOON
    processes = {"a": house.opened(), "b": house.opened()}
    fences: dict[str, Fence] = {}
    lost = 0
    for step in range(120):
        now += rng.choice((HOUR, DAY))
        for name in processes:  # a process may sleep through the end of its lease and wake with an old fence
            if rng.random() < 0.5 and (fence := processes[name].acquire(LOOP, name, 2 * HOUR, now)):
                fences[name] = fence
        newest = max((f.token for f in fences.values()), default=0)
        plans = {n: chosen(rng, c.deployment("late"), now, f"r{step}{n}") for n, c in processes.items()}
        written = 0
        for name in rng.sample(sorted(plans), 2):
            plan, fence = plans[name], fences.get(name)
            if plan is None or fence is None:
                continue
            before = processes[name].ledger_head()
            try:
                act(house, processes[name], plan, now, fence)
                written += 1
                assert fence.token == newest
            except Conflict:
                lost += 1
                assert processes[name].ledger_head() == before
        assert written <= 1
        check_deployment(processes["a"].deployment("late"))
    assert lost > 20
    assert house.explained(processes["b"]).version > 20


def test_an_operator_s_word_beats_a_decision_that_was_taken_before_it(house: House) -> None:
    """The pass that read the old deployment conflicts, and reads again; the freeze stands."""
    catalog, other = house.opened(), house.opened()
    d = act(house, catalog, passed(catalog.deployment("late"), "r1"), NOON)
    stale = decide(d, Observation(now=NOON), TERMS)
    frozen = override.freeze(d, "ann", "holidays", on=True)
    act(house, other, frozen, NOON)
    assert stale is not None
    with pytest.raises(Conflict):
        act(house, catalog, stale, NOON)
    again = decide(catalog.deployment("late"), Observation(now=NOON), TERMS)
    assert again is None and house.explained(catalog).frozen_by == "ann"


def test_many_threads_that_decide_at_once_write_one_history(house: House) -> None:
    """Each writes on what it read or not at all: as many lines as versions, in one whole chain."""
    first = house.opened()
    act(house, first, passed(first.deployment("late"), "r0"), NOON)

    def live(number: int) -> int:
        catalog, rng, written = house.opened(), random.Random(number), 0
        for step in range(15):
            now = NOON + step * HOUR
            decision = chosen(rng, catalog.deployment("late"), now, f"r{number}.{step}")
            if decision is None:
                continue
            try:
                act(house, catalog, decision, now)
                written += 1
            except Conflict:
                continue
        return written

    with ThreadPoolExecutor(4) as pool:
        written = sum(pool.map(live, range(4)))
    assert house.explained(first).version == written + 1


def test_who_could_not_be_told_does_not_undo_the_decision(house: House) -> None:
    """The write stands; a notification is the only thing that a crash may lose."""
    catalog = house.opened()
    for name in ("r1", "r2"):
        steps = house.fuse.seen
        act(house, catalog, replace(passed(catalog.deployment("late"), name), notify=True), NOON)
        steps = house.fuse.seen - steps
    last = replace(passed(catalog.deployment("late"), "r3"), notify=True)
    with house.fuse.lit(steps - 2 - 3), pytest.raises(Crash):
        act(house, catalog, last, NOON)
    assert len(house.notifier.told) == 2 and house.explained(catalog).version == 3
