"""What still works while something is away: each line of the table in ``docs/how-to/what-works-without``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from plimsoll.circuit import Limits
from plimsoll.errors import Damaged, PlimsollError, Unavailable
from plimsoll.kernel.records import FALLBACK, Answer, Record
from plimsoll.kernel.rollout import Deployment
from plimsoll.serving.answering import Timeouts, ask, failed
from plimsoll.serving.batch import turn_of
from plimsoll.serving.caching.answers import AnswerCache
from plimsoll.serving.caching.shared import RedisAnswers
from plimsoll.serving.circuits import MOST, Circuits
from plimsoll.serving.timing import WallTiming
from plimsoll.store import SegmentLog

from .conftest import live, parcel
from .running import deploy, running, until

PATH = "/v1/capabilities/parcel-late/ask"


class Hand:
    """A clock that somebody moves; also a timing whose parts take what they are told to."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


class Slow(WallTiming):
    """Looking features up took this long, and so did the engine."""

    def __init__(self, *parts_ms: float) -> None:
        self._at = iter((0.0, *parts_ms, parts_ms[-1]))

    def now_ms(self) -> float:
        return next(self._at)


class Release:
    """What can be asked, and how often it was."""

    def __init__(self, inner: Any, *, away: bool = False) -> None:
        self._inner, self.away, self.seen, self.predicted = inner, away, 0, 0
        self.release, self.drill = inner.release, inner.drill

    def see(self, batch: Any, ages: Any = None) -> Any:
        self.seen += 1
        if self.away:
            raise Unavailable("the online rows of v are away: Redis did not answer")
        return self._inner.see(batch, ages)

    def predict(self, seen: Any) -> Any:
        self.predicted += 1
        return self._inner.predict(seen)


@pytest.fixture
def release(yard: Any) -> Release:
    row = yard.release()
    yard.fleet.ensure([row])
    return Release(yard.fleet.loaded[row.digest])


def asked(release: Any, yard: Any, count: int = 3, **options: Any) -> list[Answer]:
    options = {"timing": WallTiming(), "timeouts": Timeouts(), **options}
    return ask(release, turn_of(yard.questions(count)).batch, role="live", **options).answers


def test_a_store_that_is_away_is_asked_once_for_a_turn(release: Release, yard: Any) -> None:
    """Not once more for each question of it: that would multiply what it suffers from."""
    release.away = True
    answers = asked(release, yard)
    assert release.seen == 1 and {a.error for a in answers} == {
        "unavailable: the online rows of v are away: Redis did not answer"
    }


def test_features_that_took_too_long_are_not_predicted_from(release: Release, yard: Any) -> None:
    """The stage has its own limit; the engine need not run for an answer that is too late already."""
    answers = asked(release, yard, timing=Slow(600.0), timeouts=Timeouts(500.0, 1_000.0))
    assert release.predicted == 0
    assert {a.error for a in answers} == {"timeout: features took over 500 ms"}


def test_an_engine_that_took_too_long_has_not_answered(release: Release, yard: Any) -> None:
    """Counted from the beginning of its features."""
    answers = asked(release, yard, timing=Slow(1.0, 1_200.0), timeouts=Timeouts(500.0, 1_000.0))
    assert {a.error for a in answers} == {"timeout: over 1000 ms"}


def too_late(name: str = "r") -> list[Answer]:
    return [failed(name, "live", "timeout: over 5 ms")]


def test_a_release_that_is_too_late_again_and_again_is_left_alone() -> None:
    """Then tried once; its answers say that the circuit is open."""
    clock = Hand()
    circuits = Circuits(clock, Limits(failures=3, rest_s=1.0, most_rest_s=4.0))
    for _ in range(3):
        assert circuits.why_not("r") == ""
        circuits.told("r", too_late())
    assert circuits.why_not("r").startswith("circuit open: r") and circuits.worst == "open"
    assert circuits.why_not("another") == ""
    clock.s = 1.0
    assert circuits.why_not("r") == "" and circuits.worst == "half_open"
    circuits.told("r", [Answer(release="r", role="live", score=0.5)])
    assert circuits.worst == "closed"


def test_what_an_engine_raises_trips_nothing() -> None:
    """One caller's nonsense must not take the release from the others; nor does one late answer among good ones."""
    circuits = Circuits(Hand(), Limits(failures=2))
    for _ in range(10):
        circuits.told("r", [failed("r", "live", "ValueError: no number")])
        circuits.told("r", [*too_late(), Answer(release="r", role="live", score=0.5)])
    assert circuits.why_not("r") == "" and circuits.worst == "closed"


def test_circuits_are_bounded() -> None:
    """Releases come and go for years."""
    circuits = Circuits(Hand())
    for i in range(3 * MOST):
        circuits.told(str(i), too_late())
    assert len(circuits._of) == MOST


def test_an_open_circuit_costs_no_wait_and_the_fallback_answers(yard: Any) -> None:
    """The release is not asked, and the event says why."""
    row = yard.release()
    yard.fleet.ensure([row])
    circuits = Circuits(Hand(), Limits(failures=1))
    circuits.told(row.digest, too_late(row.digest))
    (reply,) = yard.pipeline(circuits=circuits).reply(turn_of(yard.questions(1)), live(row.digest))
    assert (reply.given.release, reply.event.reason) == (FALLBACK, "circuit_open: fallback")
    assert reply.says == (
        "The current release has been failing and is left alone for a while. This answer comes from a simple rule."
    )


def test_without_the_cache_everything_is_computed(yard: Any) -> None:
    """And the metrics say that it is away."""
    row = yard.release()
    cache = AnswerCache(RedisAnswers("redis://127.0.0.1:9/0", timeout_ms=50.0), ttl_s=60.0)
    with running(yard, live(row.digest), rows=[row], cache=cache) as up:
        said = [up.call("POST", PATH, {"inputs": parcel(1)}) for _ in range(2)]
        text = up.call_raw("GET", "/metrics")[1].decode()
    assert [(status, answer["action"]) for status, answer in said] == [(200, "answer")] * 2
    assert 'plimsoll_circuit_state{capability="parcel-late",dependency="cache",state="closed"} 0.0' in text
    cache.close()


@pytest.mark.parametrize(
    "error", [Unavailable("the catalog does not answer"), Damaged("the catalog is damaged"), RuntimeError("a bug")]
)
def test_without_the_catalog_the_last_deployment_serves(
    yard: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Answers go out, and the server is ready; what changes meanwhile is seen when the catalog is back, whatever was
    wrong with it."""
    row = yard.release()
    with running(yard, live(row.digest), rows=[row], refresh_every_s=0.01) as up:
        looked = threading.Semaphore(0)

        def away(name: str) -> Any:
            looked.release()
            raise error

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(up.catalog, "deployment", away)
            assert looked.acquire(timeout=10) and looked.acquire(timeout=10), "it looks again"
            assert up.call("POST", PATH, {"inputs": parcel(1)})[1]["release"] == row.digest
            assert up.call("GET", "/health/ready")[0] == 200
        after = deploy(up.catalog, Deployment(capability="parcel-late")).version
        until(lambda: up.counter.deployment.version == after)
        assert up.call("POST", PATH, {"inputs": parcel(1)})[1]["release"] == FALLBACK


class Stuck(SegmentLog):
    """A disk that takes what it is given, and never says that it has it."""

    def append_then(self, records: Sequence[Record], then: Callable[[PlimsollError | None], None]) -> None:
        pass


@pytest.mark.parametrize("unrecorded", [False, True])
def test_a_log_that_does_not_answer_in_time_cannot_record(yard: Any, unrecorded: bool) -> None:
    """503 by default; or an answer that is counted as unrecorded, where that was asked for."""
    row = yard.release()
    yard.log.__class__ = Stuck
    with running(yard, live(row.digest), rows=[row], record_timeout_ms=50.0, answer_unrecorded=unrecorded) as up:
        status, said = up.call("POST", PATH, {"inputs": parcel(1)})
        if unrecorded:
            assert (status, said["action"]) == (200, "answer")
            assert b'plimsoll_unrecorded_total{capability="parcel-late"} 1.0' in up.call_raw("GET", "/metrics")[1]
        else:
            assert status == 503 and "the event log took over 0.05 s" in said["error"]
    yard.log.__class__ = SegmentLog
