"""The client for an event loop, over aiohttp (the extra ``client``)."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from plimsoll.client.attempts import Attempts, timeout_header
from plimsoll.client.exchange import Address, Answered, Label, Outcome, Request, Told, read_answer, read_told, refusal
from plimsoll.errors import Unavailable, UsageError
from plimsoll.retry import RetryBudget

if TYPE_CHECKING:
    import aiohttp


class AsyncClient:
    """As ``Client``, for one event loop. A call that is cancelled gives its connection up; the event stays recorded."""

    def __init__(
        self,
        url: str,
        capability: str,
        *,
        timeout_s: float = 5.0,
        retries: int = 2,
        key: str = "",
        token: str = "",
        connections: int = 100,
        tls: ssl.SSLContext | None = None,
        traceparent: Callable[[], str] | None = None,
    ) -> None:
        try:
            import aiohttp
        except ModuleNotFoundError as error:
            raise UsageError(
                "AsyncClient needs aiohttp, which is not installed", hint="pip install 'plimsoll[client]'"
            ) from error
        self._at = Address(url, capability, key=key, token=token, traceparent=traceparent)
        self._timeout_s, self._retries = timeout_s, retries
        self._budget = RetryBudget()
        self._errors = (aiohttp.ClientError, TimeoutError, OSError)
        self._stale = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
        self._connections, self._tls = connections, tls
        self._origin = f"{self._at.parts.scheme}://{self._at.parts.netloc}"
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, **inputs: Any) -> Answered:
        """The answer to one question; ``inputs`` are its columns. Times may be datetimes; None is a missing value."""
        return read_answer(await self._post(self._at.question(inputs)))

    async def tell(self, event_id: str, label: Label, at: datetime | None = None, **values: float) -> Told:
        """Say what turned out, and when it became known (default: now); ``values`` are further numbers of it. Telling twice
        counts once."""
        return await self.tell_all([(event_id, label, at, values)])

    async def tell_all(self, outcomes: Iterable[Outcome]) -> Told:
        """Many outcomes in one request: (event id, label, when it became known or None), and further numbers by name."""
        return read_told(await self._post(self._at.outcomes(outcomes)))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _post(self, request: Request) -> bytes:
        attempts = Attempts(self._budget, timeout_s=self._timeout_s, retries=self._retries, now_s=time.monotonic())
        while True:
            left_s = attempts.left_s(time.monotonic())
            try:
                return await self._once(request, left_s)
            except Unavailable as error:
                pause_s = attempts.after(error, time.monotonic())
            await asyncio.sleep(pause_s)

    async def _once(self, request: Request, left_s: float) -> bytes:
        until_s = time.monotonic() + left_s
        try:
            async with asyncio.timeout(left_s):
                way = _Way()
                try:
                    status, said, retry_after = await self._sent(request, until_s, way)
                except self._stale:
                    if not way.kept:
                        raise
                    # closed by the server while it was idle: nothing was lost but the connection
                    status, said, retry_after = await self._sent(request, until_s, way)
        except self._errors as error:
            raise self._at.away(error) from error
        if status != 200:
            raise refusal(status, said, retry_after)
        return said

    async def _sent(self, request: Request, until_s: float, way: _Way) -> tuple[int, bytes, str | None]:
        headers = {**request.headers, **timeout_header(until_s - time.monotonic())}
        url = self._origin + request.path
        async with self._open().post(url, data=request.body, headers=headers, trace_request_ctx=way) as response:
            return response.status, await response.read(), response.headers.get("retry-after")

    def _open(self) -> aiohttp.ClientSession:
        """The session, opened in the loop that uses it; no timeout of its own, no proxy from the environment."""
        if self._session is None:
            import aiohttp

            connector = aiohttp.TCPConnector(limit=self._connections, ssl=self._tls or True)
            nothing = aiohttp.ClientTimeout(total=None)
            watch = aiohttp.TraceConfig()
            watch.on_connection_reuseconn.append(_kept)
            self._session = aiohttp.ClientSession(connector=connector, timeout=nothing, trace_configs=[watch])
        return self._session


class _Way:
    """How an attempt got to the server: over a connection that was kept from an earlier one?"""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept = False


async def _kept(session: aiohttp.ClientSession, attempt: Any, parameters: Any) -> None:
    attempt.trace_request_ctx.kept = True
