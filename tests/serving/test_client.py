"""The client, for threads and for an event loop: one suite over both."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from plimsoll import AsyncClient, Client
from plimsoll.capability import Answer
from plimsoll.errors import Refused, Unavailable, UsageError
from plimsoll.kernel.records import Event

from .conftest import live, make_yard, parcel, toy
from .running import Running, running


class Blocked:
    """An AsyncClient that is asked from outside of its loop."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(*arguments, **options)

    def __enter__(self) -> Blocked:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.close())
        self._runner.close()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def called(*arguments: Any, **named: Any) -> Any:
            return self._runner.run(method(*arguments, **named))

        return called


@pytest.fixture(params=[Client, Blocked], ids=["blocking", "asynchronous"])
def to(request: pytest.FixtureRequest) -> Any:
    """(url) → a client of parcel-late there."""

    def to(url: str, capability: str = "parcel-late", **options: Any) -> Any:
        return request.param(url, capability, **options)

    return to


@pytest.fixture(scope="module")
def up(tmp_path_factory: Any) -> Iterator[Running]:
    yard = make_yard(tmp_path_factory.mktemp("client"), toy())
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as made:
        yield made
    yard.log.close()


def test_ask_and_tell(up: Running, to: Any) -> None:
    """A question, its answer, and later what turned out."""
    with to(up.url) as client:
        answer = client.ask(**parcel(4))
        assert answer.score is not None and 0.0 < answer.score < 1.0  # type: ignore[operator]
        assert (answer.action, answer.answered) == ("answer", True)
        assert client.tell(answer.event_id, True).accepted == 1
        assert client.tell(answer.event_id, True, paid_usd=34.5).duplicate == 1


def test_times_and_gaps_may_be_sent(up: Running, to: Any) -> None:
    """A datetime is a time, None a missing value."""
    with to(up.url) as client:
        assert client.ask(**parcel(1) | {"weight": None, "asked": datetime(2026, 3, 1, tzinfo=UTC)}).answered


def test_a_wrong_question_is_a_usage_error(up: Running, to: Any) -> None:
    """With the server's own words, and no retry."""
    with to(up.url) as client:
        with pytest.raises(UsageError, match="lacks the column 'weight'"):
            client.ask(parcel="p1", depot="north")
        with pytest.raises(UsageError, match="did you mean 'weight'"):
            client.ask(**parcel(1), wieght=1.0)
        with pytest.raises(UsageError, match="'weight' must be a number, not 'heavy'"):
            client.ask(**parcel(1) | {"weight": "heavy"})


def test_an_unknown_capability_is_a_usage_error(up: Running, to: Any) -> None:
    """The nearest right name is in the message."""
    with to(up.url, "parcel-lat") as client, pytest.raises(UsageError, match="did you mean 'parcel-late'"):
        client.ask(**parcel(1))


def test_nobody_there_says_what_to_do(to: Any) -> None:
    """A refused connection is Unavailable, with the command that helps."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with to(f"http://127.0.0.1:{port}", retries=0) as client, pytest.raises(Unavailable) as caught:
        client.ask(**parcel(1))
    assert "plimsoll up" in caught.value.hint


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://x"])
def test_a_wrong_address_is_found_at_once(to: Any, url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match="no address"):
        to(url)


def test_an_abstention_has_no_score(yard_of: Any, to: Any) -> None:
    """The caller cannot act on what the release was not sure of."""
    yard = yard_of(answer=Answer(abstain_below=0.999))
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as up, to(up.url) as client:
        answer = client.ask(**parcel(1))
    assert (answer.action, answer.score, answer.answered) == ("abstain", None, False)


def test_a_dropped_connection_asks_no_second_question(yard: Any, to: Any) -> None:
    """The answer was lost on its way; the retry gets the first one, and there is one event."""
    row = yard.release()
    with (
        running(yard, live(row.digest), rows=[row]) as up,
        _dropping_first_answer(up.port) as port,
        to(f"http://127.0.0.1:{port}") as client,
    ):
        answer = client.ask(**parcel(1))
    events = [r for r in yard.log.read()[0] if isinstance(r, Event)]
    assert [e.id for e in events] == [answer.event_id]


def test_a_deadline_covers_the_call_and_all_its_retries(to: Any) -> None:
    """A server that takes the request and says nothing: the call ends, and says how long it waited."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with to(address, timeout_s=0.2) as client, pytest.raises(Unavailable):
            client.ask(**parcel(1))


def test_the_server_is_told_how_long_its_caller_waits(to: Any) -> None:
    """In milliseconds, less at each attempt; and who asks, by key or by token."""
    for options, header in (
        ({"key": "plm_a_b"}, "x-api-key: plm_a_b"),
        ({"token": "t.o.k"}, "authorization: bearer t.o.k"),
    ):
        with answering([(200, ANSWER)]) as (url, heard), to(url, timeout_s=2.0, **options) as client:
            client.ask(**parcel(1))
        lines = heard[0].lower().splitlines()
        told = next(line for line in lines if line.startswith("x-request-timeout-ms: "))
        assert header in lines and 0 < int(told.split()[1]) <= 2000


def test_a_server_that_says_when_to_come_back_is_asked_again(to: Any) -> None:
    """503 and 429 are asked again under the same key; what is wrong is not."""
    busy = (503, b'{"error": "busy"}')
    with answering([busy, (429, b'{"error": "slower"}'), (200, ANSWER)]) as (url, heard), to(url) as client:
        assert client.ask(**parcel(1)).event_id == "e1"
    keys = {line for text in heard for line in text.lower().splitlines() if line.startswith("idempotency-key")}
    assert len(heard) == 3 and len(keys) == 1
    with answering([(403, b'{"error": "no"}')]) as (url, heard), to(url) as client, pytest.raises(Refused, match="no"):
        client.ask(**parcel(1))
    assert len(heard) == 1


def test_retries_have_a_budget(to: Any) -> None:
    """A server that always says 503 is not asked three times for ever: beyond the first few, once each."""
    busy = (503, b'{"error": "busy"}')
    with answering([busy] * 60) as (url, heard), to(url, timeout_s=20.0) as client:
        for _ in range(20):
            with pytest.raises(Unavailable, match="busy"):
                client.ask(**parcel(1))
        assert 20 < len(heard) <= 20 + 10 + 2


def test_a_connection_that_the_server_closed_meanwhile_is_opened_again(to: Any) -> None:
    """A keep-alive that ended between two calls is no failure of the second."""
    with answering([(200, ANSWER), (200, ANSWER)], close_each=True) as (url, _), to(url, retries=0) as client:
        assert client.ask(**parcel(1)).event_id == client.ask(**parcel(1)).event_id == "e1"


def test_a_key_and_a_token_are_one_too_many(to: Any) -> None:
    """Which of the two would count is not left to chance."""
    with pytest.raises(UsageError, match="not both"):
        to("http://127.0.0.1:1", key="a", token="b")


def test_no_message_holds_the_key(to: Any) -> None:
    """Errors go to logs."""
    with to("http://127.0.0.1:9", key="plm_very_secret", retries=0) as client, pytest.raises(Unavailable) as caught:
        client.ask(**parcel(1))
    assert "secret" not in str(caught.value) + repr(caught.value) + repr(client) + repr(caught.value.details)


def test_an_answer_that_breaks_off_is_none(to: Any) -> None:
    """Fewer bytes than were announced, none at all among them: the server was killed, and the request is asked again."""
    for cut in (b"", ANSWER[:20]):
        with answering([(200, cut), (200, ANSWER)], announced=len(ANSWER)) as (url, heard), to(url) as client:
            assert client.ask(**parcel(1)).event_id == "e1"
        assert len(heard) == 2


def test_many_ask_at_once(up: Running) -> None:
    """Threads share a client; tasks share another. Each gets the answer to its own question."""
    units = [f"p{i}" for i in range(40)]
    with up.client(connections=4) as client, ThreadPoolExecutor(12) as threads:
        alone = {u: client.ask(**parcel(3) | {"parcel": u}).score for u in units}
        together = list(threads.map(lambda u: client.ask(**parcel(3) | {"parcel": u}).score, units))
    assert together == [alone[u] for u in units]

    async def all_at_once() -> list[Any]:
        async with AsyncClient(up.url, "parcel-late", connections=8) as client:
            return [a.score for a in await asyncio.gather(*(client.ask(**parcel(3) | {"parcel": u}) for u in units))]

    assert asyncio.run(all_at_once()) == together


def test_a_key_cannot_carry_two_questions(up: Running) -> None:
    """An Idempotency-Key that comes with another body is a mistake, not a new question."""
    path = "/v1/capabilities/parcel-late/ask"
    first = up.call("POST", path, {"inputs": parcel(1)}, idempotency_key="k1")
    assert up.call("POST", path, {"inputs": parcel(1)}, idempotency_key="k1") == first
    status, said = up.call("POST", path, {"inputs": parcel(2)}, idempotency_key="k1")
    assert (status, "another request" in said["error"]) == (400, True)


def _whole(end: socket.socket) -> bytes:
    """One HTTP message, head and body."""
    said = b""
    while b"\r\n\r\n" not in said:
        came = end.recv(65536)
        if not came:
            raise EOFError
        said += came
    head, _, body = said.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += end.recv(65536)
    return head + b"\r\n\r\n" + body


class _dropping_first_answer:
    """A proxy that swallows the server's first answer and closes, then passes everything on."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._pass_on)

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._listener.getsockname()[1])

    def _pass_on(self) -> None:
        for swallow in (True, False):
            near, _ = self._listener.accept()
            with near, socket.create_connection(("127.0.0.1", self._port)) as far:
                far.sendall(_whole(near))
                said = _whole(far)
                if not swallow:
                    near.sendall(said)

    def __exit__(self, *_: object) -> None:
        self._thread.join(timeout=10)
        self._listener.close()


ANSWER = b'{"event_id": "e1", "score": 0.5, "action": "answer", "release": "r", "asked_at": "2026-03-01T00:00:00Z"}'


@contextmanager
def answering(
    script: list[tuple[int, bytes]], *, close_each: bool = False, announced: int | None = None
) -> Iterator[tuple[str, list[str]]]:
    """A server that answers by the script, one request after another: its address, and what it heard.

    ``announced``: how long each body is said to be; the connection ends after one that is shorter."""
    heard: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        left = list(script)
        while left:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            with near:
                while left:
                    try:
                        heard.append(_whole(near).decode())
                    except (OSError, EOFError):
                        break
                    status, body = left.pop(0)
                    length = len(body) if announced is None else announced
                    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
                    near.sendall(head.encode() + body)
                    if close_each or length > len(body):
                        break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=10)
    assert not thread.is_alive()
