"""The loop on one store: a whole rollout, and what happens when there are two of them, or one that died."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from plimsoll.errors import Unavailable
from plimsoll.kernel.chain import faults
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.records import FALLBACK, Event
from plimsoll.operations import VirtualClock
from plimsoll.operations.loop import LEASE_TTL
from plimsoll.operations.notify import Webhook
from plimsoll.store import SegmentLog, SqlCatalog

from .given import DAY, HOUR, KEEP, T0, a_day, days, deploy, knows, live, loop_of, parcels, queued

SAYS = knows("r1")


def a_loop(place: Any, holder: str = "a", **options: Any) -> Any:
    return loop_of(parcels(), place.catalog, place.log, place.clock, place.notes, holder=holder, **options)


def live_through(place: Any, loop: Any, count: int, say: Any = SAYS, *, first: int = 0) -> list[str]:
    """Day after day: what is asked and told, and what the loop decides that changes anything."""
    kinds: list[str] = []
    for day in range(first, first + count):
        served = place.catalog.deployment("late").live
        place.log.append(a_day(day, say, served=served))
        place.clock.move_to(T0 + (day + 1) * DAY)
        kinds += [d.kind for d in loop.settle() if d.kind not in ("look", "renewed", "confirmed")]
    return kinds


def kinds_of(place: Any) -> list[str]:
    return [line.entry.kind for line in place.catalog.ledger()]


def whole(place: Any) -> bool:
    """One line for every change, in one chain."""
    lines = list(place.catalog.ledger())
    return not list(faults(lines)) and len(lines) == place.catalog.deployment("late").version


def test_a_good_release_goes_live_and_keeps_its_lease(place_in_both: Any) -> None:
    """Shadow, canary, live: each on its blocks; then the lease is renewed block by block."""
    place = place_in_both
    deploy(place.catalog, queued("r1"))
    assert live_through(place, a_loop(place), 16) == ["started", "advanced", "live"]
    d = place.catalog.deployment("late")
    assert d.live == "r1" and d.states["r1"] is State.LIVE and d.lease is not None
    assert d.lease.standing == "good" and d.lease.judged_until >= "2025-03-14"
    assert kinds_of(place).count("renewed") >= 3 and whole(place)


def test_a_bad_release_is_taken_back_and_never_returns(place: Any) -> None:
    """Wrong with confidence: rolled back from shadow, known bad, and a second time it is not even started."""
    deploy(place.catalog, queued("r1"))
    say = lambda i, label: {FALLBACK: 0.5, "r1": 0.1 if label else 0.9}  # noqa: E731
    assert live_through(place, a_loop(place), 12, say) == ["started", "rolled_back"]
    d = place.catalog.deployment("late")
    assert d.live == FALLBACK and "r1" in d.known_bad and place.notes.told[-1][0] == "rolled_back"


def test_errors_take_a_live_release_back_though_its_features_cannot_be_checked(place: Any) -> None:
    """The warehouse is away and the release raises: rollback waits for nothing."""
    deploy(place.catalog, live("r1", KEEP))

    def away(*_: Any) -> Any:
        raise Unavailable("the warehouse is away")

    loop = a_loop(place, recompute=away)
    loop.settle()
    place.log.append(a_day(0, lambda i, label: {FALLBACK: 0.5, "r1": None}, served="r1"))
    place.clock.move_to(T0 + DAY)
    assert loop.settle()[0].kind == "rolled_back"
    assert place.catalog.deployment("late").live == FALLBACK


def test_skew_holds_a_candidate_and_lets_it_go_on_when_it_is_over(place: Any) -> None:
    """Inadmissible evidence stops a stage without blame; fresh questions with right features start it over."""
    deploy(place.catalog, queued("r1"))
    offline = [1.0]

    def recompute(release: str, inputs: Any, at: Any) -> Any:
        return np.full((len(inputs), 1), offline[0], np.float32)

    loop = a_loop(place, recompute=recompute)

    def a_day_with_features(day: int) -> list[str]:
        from .given import asked

        for i in range(24):
            at = T0 + day * DAY + i * HOUR
            seen = np.float32(1.0).tobytes()
            place.log.append(asked(f"s{day}-{i}", at, {FALLBACK: 0.5, "r1": 0.5}, features=seen))
        place.clock.move_to(T0 + (day + 1) * DAY)
        return [d.kind for d in loop.settle() if d.kind != "look"]

    loop.settle()  # it starts
    loop.settle()  # and is watched
    offline[0] = 2.0
    assert a_day_with_features(0) == ["held"]
    assert place.catalog.deployment("late").rollout.held_by == "evidence"
    offline[0] = 1.0
    assert a_day_with_features(1) == ["resumed"]
    assert [i.closed_at is not None for i in place.catalog.incidents("late")] == [True] and whole(place)


def test_answers_that_were_asked_for_by_name_are_no_evidence(place: Any) -> None:
    """Somebody chose the release, and perhaps the questions: not even errors count."""
    loop = a_loop(place)
    events = [record for record in a_day(0, SAYS, served="r1") if isinstance(record, Event)]
    named = [replace(e, id=f"n{e.id}", served=replace(e.served, role="asked", error="raised")) for e in events]
    place.log.append([*events, *named])
    loop.read()
    assert loop.tally.events == len(events) and dict(loop.tally.served) == {"r1": len(events)}


def test_a_webhook_that_fails_stops_no_pass(place: Any) -> None:
    """Nobody listens, and the rollout goes its way."""
    deploy(place.catalog, queued("r1"))
    hook = Webhook("http://127.0.0.1:9/", timeout_s=0.5)
    loop = loop_of(parcels(), place.catalog, place.log, place.clock, hook)
    assert live_through(place, loop, 14) == ["started", "advanced", "live"]
    hook.close()
    assert hook.failed >= 1


def test_of_two_loops_on_one_store_one_decides(place_in_both: Any) -> None:
    """The other reads along, and writes nothing."""
    place = place_in_both
    deploy(place.catalog, queued("r1"))
    first, second = a_loop(place, "a"), a_loop(place, "b")
    assert [d.kind for d in first.settle()] == ["started"] and second.settle() == []
    place.log.append(days(6, SAYS))
    place.clock.move_to(T0 + 6 * DAY)
    place.catalog.acquire("loop:late", "a", LEASE_TTL, place.clock.now())
    assert second.settle() == [] and len(first.settle()) >= 1 and whole(place)


def test_the_other_takes_over_when_the_lease_has_run_out_or_is_given_back(place: Any) -> None:
    """After a crash it waits for the lease's end; after a proper stop it need not."""
    deploy(place.catalog, queued("r1"))
    first, second = a_loop(place, "a"), a_loop(place, "b")
    first.settle()
    place.log.append(days(3, SAYS))
    place.clock.move_to(T0 + LEASE_TTL / 2)
    first.resign()
    assert place.catalog.acquire("loop:late", "b", LEASE_TTL, place.clock.now()) is not None
    assert first.settle() == []
    place.clock.move_to(T0 + 3 * DAY)
    assert [d.kind for d in second.settle()] == ["look"] or [d.kind for d in first.settle()] == []


def test_a_pass_that_slept_through_its_lease_writes_nothing(place: Any) -> None:
    """Paused between deciding and writing; meanwhile another took over. Its fence is stale, its write is refused."""
    deploy(place.catalog, queued("r1"))
    sleeper = a_loop(place, "a")

    class Overtaken(SqlCatalog):
        """Lets somebody else take the lease right after it was acquired."""

        def acquire(self, *args: Any) -> Any:
            fence = super().acquire(*args)
            place.clock.move_to(T0 + HOUR)
            assert place.catalog.acquire("loop:late", "b", LEASE_TTL, place.clock.now()) is not None
            return fence

    sleeper.catalog = Overtaken(f"sqlite:///{place.folder}/catalog.db")
    assert sleeper.settle() == [] and kinds_of(place) == ["given"]
    sleeper.catalog.close()
    assert [d.kind for d in a_loop(place, "b").settle()] == ["started"]


def test_many_threads_with_a_loop_each_write_one_history(place: Any) -> None:
    """Eight loops pass at the same moments, a day at a time: as many lines as versions, and one live release."""
    deploy(place.catalog, queued("r1"))
    loops = [a_loop(place, f"t{n}", lease_ttl=HOUR) for n in range(8)]
    meet = threading.Barrier(8, action=lambda: next_day(place))
    failed: list[BaseException] = []

    def work(loop: Any) -> None:
        try:
            for _ in range(14):
                meet.wait(timeout=30)
                loop.settle()
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work, args=(loop,)) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and whole(place)
    assert [k for k in kinds_of(place) if k in ("started", "advanced", "live")] == ["started", "advanced", "live"]


def next_day(place: Any) -> None:
    day = round((place.clock.now() - T0) / DAY)
    place.log.append(a_day(day, SAYS))
    place.clock.move_to(T0 + (day + 1) * DAY)


PROCESS = """
import os, sys
from pathlib import Path
from datetime import timedelta
from operations.given import DAY, T0, loop_of, parcels
from operations.conftest import make_place
place = make_place(Path(sys.argv[1]))
loop = loop_of(parcels(), place.catalog, place.log, place.clock, place.notes, holder=str(os.getpid()), lease_ttl=DAY / 2)
for line in sys.stdin:
    place.clock.move_to(T0 + (int(line) + 1) * DAY)
    for decision in loop.settle():
        print(decision.kind, flush=True)
    print("passed", flush=True)
"""


class Process:
    """A loop in a process of its own that passes when it is told that a day is over."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", PROCESS, str(folder)]
        tests = Path(__file__).parents[1]
        self.child = subprocess.Popen(
            command, cwd=tests, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def tell(self, day: int) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(f"{day}\n")

    def said(self) -> Iterator[str]:
        """What it decides on that day, as it decides it."""
        assert self.child.stdout is not None
        while (word := self.child.stdout.readline().strip()) not in ("passed", ""):
            yield word

    def end(self) -> int:
        self.child.communicate(timeout=30)
        return self.child.returncode


def test_of_two_processes_on_one_store_one_decides_at_a_time(place: Any) -> None:
    """Both race through the same days: one history, each step in it once."""
    deploy(place.catalog, queued("r1"))
    both, decided = [Process(place.folder), Process(place.folder)], []
    for day in range(15):
        place.log.append(a_day(day, SAYS))
        for one in both:
            one.tell(day)
        decided += [word for one in both for word in one.said()]
    assert [one.end() for one in both] == [0, 0] and whole(place)
    assert [word for word in decided if word in STEPS] == STEPS


STEPS = ["started", "advanced", "live"]


@pytest.mark.parametrize("moment", [*STEPS, "look", "renewed"])
def test_a_killed_loop_is_followed_by_one_that_goes_on(place: Any, moment: str) -> None:
    """kill -9 at any step: the next start counts the log again, and ends where the first would have."""
    deploy(place.catalog, queued("r1"))
    one, killed = Process(place.folder), False
    for day in range(18):
        place.log.append(a_day(day, SAYS))
        one.tell(day)
        for word in one.said():
            if word == moment and not killed:
                killed = True
                one.child.kill()
                assert one.end() == -9 and whole(place)
                one = Process(place.folder)
                break
    d = place.catalog.deployment("late")
    assert one.end() == 0 and killed and whole(place)
    assert [k for k in kinds_of(place) if k in STEPS] == STEPS
    assert d.live == "r1" and d.lease is not None and d.lease.standing == "good"


def test_a_loop_that_starts_again_has_counted_the_same(place: Any) -> None:
    """Tally and evidence are rebuilt from the log: the next observation is the same."""
    deploy(place.catalog, queued("r1"))
    first = a_loop(place)
    live_through(place, first, 5)
    again = a_loop(place)
    again.read()
    again.tally.close(place.clock.now())
    d, now = place.catalog.deployment("late"), place.clock.now()
    assert again.observer.observe(d, now).trial == first.observer.observe(d, now).trial
    assert again.tally.events == first.tally.events == 120


def test_a_clock_that_goes_back_undoes_nothing(place: Any) -> None:
    """Two weeks forward and then a week back: nothing is decided twice, and what comes next goes on."""
    deploy(place.catalog, queued("r1"))
    loop = a_loop(place)
    live_through(place, loop, 5)
    before = place.catalog.deployment("late")
    place.clock.move_to(T0 - 7 * DAY)
    loop.settle()
    after = place.catalog.deployment("late")
    assert after.rollout == before.rollout and after.seen_until == before.seen_until
    assert live_through(place, loop, 10, first=5)[-1] == "live" and whole(place)
    times = [line.entry.at for line in place.catalog.ledger()]
    assert times == sorted(times)


def test_two_releases_queued_at_once_go_one_after_the_other(place: Any) -> None:
    """One rollout at a time: the second starts when the first is live, against it."""
    deploy(place.catalog, queued("r1", "r2"))
    loop = a_loop(place)
    say = lambda i, label: {FALLBACK: 0.5, "r1": 0.9 if label else 0.1, "r2": 0.9 if label else 0.1}  # noqa: E731
    assert live_through(place, loop, 14, say)[:4] == ["started", "advanced", "live", "started"]
    d = place.catalog.deployment("late")
    assert d.live == "r1" and d.rollout is not None and (d.rollout.release, d.rollout.champion) == ("r2", "r1")


def test_damage_in_the_log_is_not_passed_over(place: Any) -> None:
    """A pass on half the evidence would be a lie: it fails, naming the segment, and decides nothing."""
    deploy(place.catalog, queued("r1"))
    place.log.append(days(3, SAYS))
    place.log.close()
    segment = next(p for p in sorted((place.folder / "events").iterdir()) if p.is_file() and p.stat().st_size > 1000)
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    from plimsoll.errors import Damaged

    loop = loop_of(
        parcels(), place.catalog, SegmentLog(place.folder / "events", writer="r"), VirtualClock(T0), place.notes
    )
    with pytest.raises(Damaged, match=segment.stem):
        for _ in range(3):
            loop.settle()
