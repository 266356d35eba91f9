"""The protocol over raw sockets: what a client may send that is unusual, wrong or hostile, and what comes back."""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.kernel.records import Event
from plimsoll.serving import protocol

from .conftest import live, make_yard, parcel, toy
from .running import Running, running, two_parcels

ASK = "/v1/capabilities/parcel-late"
INFER = "/v2/models/parcel-late/infer"


@pytest.fixture(scope="module")
def up(tmp_path_factory: Any) -> Iterator[Running]:
    yard = make_yard(tmp_path_factory.mktemp("up"), toy())
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as made:
        yield made
    yard.log.close()


def request(body: Any, *, path: str = ASK, version: str = "1.1", **headers: str) -> bytes:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"host": "x", "content-length": str(len(sent))} | {k.replace("_", "-"): v for k, v in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {path} HTTP/{version}\r\n{lines}\r\n".encode() + sent


class Raw:
    """A connection, and the responses that came over it."""

    def __init__(self, up: Running) -> None:
        self.socket = socket.create_connection(("127.0.0.1", up.port), timeout=10)
        self._file = self.socket.makefile("rb")

    def send(self, data: bytes) -> Raw:
        self.socket.sendall(data)
        return self

    def response(self) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body). Raises EOFError when the server has closed the connection."""
        line = self._file.readline()
        if not line:
            raise EOFError
        headers = {}
        while header := self._file.readline().strip():
            name, _, value = header.decode().partition(":")
            headers[name.lower()] = value.strip()
        return int(line.split()[1]), headers, self._file.read(int(headers["content-length"]))

    def closed(self) -> bool:
        """Whether the server has closed; waits for it."""
        return self._file.read(1) == b""

    def close(self) -> None:
        self._file.close()
        self.socket.close()


def connected(up: Running) -> Any:
    return closing(Raw(up))


def event_of(said: bytes) -> str:
    return str(json.loads(said)["event_id"])


def test_one_connection_asks_many_times(up: Running) -> None:
    """The first head is parsed, the ones after it are known; the answers are alike."""
    with connected(up) as raw:
        answers = [raw.send(request(parcel(3))).response() for _ in range(5)]
    assert {status for status, _, _ in answers} == {200}
    assert len({json.loads(body)["score"] for _, _, body in answers}) == 1
    assert len({event_of(body) for _, _, body in answers}) == 5


@pytest.mark.parametrize("path", [ASK, f"{ASK}/ask", INFER])
def test_hot_and_cold_say_the_same(up: Running, path: str) -> None:
    """A request that is handed to the application has the same answer, but for what is new in each."""
    body = {"inputs": parcel(2)} if path.endswith("ask") else {"inputs": two_parcels()} if path == INFER else parcel(2)
    with connected(up) as raw:
        hot = raw.send(request(body, path=path)).response()
        cold = raw.send(request(body, path=f"{path}/")).response()
    assert hot[0] == cold[0] == 200
    assert sorted(hot[1]) == sorted(cold[1])
    assert _without_ids(hot[2]) == _without_ids(cold[2])


def test_binary_outputs_are_described_on_both_ways(up: Running) -> None:
    """Asked for in a body that is all JSON: the header says where the JSON ends."""
    body = {"inputs": two_parcels(), "parameters": {"binary_data_output": True}}
    with connected(up) as raw:
        hot = raw.send(request(body, path=INFER)).response()
        cold = raw.send(request(body, path=f"{INFER}/")).response()
    assert hot[0] == cold[0] == 200
    names = ("content-type", "inference-header-content-length")
    assert [hot[1][name] for name in names] == [cold[1][name] for name in names]


def test_a_key_has_one_answer_on_both_ways(up: Running) -> None:
    """Sent again, alone or pipelined, hot or cold: the first answer; with another body it is refused."""
    sent = request(parcel(1), idempotency_key="k-1")
    with connected(up) as raw:
        raw.send(sent * 3 + request(parcel(1), path=f"{ASK}/", idempotency_key="k-1"))
        assert len({raw.response()[2] for _ in range(4)}) == 1
        status, _, said = raw.send(request(parcel(2), idempotency_key="k-1")).response()
        assert (status, b"another request" in said) == (400, True)


def test_a_failed_first_answer_is_not_kept(yard_of: Any) -> None:
    """The key is free again."""
    with running(yard_of(fallback=None)) as up, connected(up) as raw:
        for _ in range(2):
            assert raw.send(request(parcel(1), idempotency_key="k")).response()[0] == 503


def _without_ids(said: bytes) -> bytes:
    text = re.sub(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", b"ID", said)
    return re.sub(rb'"asked_at":"[^"]*"', b"AT", text)


def test_responses_leave_in_the_order_of_the_requests(up: Running) -> None:
    """Hot, cold and wrong ones, all sent at once: each answer is where its request was."""
    bad = request(b"{", path=ASK)
    health = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"
    with connected(up) as raw:
        raw.send(request(parcel(1)) + health + bad + request(parcel(2)) + request(parcel(3), path=f"{ASK}/") + health)
        answers = [raw.response() for _ in range(6)]
    assert [status for status, _, _ in answers] == [200, 200, 400, 200, 200, 200]
    assert [b"live" in body for _, _, body in answers] == [False, True, False, False, False, True]
    assert json.loads(answers[0][2])["event_id"] != json.loads(answers[3][2])["event_id"]


def test_many_pipelined_requests_are_all_answered(up: Running) -> None:
    """More than a connection may have waiting: it is not read from meanwhile, and nothing is lost."""
    count = 20 * protocol.MOST_PIPELINED
    with connected(up) as raw:
        for _ in range(20):
            raw.send(request(parcel(1)) * protocol.MOST_PIPELINED)
        events = {event_of(raw.response()[2]) for _ in range(count)}
    assert len(events) == count


@pytest.mark.parametrize("size", [1, 7, 60])
def test_a_request_may_come_in_pieces(up: Running, size: int) -> None:
    """However the network cuts it."""
    sent = request(parcel(1)) + request(parcel(2))
    with connected(up) as raw:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(sent), size):
            raw.send(sent[start : start + size])
        assert [raw.response()[0], raw.response()[0]] == [200, 200]


def test_chunked_bodies_are_read(up: Running) -> None:
    """With their trailers and extensions."""
    body = json.dumps(parcel(1)).encode()
    head = f"POST {ASK} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    chunks = b"5;ext=1\r\n" + body[:5] + b"\r\n%x\r\n" % (len(body) - 5) + body[5:] + b"\r\n0\r\nx-trailer: 1\r\n\r\n"
    with connected(up) as raw:
        assert raw.send(head + chunks).response()[0] == 200
        assert raw.send(request(parcel(1))).response()[0] == 200


def test_who_asks_to_close_is_closed_on(up: Running) -> None:
    """After the answer, which says so; HTTP/1.0 asks for it by being what it is."""
    for sent in (request(parcel(1), connection="close"), request(parcel(1), version="1.0")):
        with connected(up) as raw:
            status, _, _ = raw.send(sent).response()
            assert (status, raw.closed()) == (200, True)


def test_a_client_may_wait_to_be_told_to_continue(up: Running) -> None:
    """Expect: 100-continue."""
    whole = request(parcel(1), expect="100-continue")
    head, _, body = whole.partition(b"\r\n\r\n")
    with connected(up) as raw:
        raw.send(head + b"\r\n\r\n")
        assert raw._file.readline() == b"HTTP/1.1 100 Continue\r\n"
        raw._file.readline()
        assert raw.send(body).response()[0] == 200


def test_a_half_closed_client_gets_its_answer(up: Running) -> None:
    """It says that it will send no more, and reads on."""
    with connected(up) as raw:
        raw.send(request(parcel(1)))
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.response()[0] == 200


def test_who_goes_before_the_answer_is_recorded(yard: Any) -> None:
    """What was asked and answered is an event, whether anybody read it or not."""
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as up, connected(up) as other:
        gone = Raw(up).send(request(parcel(1)) * 3)
        gone.close()
        assert other.send(request(parcel(2))).response()[0] == 200
    assert sum(isinstance(r, Event) for r in yard.log.read()[0]) == 4


_CL, _TE = "content-length: 4\r\n", "transfer-encoding: chunked\r\n"


@pytest.mark.parametrize(
    "head",
    [
        _CL + _TE,
        _TE + _CL,
        "content-length: 4\r\ncontent-length: 5\r\n",
        "content-length: 4, 5\r\n",
        "content-length: +4\r\n",
        "content-length: -4\r\n",
        "content-length: 0x4\r\n",
        "content-length: 99999999999999999999999\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "x-folded: a\r\n b\r\n" + _CL,
        "x space: a\r\n" + _CL,
        "content-length : 4\r\n",
        "x-nul: a\0b\r\n" + _CL,
        "x-bare: a\rb\r\n" + _CL,
    ],
)
def test_a_head_with_two_readings_is_refused(up: Running, head: str) -> None:
    """Request smuggling (RFC 9112, section 11.2): what another server might read otherwise is not read at all, and
    nothing that follows on the connection is believed."""
    smuggled = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"
    with connected(up) as raw:
        raw.send(f"POST {ASK} HTTP/1.1\r\nhost: x\r\n{head}\r\n".encode() + b"0\r\n\r\n" + smuggled)
        status, headers, _ = raw.response()
        assert (status, headers["connection"]) == (400, "close")
        assert raw.closed()


@pytest.mark.parametrize(
    "sent",
    [
        b"POST " + ASK.encode() + b" HTTP/1.1\nhost: x\ncontent-length: 2\n\n{}",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"POST /x HTTP/9.9\r\n\r\n",
    ],
)
def test_what_is_no_http_is_told_so(up: Running, sent: bytes) -> None:
    """Bare line feeds, TLS on a plain port, HTTP/2 without being asked for, and noise."""
    with connected(up) as raw:
        raw.send(sent)
        raw.socket.shutdown(socket.SHUT_WR)
        status, headers, body = raw.response()
        assert (status, headers["connection"], "error" in json.loads(body)) == (400, "close", True)


def test_what_was_asked_before_garbage_is_answered_before_it(up: Running) -> None:
    """The answers leave, then the refusal, then the connection is closed."""
    with connected(up) as raw:
        raw.send(request(parcel(1)) + request(parcel(2)) + b"\0\0\0\r\n\r\n" + request(parcel(3)))
        assert [raw.response()[0] for _ in range(3)] == [200, 200, 400]
        assert raw.closed()


@pytest.mark.parametrize("piece", [b"x-%d: " + b"a" * 1000 + b"\r\n", b"x%d" + b"a" * 4000])
def test_a_head_has_a_limit(up: Running, piece: bytes) -> None:
    """Many headers, or one that does not end: 431, and nothing of it is kept."""
    with connected(up) as raw:
        raw.send(b"POST " + ASK.encode() + b" HTTP/1.1\r\nhost: x\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError, EOFError)):
            for i in range(100_000):
                raw.send(piece % i)


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_an_upgrade_is_declined_by_answering(up: Running, protocol: str) -> None:
    """The request is read with its body as if it had not asked, and so is the next one; some clients always ask."""
    with connected(up) as raw:
        raw.send(request(parcel(1), connection="Upgrade, HTTP2-Settings", upgrade=protocol, http2_settings="AAMAAABk"))
        assert raw.response()[0] == 200
        assert raw.send(request(parcel(2))).response()[0] == 200


def test_a_proxy_is_not_to_be_had(up: Running) -> None:
    """CONNECT opens no tunnel, and what follows it is not read."""
    with connected(up) as raw:
        raw.send(b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\n\r\n" + request(parcel(1)))
        assert (raw.response()[0], raw.closed()) == (405, True)


def test_a_request_that_does_not_arrive_is_given_up(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow-loris: half a head, then nothing; 408 and the place is free. Others are answered meanwhile."""
    monkeypatch.setattr(protocol, "RECEIVE_S", 1)
    with running(yard) as up, connected(up) as slow:
        slow.send(request(parcel(1))[:40])
        with connected(up) as other:
            assert other.send(request(parcel(2))).response()[0] == 200
        status, headers, _ = slow.response()
        assert (status, headers["connection"], slow.closed()) == (408, "close", True)


@pytest.mark.parametrize("piece", ["head", "body"])
def test_who_sends_a_byte_now_and_then_is_given_up(yard: Any, monkeypatch: pytest.MonkeyPatch, piece: str) -> None:
    """A byte is no progress: the whole request has to arrive in time. Others are answered meanwhile."""
    monkeypatch.setattr(protocol, "RECEIVE_S", 1)
    sent = request(parcel(1))
    with running(yard) as up, connected(up) as slow:
        start = 0 if piece == "head" else sent.index(b"\r\n\r\n") + 4
        slow.send(sent[:start])
        pause, at = threading.Event(), start
        while not select.select([slow.socket], [], [], 0)[0]:
            assert at < len(sent) - 1, "it was waited for"
            slow.send(sent[at : at + 1])
            at += 1
            pause.wait(0.2)
        with connected(up) as other:
            assert other.send(request(parcel(2))).response()[0] == 200
        assert (slow.response()[0], slow.closed()) == (408, True)


def test_who_reads_a_byte_now_and_then_is_let_go(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept for it beyond its window, and not for ever. Others are answered meanwhile."""
    monkeypatch.setattr(protocol, "RECEIVE_S", 1)
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as up, connected(up) as slow:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.socket.setblocking(False)
        asked, pause, gone = request(parcel(1)) * 100, threading.Event(), False
        while not gone:
            try:
                while True:
                    slow.socket.send(asked)
            except BlockingIOError:
                pause.wait(0.2)
                with contextlib.suppress(BlockingIOError):
                    gone = slow.socket.recv(1) == b""
            except (BrokenPipeError, ConnectionResetError):
                gone = True
        slow.socket.setblocking(True)
        with connected(up) as other:  # opened now: one that is idle for so long is let go as well
            assert other.send(request(parcel(2))).response()[0] == 200


def test_who_does_not_read_is_not_read_from(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers are not gathered without end: it is stopped reading from, and in the end let go."""
    monkeypatch.setattr(protocol, "RECEIVE_S", 1)
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as up, connected(up) as deaf:
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises((BrokenPipeError, ConnectionResetError, TimeoutError)):
            while True:
                deaf.send(request(parcel(1)) * 100)
        with connected(up) as other:
            assert other.send(request(parcel(2))).response()[0] == 200


def test_a_stopping_server_answers_what_was_pipelined(yard: Any) -> None:
    """The last answer says that the connection closes."""
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as up, connected(up) as raw:
        assert raw.send(request(parcel(1))).response()[0] == 200
        half = request(parcel(2))
        raw.send(half[:-5])
        other = Raw(up)
        assert other.send(request(parcel(3))).response()[0] == 200
        up.server.stop()
        assert other.closed()
        other.close()
        status, headers, _ = raw.send(half[-5:]).response()
        assert (status, headers["connection"], raw.closed()) == (200, "close", True)


NUMBERS = st.one_of(st.floats(), st.integers(), st.none(), st.booleans(), st.text(max_size=3))
BODIES = st.one_of(
    st.dictionaries(st.sampled_from(["parcel", "weight", "depot", "asked", "floor", "late", "x"]), NUMBERS),
    st.recursive(NUMBERS, lambda each: st.lists(each, max_size=3)),
)


@given(body=BODIES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_body_has_one_answer_on_both_ways(up: Running, body: Any) -> None:
    """Whatever is asked, hot and cold agree on the status and on every word, but for the ids."""
    with connected(up) as raw:
        hot = raw.send(request(body)).response()
        cold = raw.send(request(body, path=f"{ASK}/")).response()
    assert (hot[0], _without_ids(hot[2])) == (cold[0], _without_ids(cold[2]))


@given(noise=st.binary(min_size=1, max_size=200), at=st.integers(0, 100))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_never_takes_the_server_down(up: Running, noise: bytes, at: int) -> None:
    """Bytes anywhere in a request: some answer or a closed connection, and the next one is answered."""
    sent = request(parcel(1))
    with connected(up) as raw:
        raw.send(sent[:at] + noise + sent[at:])
        raw.socket.shutdown(socket.SHUT_WR)
        while True:
            try:
                assert 200 <= raw.response()[0] < 500
            except (EOFError, ConnectionResetError):
                break
    with connected(up) as raw:
        assert raw.send(sent).response()[0] == 200
