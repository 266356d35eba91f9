from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.errors import UsageError
from plimsoll.kernel.records import Event
from plimsoll.serving.grpc.bridge import Bridge, Wait
from plimsoll.serving.grpc.messages import request_of
from plimsoll.serving.oip.datatypes import unpack
from plimsoll.serving.refusals import TooLate, Unauthenticated
from plimsoll.serving.seams import Headers, OpenAdmission

from .calling import Channel, infer_request
from .conftest import live, make_yard, toy
from .running import Running, running, tensor, two_parcels


@pytest.fixture(scope="module")
def up(tmp_path_factory: Any) -> Iterator[Running]:
    yard = make_yard(tmp_path_factory.mktemp("grpc"), toy())
    row = yard.release()
    with running(yard, live(row.digest), rows=[row], grpc_port=0) as made:
        yield made
    yard.log.close()


@pytest.fixture(scope="module")
def channel(up: Running) -> Iterator[Channel]:
    made = Channel(up.server.grpc_address)
    yield made
    made.close()


def outputs(response: Any) -> dict[str, Any]:
    """Each output's elements, raw or typed."""
    found = {}
    for i, output in enumerate(response.outputs):
        if response.raw_output_contents:
            found[output.name] = unpack(output.datatype, response.raw_output_contents[i], output.shape[0])
        elif output.datatype == "FP64":
            found[output.name] = list(output.contents.fp64_contents)
        else:
            found[output.name] = [value.decode() for value in output.contents.bytes_contents]
    return found


def test_it_is_live_and_ready(channel: Channel) -> None:
    """Server and model."""
    assert channel.call("ServerLive").live
    assert channel.call("ServerReady").ready
    assert channel.call("ModelReady", request_of("ModelReady")(name="parcel-late")).ready


def test_metadata_is_what_rest_says(up: Running, channel: Channel) -> None:
    """The same names, datatypes and shapes over both edges."""
    said = channel.call("ModelMetadata", request_of("ModelMetadata")(name="parcel-late"))
    rest = up.call("GET", "/v2/models/parcel-late")[1]
    for kind in ("inputs", "outputs"):
        assert [(t.name, t.datatype, list(t.shape)) for t in getattr(said, kind)] == [
            (t["name"], t["datatype"], t["shape"]) for t in rest[kind]
        ]
    assert (said.platform, list(said.versions)) == (rest["platform"], rest["versions"])
    server = channel.call("ServerMetadata")
    assert {"name": server.name, "version": server.version, "extensions": list(server.extensions)} == up.call(
        "GET", "/v2"
    )[1]


@pytest.mark.parametrize("raw", [True, False])
def test_the_answer_is_the_one_over_rest(up: Running, channel: Channel, raw: bool) -> None:
    """To the bit; raw answers to raw questions, typed ones to typed."""
    response = channel.call("ModelInfer", infer_request(two_parcels(), raw=raw, id="mine"))
    rest = {o["name"]: o["data"] for o in up.infer(*two_parcels())[1]["outputs"]}
    found = outputs(response)
    assert (response.id, bool(response.raw_output_contents)) == ("mine", raw)
    assert {n: found[n] for n in ("probability", "release", "action")} == {
        n: rest[n] for n in ("probability", "release", "action")
    }
    assert len(set(found["event_id"])) == 2


@pytest.mark.parametrize("datatype", ["INT8", "INT64", "UINT8", "UINT64", "FP32", "FP64"])
def test_every_field_of_typed_contents_is_read(channel: Channel, datatype: str) -> None:
    """Numbers from whichever field their datatype has, booleans and texts from theirs."""
    parcel, weight, depot = two_parcels()
    more = [tensor("floor", [3, 4], "UINT32"), tensor("fragile", [True, False], "BOOL")]
    sent = infer_request([parcel, weight | {"datatype": datatype, "data": [2, 1]}, depot, *more])
    assert len(outputs(channel.call("ModelInfer", sent))["probability"]) == 2


def test_outputs_may_be_chosen(channel: Channel) -> None:
    """Only those, in the order in which they were asked for."""
    request = infer_request(two_parcels())
    for name in ("event_id", "probability"):
        request.outputs.add(name=name)
    assert list(outputs(channel.call("ModelInfer", request))) == ["event_id", "probability"]


def contents_beside_raw() -> Any:
    request = infer_request(two_parcels(), raw=True)
    request.inputs[1].contents.fp64_contents.append(1.0)
    return request


def one_raw_too_few() -> Any:
    request = infer_request(two_parcels(), raw=True)
    request.raw_input_contents.pop()
    return request


def typed_half() -> Any:
    request = infer_request(two_parcels())
    request.inputs[1].datatype = "FP16"
    return request


WRONG: dict[str, tuple[Any, str, str]] = {
    "unknown model": (infer_request([], model_name="parcel-lat"), "NOT_FOUND", "did you mean 'parcel-late'?"),
    "unknown version": (infer_request(two_parcels(), model_version="7"), "NOT_FOUND", "'7'"),
    "missing tensor": (infer_request(two_parcels()[:2]), "INVALID_ARGUMENT", "'depot' is missing"),
    "both contents": (contents_beside_raw(), "INVALID_ARGUMENT", "'weight' has contents beside raw_input_contents"),
    "raw too few": (one_raw_too_few(), "INVALID_ARGUMENT", "3 inputs, and 2 raw_input_contents"),
    "typed FP16": (typed_half(), "INVALID_ARGUMENT", "'weight' is FP16, which has no contents of its own"),
    "nothing in its field": (
        infer_request([tensor("weight", [], "FP64", [2])]),
        "INVALID_ARGUMENT",
        "'weight' has 0 elements",
    ),
    "unknown datatype": (
        request_of("ModelInfer")(model_name="parcel-late", inputs=[{"name": "weight", "datatype": "F4", "shape": [1]}]),
        "INVALID_ARGUMENT",
        "'weight' has the datatype 'F4'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_has_its_code(channel: Channel, case: str) -> None:
    """With the words that REST has for it."""
    request, code, said = WRONG[case]
    found, details = channel.refused("ModelInfer", request)
    assert (found, said in details) == (code, True), details


def test_a_version_is_ready_where_it_is_loaded(up: Running, channel: Channel) -> None:
    """As it is without one."""
    version = up.counter.versions[0]
    assert channel.call("ModelReady", request_of("ModelReady")(name="parcel-late", version=version)).ready


def test_a_message_over_the_limit_is_refused(yard: Any) -> None:
    """The same limit as over REST."""
    with running(yard, grpc_port=0, body_limit_bytes=2_000) as up:
        small = Channel(up.server.grpc_address)
        code, _ = small.refused("ModelInfer", infer_request([tensor("parcel", ["x" * 3_000])]))
        assert code == "RESOURCE_EXHAUSTED"
        small.close()


def test_with_nothing_to_serve_it_says_when_to_come_back(yard_of: Any) -> None:
    """Not ready, and UNAVAILABLE with the same retry-after as over REST, in the trailer."""
    with running(yard_of(fallback=None), grpc_port=0) as up:
        empty = Channel(up.server.grpc_address)
        assert not empty.call("ServerReady").ready
        with pytest.raises(grpc.RpcError) as caught:
            empty.call("ModelInfer", infer_request(two_parcels()))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert ("retry-after", "5") in [(k, v) for k, v in caught.value.trailing_metadata()]
        assert 'requests_refused_total{capability="parcel-late",status="503"}' in up.counter.metrics.text().decode()
        empty.close()


class OneKey(OpenAdmission):
    """Admits whoever brings the key; remembers what it was shown, and how many tickets are out."""

    principal, tenant, priority, deadline_s = "p", "t", 0, 0.0

    def __init__(self) -> None:
        self.out = 0
        self.shown: list[dict[bytes, bytes]] = []

    def admit(self, headers: Headers, capability: str, action: str = "ask") -> Any:
        self.shown.append(dict(headers))
        if (b"x-api-key", b"good") not in headers:
            raise Unauthenticated("no valid key")
        self.out += 1
        return self

    def more(self, questions: int) -> None:
        """Nothing counts them."""

    def done(self) -> None:
        self.out -= 1


def test_metadata_is_what_admission_sees(yard: Any) -> None:
    """A key in the metadata is a key in a header, and the deadline comes along; no key is UNAUTHENTICATED."""
    admission = OneKey()
    with running(yard, grpc_port=0, admission=admission) as up:
        guest = Channel(up.server.grpc_address)
        assert guest.refused("ModelInfer", infer_request([]))[0] == "UNAUTHENTICATED"
        key = [("x-api-key", "good")]
        assert guest.refused("ModelInfer", infer_request([]), metadata=key)[0] == "INVALID_ARGUMENT"
        guest.call("ModelInfer", infer_request(two_parcels()), metadata=key, timeout=7.0)
        guest.close()
    assert 6_000 < int(admission.shown[-1][b"x-request-timeout-ms"]) < 8_000  # gRPC allows itself some slack
    assert admission.out == 0
    assert {(e.principal, e.tenant) for e in yard.log.read()[0] if isinstance(e, Event)} == {("p", "t")}


def test_everybody_asked_at_once_is_answered_and_recorded(yard: Any) -> None:
    """More callers than threads: one event each, each with its own answer."""
    row = yard.release()
    with running(yard, live(row.digest), rows=[row], grpc_port=0) as up:
        shared = Channel(up.server.grpc_address)

        def ask(worker: int) -> list[str]:
            sent = infer_request(two_parcels())
            return [e for _ in range(10) for e in outputs(shared.call("ModelInfer", sent))["event_id"]]

        with ThreadPoolExecutor(40) as pool:
            answered = [event for events in pool.map(ask, range(40)) for event in events]
        shared.close()
    events = {r.id for r in yard.log.read()[0] if isinstance(r, Event)}
    assert len(set(answered)) == 800
    assert set(answered) == events


def test_a_stopping_server_takes_no_more_calls(yard: Any) -> None:
    """What was begun is answered; afterwards nobody listens."""
    with running(yard, grpc_port=0) as up:
        last = Channel(up.server.grpc_address)
        assert last.call("ServerLive").live
        address = up.server.grpc_address
    assert last.refused("ServerLive", None, timeout=5.0)[0] in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    last.close()
    host, port = address.rsplit(":", 1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5).close()


def test_a_port_in_use_says_so(yard: Any, up: Running) -> None:
    """Before anything is served, and the HTTP port is given back."""
    port = int(up.server.grpc_address.rsplit(":", 1)[1])
    with (
        pytest.raises(UsageError, match=rf"cannot listen for gRPC on 127\.0\.0\.1:{port}"),
        running(yard, grpc_port=port),
    ):
        pass


def test_workers_share_a_port_and_one_goes_on_without_the_other(yard: Any) -> None:
    """Where they are told that others listen there, too."""
    with ExitStack() as first:
        up = first.enter_context(running(yard, grpc_port=0, shared_port=True))
        address = up.server.grpc_address
        with running(yard, grpc_port=int(address.rsplit(":", 1)[1]), shared_port=True):
            first.close()
            with closing(Channel(address)) as channel:
                assert channel.call("ServerLive").live


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["ModelInfer", "ModelMetadata", "ServerLive", "ModelReady"]), st.binary(max_size=100))
def test_no_bytes_break_a_call(channel: Channel, call: str, body: bytes) -> None:
    """Whatever is in a message: an answer, or the caller's mistake; never a fault of ours."""
    try:
        channel.send(call, body)
    except grpc.RpcError as error:
        assert error.code().name in ("INVALID_ARGUMENT", "NOT_FOUND")  # type: ignore[attr-defined]


@pytest.mark.parametrize("garbage", [b"\x00" * 64, b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 1000, b"PRI * HTTP/2.0\r\n"])
def test_garbage_on_the_port_harms_nobody(up: Running, channel: Channel, garbage: bytes) -> None:
    """A peer that does not speak the protocol is left alone; the others go on."""
    host, port = up.server.grpc_address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(garbage)
    assert channel.call("ServerLive").live


HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
"""HTTP/2's preface with empty settings (RFC 9113, section 3.4): what follows is read as frames."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([b"", HELLO]), st.binary(max_size=300))
def test_no_bytes_on_the_port_harm_anybody(up: Running, channel: Channel, hello: bytes, noise: bytes) -> None:
    """With the protocol's greeting before them or without: the others go on."""
    host, port = up.server.grpc_address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(hello + noise)
    assert channel.call("ServerLive").live


def test_a_deadline_ends_the_wait() -> None:
    """The thread is free when the caller's time is up; being told afterwards harms nobody."""
    wait = Wait()
    with pytest.raises(TooLate, match=r"no answer within 0\.01 s"):
        wait.until(0.01)
    wait.over()
    wait.until(None)


def test_nothing_is_left_behind_on_the_bridge() -> None:
    """Many threads at once: each piece of work runs once, on the loop, in the order in which its thread gave it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    bridge, ran = Bridge(loop), []
    ended = threading.Barrier(9)

    def give(worker: int) -> None:
        for i in range(500):
            bridge.run(lambda i=i: ran.append((worker, i, threading.get_ident())))  # type: ignore[misc]
        bridge.run(lambda: done.release())
        ended.wait(20)

    done = threading.Semaphore(0)
    workers = [threading.Thread(target=give, args=(n,)) for n in range(8)]
    for worker in workers:
        worker.start()
    ended.wait(20)
    assert all(done.acquire(timeout=20) for _ in workers)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()
    assert {ident for _, _, ident in ran} == {thread.ident}
    for n in range(8):
        assert [i for worker, i, _ in ran if worker == n] == list(range(500))


def test_a_models_metadata_is_for_who_may_ask(yard: Any) -> None:
    """As over REST; that the server is alive is for everybody."""
    admission = OneKey()
    with running(yard, grpc_port=0, admission=admission) as up:
        guest = Channel(up.server.grpc_address)
        named = request_of("ModelMetadata")(name="parcel-late")
        assert guest.refused("ModelMetadata", named)[0] == "UNAUTHENTICATED"
        assert guest.call("ModelMetadata", named, metadata=[("x-api-key", "good")]).name == "parcel-late"
        assert guest.call("ServerLive").live and admission.out == 0
        guest.close()
