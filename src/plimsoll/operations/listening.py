"""Rows that come over NATS JetStream: a durable pull consumer that acknowledges what has been kept and applied.

A message on ``SUBJECT.TABLE`` is one row, a list of rows, or one row a line. Its ``Nats-Msg-Id`` names its rows, so
that what is delivered again is not taken again; without one, rows are named by their key or by all that they say. What
cannot be kept now is asked for again later; what never can be (no such table, no JSON) is put aside and said.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import msgspec

from plimsoll.errors import Refused, Unavailable, UsageError

_log = logging.getLogger(__name__)

FETCH = 256
"""Messages in one go, and in flight at most."""
ACK_WAIT_S = 60.0
"""After so long without an acknowledgement a message is delivered again."""
AGAIN_S = 1.0
"""How long to wait with what could not be kept, and between tries to connect."""
PUT_ASIDE = 1_000
"""Messages that can never be rows are kept in so many files at most."""


class Taker(Protocol):
    """What rows are given to: ``Feed``."""

    def push(self, source: str, rows: Sequence[Mapping[str, Any]], ids: Sequence[str] | None = None) -> Any: ...


class NatsFeed:
    """Listens on a thread of its own until it is closed. ``name`` is the consumer's: processes of one name share the
    messages. Connects, and connects again, for as long as it lives."""

    def __init__(
        self, feed: Taker, *, url: str, stream: str, subject: str, name: str, aside: Path, say: Callable[[str], None]
    ) -> None:
        self._feed, self._url, self._stream, self._subject, self._name = feed, url, stream, subject, name
        self._aside, self._say = aside, say
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="plimsoll-nats", daemon=True)
        self.taken = self.again = self.refused = 0

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End after the messages that are being taken. Without effect before ``start``."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                asyncio.run(self._listen())
            except Exception as error:  # noqa: BLE001 - the supervisor of the connection; said, and tried again
                _log.warning(
                    "the feed over NATS (%s) broke off, trying again: %s: %s", self._url, type(error).__name__, error
                )
                self._stop.wait(AGAIN_S)

    async def _listen(self) -> None:
        import nats
        from nats.errors import TimeoutError as NothingCame
        from nats.js.api import AckPolicy, ConsumerConfig

        async def broken(error: Exception) -> None:
            _log.info("NATS: %s", error)

        client = await nats.connect(self._url, connect_timeout=2, max_reconnect_attempts=3, error_cb=broken)
        try:
            config = ConsumerConfig(
                durable_name=self._name, ack_policy=AckPolicy.EXPLICIT, ack_wait=ACK_WAIT_S, max_ack_pending=FETCH
            )
            pulled = await client.jetstream().pull_subscribe(
                f"{self._subject}.>", durable=self._name, stream=self._stream, config=config
            )
            self._say(f"rows are taken from {self._subject}.> at {self._url}")
            while not self._stop.is_set():
                try:
                    messages = await pulled.fetch(FETCH, timeout=0.5)
                except (TimeoutError, NothingCame):
                    continue
                await self._take(messages)
        finally:
            await client.close()

    async def _take(self, messages: Sequence[Any]) -> None:
        """The rows of one table are pushed together; each message is acknowledged after its rows were."""
        by_source: dict[str, list[tuple[Any, list[dict[str, Any]], list[str] | None]]] = {}
        for message in messages:
            try:
                rows = rows_of(message.data)
            except UsageError as error:
                await self._put_aside(message, error)
                continue
            name = (message.headers or {}).get("Nats-Msg-Id")
            ids = [f"{name}:{i}" for i in range(len(rows))] if name else None
            source = message.subject[len(self._subject) + 1 :]
            by_source.setdefault(f"{source}\0{bool(ids)}", []).append((message, rows, ids))
        for key, several in by_source.items():
            await self._push(key.partition("\0")[0], several)

    async def _push(self, source: str, several: Sequence[tuple[Any, list[dict[str, Any]], list[str] | None]]) -> None:
        rows = [row for _, these, _ in several for row in these]
        ids = [i for _, _, these in several for i in these or ()] if several[0][2] is not None else None
        try:
            pushed = await asyncio.to_thread(self._feed.push, source, rows, ids)
        except Unavailable as error:
            await self._later([message for message, _, _ in several], error.message)
            return
        except (UsageError, Refused) as error:
            if len(several) > 1:  # one of them is to blame, and not the others
                for one in several:
                    await self._push(source, [one])
            else:
                await self._put_aside(several[0][0], error)
            return
        if not pushed.applied:
            await self._later([message for message, _, _ in several], "kept, and not applied yet")
            return
        for message, _, _ in several:
            await message.ack()
        self.taken += len(several)

    async def _later(self, messages: Sequence[Any], why: str) -> None:
        _log.warning("%d messages are asked for again: %s", len(messages), why)
        for message in messages:
            await message.nak(delay=AGAIN_S)
        self.again += len(messages)

    async def _put_aside(self, message: Any, error: UsageError | Refused) -> None:
        self.refused += 1
        self._aside.mkdir(parents=True, exist_ok=True)
        if len(list(self._aside.iterdir())) < PUT_ASIDE:
            (self._aside / f"{uuid4().hex}.msg").write_bytes(message.data)
        _log.error(
            "a message on %s can never be rows and was put into %s: %s", message.subject, self._aside, error.message
        )
        await message.term()


def rows_of(data: bytes) -> list[dict[str, Any]]:
    """The rows of a message. Raises UsageError where it has none."""
    try:
        if data.lstrip()[:1] == b"[":
            return msgspec.json.decode(data, type=list[dict[str, Any]])
        return [msgspec.json.decode(line, type=dict[str, Any]) for line in data.splitlines() if line.strip()]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"no row: {error}", hint="one JSON object a line, or a list of them") from error
