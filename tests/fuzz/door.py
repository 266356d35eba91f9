"""A real server without a network: a connection is a method call, so that a fuzzer tries thousands a second."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from plimsoll.serving import Counter, House, Server
from plimsoll.serving.gate import Gate
from plimsoll.serving.protocol import HotProtocol
from plimsoll.store import SqlCatalog
from serving.conftest import live, make_yard, toy
from serving.running import WallClock, declared_in, deploy

_STATUS = re.compile(rb"(?:^|\}|\]|\n)HTTP/1\.1 (\d{3}) ")
_TURNS = 20
"""Of the event loop, within which a request whose body does not come is answered, if it is."""
_PATIENCE_S = 20.0


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = bytearray()
        self._closing = False

    def write(self, data: Any) -> None:
        if not self._closing:
            self.written += data

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    abort = close

    def pause_reading(self) -> None:
        """There is nothing more to come."""

    resume_reading = pause_reading


class Door:
    """The server of a small capability, whose fallback answers. ``close`` it."""

    def __init__(self, folder: Path) -> None:
        self._yard = make_yard(folder, toy())
        self._catalog = SqlCatalog(f"sqlite:///{folder / 'catalog.db'}")
        deploy(self._catalog, live("fallback"))
        self._loop = asyncio.new_event_loop()
        self.faults: list[dict[str, Any]] = []
        self._loop.set_exception_handler(lambda loop, context: self.faults.append(context))
        self._stack = AsyncExitStack()
        self._loop.run_until_complete(self._begin(folder))

    async def _begin(self, folder: Path) -> None:
        yard = self._yard
        house = House(
            catalog=self._catalog,
            objects=yard.objects,
            log=yard.log,
            online=yard.online,
            clock=WallClock(),
        )
        counter = Counter(declared_in(yard.capability, folder), house)
        server = Server([counter], house)
        await self._stack.enter_async_context(server._lifespan(None))
        self._config = uvicorn.Config(server.app, ws="none", access_log=False, log_config=None)
        self._config.load()
        self._gate = Gate([counter], body_limit_bytes=4096)

    def said(self, pieces: Sequence[bytes]) -> list[int]:
        """The statuses of the answers to a connection that brings ``pieces``. Raises AssertionError for a fault of the
        server's, and where it owes an answer."""
        return self._loop.run_until_complete(self._connection(pieces))

    async def _connection(self, pieces: Sequence[bytes]) -> list[int]:
        wire = Wire()
        protocol = HotProtocol(
            self._gate, config=self._config, server_state=ServerState(), app_state={}, _loop=self._loop
        )
        protocol.connection_made(wire)
        for piece in pieces:
            if piece and not wire.is_closing():
                protocol.data_received(piece)
            await asyncio.sleep(0)
        await self._settled(wire, protocol)
        protocol.connection_lost(None)
        await asyncio.sleep(0)
        statuses = [int(status) for status in _STATUS.findall(bytes(wire.written))]
        assert all(100 <= status < 500 for status in statuses), bytes(wire.written)
        assert not self.faults, self.faults
        return statuses

    async def _settled(self, wire: Wire, protocol: HotProtocol) -> None:
        """Whatever arrived whole has its answer, and what did not has had its chance of one."""
        ends = time.monotonic() + _PATIENCE_S
        while not wire.is_closing():
            waits_for_body = not (protocol._between or protocol._in_head or protocol._hot)
            if len(protocol._line) <= waits_for_body:
                break
            assert time.monotonic() < ends, "an answer is owed, and does not come"
            await asyncio.sleep(0)
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def close(self) -> None:
        self._loop.run_until_complete(self._stack.aclose())
        self._loop.close()
        self._catalog.close()
        self._yard.log.close()
