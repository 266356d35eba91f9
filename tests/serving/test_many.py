"""Several capabilities in one process: each is asked by its name, and none of them knows of the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plimsoll.capability import Capability, MulticlassClassification
from plimsoll.client import Client
from plimsoll.errors import UsageError
from plimsoll.kernel.records import Outcome
from plimsoll.kernel.requirement import at_least
from plimsoll.serving import Counter, Counts, Hold, House, OutcomeInbox, Server
from plimsoll.serving.grpc.messages import request_of
from plimsoll.serving.outcomes import Report
from plimsoll.store import SqlCatalog

from .calling import Channel, infer_request
from .conftest import Yard, live, make_yard, toy
from .running import Running, WallClock, declared_in, deploy, running, two_parcels, until
from .test_fleet import Memory

SIZES = ("small", "medium", "large")


def size_by_weight(columns: Mapping[str, Any]) -> Any:
    weight = np.asarray(columns["weight"], dtype=np.float64)
    return np.column_stack([weight < 0.0, (weight >= 0.0) & (weight < 2.0), weight >= 2.0]).astype(np.float64)


def sized(**changes: Any) -> Capability:
    """How large is a parcel? Asked with the same columns, and answered by a rule."""
    task = MulticlassClassification(label="size", classes=SIZES)
    gate = [at_least("accuracy", 0.5)]
    return toy(name="parcel-size", task=task, fallback=size_by_weight, gate=gate).variant(**changes)


@pytest.fixture
def up(yard: Yard) -> Iterator[Running]:
    """One capability with a live release, and one beside it that its rule answers."""
    row = yard.release()
    with running(yard, live(row.digest), rows=[row], beside=[sized()], grpc_port=0) as made:
        yield made


@pytest.mark.parametrize("lane", ["", "/"])
def test_each_is_asked_by_its_name(up: Running, lane: str) -> None:
    """On the hot lane, and on the other one, which the slash leads to."""
    status, late = up.call("POST", f"/v2/models/parcel-late/infer{lane}", {"inputs": two_parcels()})
    assert (status, late["model_name"]) == (200, "parcel-late")
    status, size = up.call("POST", f"/v2/models/parcel-size/infer{lane}", {"inputs": two_parcels()})
    assert (status, size["outputs"][0]["shape"]) == (200, [2, 3])
    question = {"parcel": "p1", "weight": 1.0, "depot": "north"}
    assert up.call("POST", f"/v1/capabilities/parcel-late{lane}", question)[1]["release"] != "fallback"
    assert up.call("POST", f"/v1/capabilities/parcel-size{lane}", question)[1]["release"] == "fallback"
    assert up.call("POST", f"/v1/capabilities/parcel-size/ask{lane}", {"inputs": question})[0] == 200


def test_a_name_that_nobody_has_is_told_the_nearest(up: Running, caplog: Any) -> None:
    """And refused where nothing is counted for a capability."""
    status, said = up.call("POST", "/v2/models/parcel-sise/infer", {"inputs": two_parcels()})
    assert (status, "did you mean 'parcel-size'?" in said["error"]) == (404, True)
    assert up.call("GET", "/v2/models/parcels")[0] == 404
    text = up.call_raw("GET", "/metrics")[1].decode()
    assert 'plimsoll_requests_refused_total{capability="",status="404"} 2.0' in text


def test_the_same_key_asks_each_of_them(up: Running) -> None:
    """An Idempotency-Key is the capability's own: no answer of the other one comes back."""
    question = {"parcel": "p1", "weight": 1.0, "depot": "north"}
    first, second = (
        up.call("POST", f"/v1/capabilities/{name}", question, Idempotency_Key="k1")[1]
        for name in ("parcel-late", "parcel-size")
    )
    assert first["event_id"] != second["event_id"] and second["release"] == "fallback"


def test_what_the_server_says_of_them(up: Running) -> None:
    """Metadata, deployments, the repository and the document know both."""
    assert up.call("GET", "/v2/models/parcel-size")[1]["outputs"][0]["shape"] == [-1, 3]
    assert up.call("GET", "/v1/capabilities/parcel-size/deployment")[1]["shares"] == {"fallback": 1.0}
    (indexed,) = up.call("POST", "/v2/repository/index", {})[1]
    assert up.call("POST", "/v2/repository/index?capability=parcel-size", {})[1] == []
    assert (indexed["name"], indexed["state"]) == ("parcel-late", "READY")
    paths = up.call("GET", "/openapi.json")[1]["paths"]
    assert {"/v1/capabilities/parcel-late", "/v1/capabilities/parcel-size"} <= set(paths)


def test_over_grpc_too(up: Running) -> None:
    """By the model's name; an unknown one is told the nearest."""
    channel = Channel(up.server.grpc_address)
    try:
        late = channel.call("ModelInfer", infer_request(two_parcels()))
        size = channel.call("ModelInfer", infer_request(two_parcels(), model_name="parcel-size"))
        assert (list(late.outputs[0].shape), list(size.outputs[0].shape)) == ([2], [2, 3])
        code, why = channel.refused("ModelInfer", infer_request(two_parcels(), model_name="parcel-sise"))
        assert code == "NOT_FOUND" and "did you mean 'parcel-size'?" in why
        assert channel.call("ModelReady", request_of("ModelReady")(name="parcel-size")).ready
    finally:
        channel.close()


def asked(up: Running, name: str, parcel: str) -> str:
    with Client(up.url, name) as client:
        return client.ask(parcel=parcel, weight=1.0, depot="north").event_id


def test_outcomes_find_their_events(up: Running) -> None:
    """In one request, whosever they are; the label is judged by the task of the event's capability."""
    late, size, other = asked(up, "parcel-late", "p1"), asked(up, "parcel-size", "p1"), asked(up, "parcel-late", "p2")
    status, counts = up.call("POST", "/v1/outcomes", [report(late, True), report(size, "medium"), report("who?", 1)])
    assert (status, counts["accepted"], counts["unknown"]) == (200, 2, 1)
    status, said = up.call("POST", "/v1/outcomes", [report(other, "medium")])
    assert (status, "'medium' is no class of this task" in said["error"]) == (400, True)
    text = up.call_raw("GET", "/metrics")[1].decode()
    for capability, finding in (("parcel-late", "accepted"), ("parcel-size", "accepted"), ("", "unknown")):
        assert f'plimsoll_outcomes_total{{capability="{capability}",finding="{finding}"}} 1.0' in text


def report(event: str, label: Any) -> dict[str, Any]:
    return {"event_id": event, "label": label}


def test_outcomes_may_be_said_of_one_capability_only(up: Running) -> None:
    """As a key that opens one must: the client says which; another's event is refused, and nothing is kept."""
    late = asked(up, "parcel-late", "p1")
    status, said = up.call("POST", "/v1/outcomes?capability=parcel-size", report(late, 1))
    assert (status, "is one of parcel-late, not of parcel-size" in said["error"]) == (400, True)
    assert up.call("POST", "/v1/outcomes?capability=parcel-sise", report(late, 1))[0] == 404
    with Client(up.url, "parcel-late") as client:
        assert client.tell(late, True).accepted == 1


def test_an_event_of_a_capability_that_is_not_served_is_told_elsewhere(yard: Yard, up: Running) -> None:
    """Its task is not known here, so what its label means is not, either."""
    event = asked(up, "parcel-size", "p1")
    with pytest.raises(UsageError, match="is one of parcel-size, which is not served here"):
        OutcomeInbox(yard.log, [yard.capability]).tell([Report(event, "medium")], datetime.now(UTC))
    told = OutcomeInbox(yard.log, [yard.capability, sized()]).tell([Report(event, "medium")], datetime.now(UTC))
    assert told.by_capability == {"parcel-size": Counts(accepted=1)}


def test_lateness_is_each_ones_own(yard: Yard, up: Running) -> None:
    """An outcome after the maturity of its event's capability."""
    late, size = asked(up, "parcel-late", "p1"), asked(up, "parcel-size", "p1")
    box = OutcomeInbox(yard.log, [toy(maturity=timedelta(hours=1)), sized(maturity=timedelta(hours=9))], capacity=1_000)
    told = box.tell([Report(late, 1.0), Report(size, "small")], datetime.now(UTC) + timedelta(hours=5))
    assert told.by_capability == {"parcel-late": Counts(late=1), "parcel-size": Counts(accepted=1)}
    kept, _ = yard.log.read(None)
    assert {r.label for r in kept if isinstance(r, Outcome)} == {1.0, 0.0}


def test_metrics_are_one_exposition(up: Running) -> None:
    """Each family once, with both; what the process has one of has no capability."""
    asked(up, "parcel-late", "p1")
    asked(up, "parcel-size", "p1")
    text = up.call_raw("GET", "/metrics")[1].decode()
    assert 'plimsoll_answers_total{action="answer",capability="parcel-late",role="live"} 1.0' in text
    assert 'plimsoll_answers_total{action="fallback",capability="parcel-size",role="fallback"} 1.0' in text or (
        'capability="parcel-size",role="fallback"} 1.0' in text
    )
    assert 'plimsoll_releases{capability="parcel-late",standing="needed"} 1.0' in text
    assert text.count("# TYPE plimsoll_answers_total") == 1 and "\nplimsoll_memory_over 0.0" in text


def test_the_server_is_ready_when_all_are(yard: Yard) -> None:
    """Each says its own; the whole names the one that is not."""
    row = yard.release()
    with running(yard, live(row.digest), rows=[row], beside=[sized(name="bare", fallback=None)]) as up:
        status, said = up.call("GET", "/v2/health/ready")
        assert (status, said["error"]) == (503, "bare: no release is live, and no fallback is declared")
        assert up.call("GET", "/v2/models/parcel-late/ready")[0] == 200
        assert up.call("GET", "/v2/models/bare/ready")[0] == 503
        assert up.infer(*two_parcels())[0] == 200


def test_a_name_is_one_capabilitys(yard: Yard, tmp_path: Path) -> None:
    """Two of one name are refused, with where they are; so is a server of nothing."""
    catalog = SqlCatalog(f"sqlite:///{tmp_path / 'catalog.db'}")
    house = House(catalog=catalog, objects=yard.objects, log=yard.log, online=yard.online, clock=WallClock())
    counter = Counter(declared_in(yard.capability, tmp_path / "a"), house)
    with pytest.raises(UsageError, match="two capabilities are named 'parcel-late'"):
        Server([counter, Counter(declared_in(yard.capability, tmp_path / "b"), house)], house)
    with pytest.raises(UsageError, match="no capability"):
        Server([], house)
    catalog.close()


# ── releases come and go ─────────────────────────────────────────────────────────────────────────────────────────────


class Load:
    """Threads that ask both capabilities, one question after another, until they are told to end."""

    def __init__(self, up: Running) -> None:
        self.up, self.answered, self.wrong = up, 0, []  # type: tuple[Running, int, list[Any]]
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(name, n)) for n in range(2) for name in up.server.counters
        ]

    def _ask(self, name: str, n: int) -> None:
        while not self._end.is_set():
            question = {"parcel": f"p{n}", "weight": 1.0, "depot": "north"}
            status, said = self.up.call("POST", f"/v1/capabilities/{name}", question)
            self.answered += 1
            if status != 200:
                self.wrong.append(said)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *why: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(timeout=20)

    def on(self, count: int = 12) -> None:
        """Until this many more have been answered."""
        wanted = self.answered + count
        until(lambda: self.answered >= wanted)


def test_releases_are_swapped_and_rolled_back_and_nobody_notices(yard: Yard) -> None:
    """A new release, the one before it again, and one of the other capability loaded and let go: all under load."""
    other = make_yard(yard.folder, toy(name="parcel-other"))
    first, second = yard.release(1.0), yard.release(2.0)
    beside = [other.release(slope) for slope in (1.0, 3.0)]
    with (
        running(yard, live(first.digest), rows=[first, second, *beside], beside=[other.capability]) as up,
        Load(up) as load,
    ):
        for turn in range(4):
            release = (second, first)[turn % 2]
            deploy(up.catalog, live(release.digest))
            until(lambda release=release: up.counter.deployment.live == release.digest)  # type: ignore[misc]
            change(up, "parcel-other", "load", beside[turn % 2].label)
            load.on()
            change(up, "parcel-other", "unload", beside[turn % 2].digest)
            load.on()
    assert load.wrong == []
    other.log.close()


def change(up: Running, name: str, what: str, version: str) -> None:
    said = up.call("POST", f"/v2/repository/models/{name}/{what}", {"parameters": {"version": version}})
    assert said == (200, {}), said


def test_one_memory_for_all_and_the_least_recently_asked_for_goes(yard: Yard) -> None:
    """What the deployments need stays; what no longer fits is counted, and who asks for more is told."""
    other = make_yard(yard.folder, toy(name="parcel-other"))
    needed, extra = yard.release(1.0), yard.release(2.0)
    old, new = other.release(1.0), other.release(3.0)
    memory = Memory()
    rows = [needed, extra, old, new]
    hold = Hold(85, resident=memory)
    with running(yard, live(needed.digest), rows=rows, beside=[other.capability], hold=hold) as up:
        mine, theirs = up.server.counters.values()
        memory.fleets = [mine.fleet, theirs.fleet]
        change(up, "parcel-other", "load", old.digest)
        change(up, "parcel-late", "load", extra.digest)
        change(up, "parcel-other", "load", new.digest)
        assert (set(mine.versions), theirs.versions) == ({needed.digest, extra.digest}, [new.digest])
        text = up.call_raw("GET", "/metrics")[1].decode()
        assert "plimsoll_releases_unloaded_total 1.0" in text and "plimsoll_memory_over 0.0" in text
        assert 'plimsoll_releases{capability="parcel-late",standing="asked"} 1.0' in text
        assert 'plimsoll_releases_bytes{capability="parcel-other",of="model"}' in text
        memory.leaked = 50
        hold.make_room()
        text = up.call_raw("GET", "/metrics")[1].decode()
        assert "plimsoll_memory_over 1.0" in text and mine.versions == [needed.digest] and theirs.versions == []
    other.log.close()
