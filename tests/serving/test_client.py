from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from plimsoll import Client
from plimsoll.capability import Answer
from plimsoll.errors import Unavailable, UsageError
from plimsoll.kernel.records import Event

from .conftest import live, make_yard, parcel, toy
from .running import Running, running


@pytest.fixture(scope="module")
def up(tmp_path_factory: Any) -> Iterator[Running]:
    yard = make_yard(tmp_path_factory.mktemp("client"), toy())
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as made:
        yield made
    yard.log.close()


def test_ask_and_tell(up: Running) -> None:
    """A question, its answer, and later what turned out."""
    with up.client() as client:
        answer = client.ask(**parcel(4))
        assert answer.score is not None and 0.0 < answer.score < 1.0  # type: ignore[operator]
        assert (answer.action, answer.answered) == ("answer", True)
        assert client.tell(answer.event_id, True).accepted == 1
        assert client.tell(answer.event_id, True).duplicate == 1


def test_times_and_gaps_may_be_sent(up: Running) -> None:
    """A datetime is a time, None a missing value."""
    with up.client() as client:
        assert client.ask(**parcel(1) | {"weight": None, "asked": datetime(2026, 3, 1, tzinfo=UTC)}).answered


def test_a_wrong_question_is_a_usage_error(up: Running) -> None:
    """With the server's own words, and no retry."""
    with up.client() as client:
        with pytest.raises(UsageError, match="lacks the column 'weight'"):
            client.ask(parcel="p1", depot="north")
        with pytest.raises(UsageError, match="did you mean 'weight'"):
            client.ask(**parcel(1), wieght=1.0)
        with pytest.raises(UsageError, match="'weight' must be a number, not 'heavy'"):
            client.ask(**parcel(1) | {"weight": "heavy"})


def test_an_unknown_capability_is_a_usage_error(up: Running) -> None:
    """The nearest right name is in the message."""
    with Client(up.url, "parcel-lat") as client, pytest.raises(UsageError, match="did you mean 'parcel-late'"):
        client.ask(**parcel(1))


def test_nobody_there_says_what_to_do() -> None:
    """A refused connection is Unavailable, with the command that helps."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unavailable) as caught:
        Client(f"http://127.0.0.1:{port}", "parcel-late", retries=0).ask(**parcel(1))
    assert "plimsoll up" in caught.value.hint


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://x"])
def test_a_wrong_address_is_found_at_once(url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match="no address"):
        Client(url, "parcel-late")


def test_an_abstention_has_no_score(yard_of: Any) -> None:
    """The caller cannot act on what the release was not sure of."""
    yard = yard_of(answer=Answer(abstain_below=0.999))
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as up, up.client() as client:
        answer = client.ask(**parcel(1))
    assert (answer.action, answer.score, answer.answered) == ("abstain", None, False)


def test_a_dropped_connection_asks_no_second_question(yard: Any) -> None:
    """The answer was lost on its way; the retry gets the first one, and there is one event."""
    row = yard.release()
    with (
        running(yard, live(row.digest), rows=[row]) as up,
        _dropping_first_answer(up.port) as port,
        Client(f"http://127.0.0.1:{port}", "parcel-late") as client,
    ):
        answer = client.ask(**parcel(1))
    events = [r for r in yard.log.read()[0] if isinstance(r, Event)]
    assert [e.id for e in events] == [answer.event_id]


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
        said += end.recv(65536)
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
