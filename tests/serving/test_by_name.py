"""A release that is asked for by its name: loaded when somebody asks, proved before it answers, and nobody's exposure."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from plimsoll.kernel.records import Beside, Event
from plimsoll.sections import Limits
from plimsoll.serving import Hold
from plimsoll.serving.admission import Admission, Lanes, Overload

from .calling import Channel, infer_request
from .conftest import Yard, live, make_yard, packed, toy
from .running import Running, running, two_parcels, until
from .test_fleet import Memory


@pytest.fixture
def yard(tmp_path: Any) -> Iterator[Yard]:
    made = make_yard(tmp_path, toy())
    yield made
    made.log.close()


@pytest.fixture
def up(yard: Yard) -> Iterator[Running]:
    """One release live, two that are not loaded, one of which differs from its golden answers."""
    rows = [yard.release(1.0), yard.release(-2.0), yard.release(3.0, golden=packed(-1.0).golden)]
    admission = Admission(overload=Overload(target_s=60.0, most=1_000), lanes=Lanes(Limits()))
    with running(yard, live(rows[0].digest), rows=rows, grpc_port=0, load_wait_s=30.0, admission=admission) as made:
        made.digests = [row.digest for row in rows]  # type: ignore[attr-defined]
        yield made


def infer(up: Running, version: str, **headers: str) -> tuple[int, Any]:
    return up.call("POST", f"/v2/models/parcel-late/versions/{version}/infer", {"inputs": two_parcels()}, **headers)


def index(up: Running) -> dict[str, tuple[str, str]]:
    said = up.call("POST", "/v2/repository/index", {})[1]
    return {each["version"]: (each["state"], each.get("reason", "")) for each in said}


def test_a_release_that_is_not_loaded_is_when_somebody_asks_for_it(up: Running) -> None:
    """By its digest or its label; from then on it is in the index, and the deployment's own answers as before."""
    first, second, _ = up.digests  # type: ignore[attr-defined]
    assert second not in index(up)
    status, said = infer(up, second)
    assert (status, said["outputs"][1]["data"]) == (200, [second] * 2)
    assert infer(up, "slope%20-2.0")[1]["outputs"][1]["data"] == [second] * 2
    assert index(up)[second] == ("READY", "")
    assert infer(up, first)[1]["outputs"][1]["data"] == [first] * 2
    assert up.infer(*two_parcels())[1]["outputs"][1]["data"] == [first] * 2


def test_it_is_recorded_and_is_nobodys_exposure(up: Running, yard: Yard) -> None:
    """With a role of its own, no rollout, and nobody beside it."""
    _, second, _ = up.digests  # type: ignore[attr-defined]
    assert infer(up, second)[0] == 200
    records = yard.log.read()[0]
    events = [record for record in records if isinstance(record, Event)]
    assert {(e.served.release, e.served.role, e.rollout) for e in events} == {(second, "asked", "")} and len(
        events
    ) == 2
    assert not [record for record in records if isinstance(record, Beside)]


def test_one_that_differs_never_answers(up: Running) -> None:
    """It is refused with what differs, is so in the index, and is not loaded again for each who asks."""
    _, _, third = up.digests  # type: ignore[attr-defined]
    loads: list[str] = []
    loader = up.counter.fleet._loader
    load = loader.load
    loader.load = lambda row: (loads.append(row.digest), load(row))[1]  # type: ignore[method-assign]
    for _ in range(3):
        status, said = infer(up, third)
        assert (status, "golden" in said["error"]) == (403, True)
    state, why = index(up)[third]
    assert state == "UNAVAILABLE" and "golden" in why and loads == [third]


def test_an_unknown_one_is_404_and_a_stranger_may_not(up: Running) -> None:
    """Who is not at this machine, and has no key, is told to ask as everybody does."""
    assert infer(up, "0" * 64)[0] == 404
    _, second, _ = up.digests  # type: ignore[attr-defined]
    assert infer(up, second, host="example.com")[0] == 403 and second not in index(up)


def test_the_same_over_grpc(up: Running) -> None:
    """With the model's version in the request."""
    _, second, third = up.digests  # type: ignore[attr-defined]
    channel = Channel(up.server.grpc_address)
    try:
        said = channel.call("ModelInfer", infer_request(two_parcels(), model_version=second))
        assert list(said.outputs[1].contents.bytes_contents) == [second.encode()] * 2
        assert (
            channel.refused("ModelInfer", infer_request(two_parcels(), model_version=third))[0] == "PERMISSION_DENIED"
        )
        assert channel.refused("ModelInfer", infer_request(two_parcels(), model_version="0" * 64))[0] == "NOT_FOUND"
    finally:
        channel.close()


def test_it_is_loaded_once_however_many_ask_and_who_cannot_wait_comes_back(up: Running) -> None:
    """503 with Retry-After at the deadline; the load goes on meanwhile, and so does everybody else."""
    first, second, _ = up.digests  # type: ignore[attr-defined]
    loads, go_on = [], threading.Event()
    loader = up.counter.fleet._loader
    load = loader.load

    def slow(row: Any) -> Any:
        loads.append(row.digest)
        assert go_on.wait(30)
        return load(row)

    loader.load = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(4) as callers, contextlib.ExitStack() as ending:
        ending.callback(go_on.set)
        waiting = [callers.submit(infer, up, second) for _ in range(4)]
        until(lambda: index(up).get(second) == ("LOADING", ""))
        url = f"/v2/models/parcel-late/versions/{second}/infer"
        status, body, headers = up.call_raw("POST", url, {"inputs": two_parcels()}, x_request_timeout_ms="50")
        assert (status, headers["retry-after"], b"is being loaded" in body) == (503, "2", True)
        assert up.infer(*two_parcels())[1]["outputs"][1]["data"] == [first] * 2
        assert up.counter.refresh() is False, "a rollback would not wait either"
        go_on.set()
        assert [asked.result()[0] for asked in waiting] == [200] * 4
    assert loads == [second]


def test_the_one_that_was_asked_longest_ago_goes_for_room(yard: Yard) -> None:
    """Never what the deployment needs; and what does not fit at all is 503."""
    rows = [yard.release(slope) for slope in (1.0, 2.0, -2.0)]
    memory = Memory()
    with running(yard, live(rows[0].digest), rows=rows, hold=Hold(75, resident=memory)) as up:
        fleet = up.counter.fleet
        memory.fleets = [fleet]
        assert [infer(up, row.digest)[0] for row in rows] == [200] * 3
        assert rows[1].digest not in fleet.loaded and {rows[0].digest, rows[2].digest} <= set(fleet.loaded)
        memory.leaked = 100
        status, said = infer(up, rows[1].digest)
        assert (status, "does not fit" in said["error"]) == (503, True) and rows[0].digest in fleet.loaded
