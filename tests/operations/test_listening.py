"""Rows over NATS JetStream: taken once, acknowledged after they were applied, asked for again where they could not be."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import nats
import pytest
from nats.errors import NoServersError

from plimsoll.errors import Unavailable, UsageError
from plimsoll.operations.feeding import Pushed
from plimsoll.operations.listening import NatsFeed, rows_of

SERVER = "nats://127.0.0.1:4222"
PATIENCE_S = 20.0


class Taken:
    """Keeps what it was given, once; is away, or refuses, as somebody says."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Mapping[str, Any]]] = []
        self.ids: list[str] = []
        self.away = 0
        self.changed = threading.Condition()

    def push(self, source: str, rows: Sequence[Mapping[str, Any]], ids: Sequence[str] | None = None) -> Pushed:
        with self.changed:
            self.changed.notify_all()
            if source == "nowhere":
                raise UsageError("there is no such table")
            if self.away:
                self.away -= 1
                raise Unavailable("away")
            fresh = [i for i, name in enumerate(ids or [f"r{id(row)}" for row in rows]) if name not in self.ids]
            self.rows += [(source, rows[i]) for i in fresh]
            self.ids += [(ids or [])[i] for i in fresh if ids]
            return Pushed(accepted=len(fresh), duplicate=len(rows) - len(fresh))

    def wait(self, true: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(true, timeout=PATIENCE_S), self.rows


@dataclass
class Stream:
    """A stream of this test's own."""

    name: str
    subject: str

    def send(self, *messages: tuple[str, bytes, str]) -> None:
        async def sent() -> None:
            client = await nats.connect(SERVER)
            for source, data, name in messages:
                headers = {"Nats-Msg-Id": name} if name else None
                await client.jetstream().publish(f"{self.subject}.{source}", data, headers=headers)
            await client.close()

        asyncio.run(sent())

    def unacknowledged(self, consumer: str) -> int:
        async def asked() -> int:
            client = await nats.connect(SERVER)
            info = await client.jetstream().consumer_info(self.name, consumer)
            await client.close()
            return (info.num_ack_pending or 0) + (info.num_pending or 0)

        return asyncio.run(asked())


@pytest.fixture
def stream() -> Iterator[Stream]:
    made = Stream(name := f"test-{uuid4().hex}", name)

    async def begin() -> None:
        client = await nats.connect(SERVER, connect_timeout=2, max_reconnect_attempts=1, allow_reconnect=False)
        await client.jetstream().add_stream(name=made.name, subjects=[f"{made.subject}.>"], duplicate_window=0.1)
        await client.close()

    async def end() -> None:
        client = await nats.connect(SERVER)
        await client.jetstream().delete_stream(made.name)
        await client.close()

    try:
        asyncio.run(begin())
    except (NoServersError, OSError):
        if os.environ.get("CI"):
            raise
        pytest.skip("there is no NATS at 127.0.0.1:4222")
    yield made
    asyncio.run(end())


@pytest.fixture
def listen(stream: Stream, tmp_path: Path) -> Iterator[Callable[[Taken], NatsFeed]]:
    opened: list[NatsFeed] = []

    def make(taken: Taken) -> NatsFeed:
        feed = NatsFeed(
            taken, url=SERVER, stream=stream.name, subject=stream.subject, name="orders", aside=tmp_path / "aside",
            say=lambda text: None,
        )  # fmt: skip
        opened.append(feed)
        feed.start()
        return feed

    yield make
    for feed in opened:
        feed.close()


def settled(true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until
        threading.Event().wait(0.02)


def test_rows_are_taken_and_acknowledged(stream: Stream, listen: Callable[[Taken], NatsFeed]) -> None:
    """One, several, one a line; in whichever table the subject names."""
    stream.send(
        ("weather", b'{"t": 1}', ""), ("weather", b'[{"t": 2}, {"t": 3}]', "m2"), ("trips", b'{"t": 4}\n{"t": 5}', "")
    )
    feed = listen(taken := Taken())
    taken.wait(lambda: len(taken.rows) == 5)
    settled(lambda: feed.taken == 3 and stream.unacknowledged("orders") == 0)
    assert sorted((source, row["t"]) for source, row in taken.rows) == [("trips", 4), ("trips", 5)] + [
        ("weather", n) for n in (1, 2, 3)
    ]
    assert taken.ids == ["m2:0", "m2:1"]


def test_what_cannot_be_kept_now_is_asked_for_again(stream: Stream, listen: Callable[[Taken], NatsFeed]) -> None:
    """Nothing is acknowledged before; a listener that starts later goes on where the last one stopped."""
    taken = Taken()
    taken.away = 2
    stream.send(("weather", b'{"t": 1}', "m1"))
    feed = listen(taken)
    taken.wait(lambda: len(taken.rows) == 1)
    settled(lambda: feed.taken == 1)
    assert feed.again == 2
    feed.close()
    stream.send(("weather", b'{"t": 2}', "m2"))
    listen(later := Taken())
    later.wait(lambda: len(later.rows) == 1)
    assert later.rows == [("weather", {"t": 2})]


def test_what_can_never_be_rows_is_put_aside(
    stream: Stream, listen: Callable[[Taken], NatsFeed], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And holds nothing up."""
    stream.send(("weather", b"{", ""), ("nowhere", b'{"t": 1}', ""), ("weather", b'{"t": 2}', ""))
    feed = listen(taken := Taken())
    taken.wait(lambda: len(taken.rows) == 1)
    settled(lambda: feed.refused == 2 and stream.unacknowledged("orders") == 0)
    assert sorted(p.read_bytes() for p in (tmp_path / "aside").iterdir()) == [b"{", b'{"t": 1}']
    assert "can never be rows" in caplog.text


def test_a_message_is_rows_or_an_error() -> None:
    assert rows_of(b' [{"a": 1}]') == rows_of(b'{"a": 1}\n\n') == [{"a": 1}]
    for data in (b"[1]", b"nonsense", b"\xff", b'{"\x80": 1}', b'[{"\x80": 1}]', b'{"a":' * 100_000):
        with pytest.raises(UsageError, match="no row"):
            rows_of(data)
