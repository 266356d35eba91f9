"""The client for threads. Standard library and msgspec only."""

from __future__ import annotations

import http.client
import queue
import ssl
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import Any

from plimsoll.client.attempts import Attempts, timeout_header
from plimsoll.client.exchange import Address, Answered, Label, Outcome, Request, Told, read_answer, read_told, refusal
from plimsoll.errors import Unavailable
from plimsoll.retry import RetryBudget

_CHUNK_BYTES = 65_536
_STALE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)
"""What a kept connection says that the server closed while nobody used it."""


class Client:
    """Asks one capability. Threads may share it: up to ``connections`` requests are under way at once, the rest wait.

    ``timeout_s``: the deadline of a call, its retries included; the server is told what is left of it. ``retries``: how
    often a request is sent again where that is safe: it was never taken, the server said to come back (429, 503), or it
    carries a key under which a running server gives its first answer again. Over all calls, retries are a tenth of the
    requests at most. ``key``: an API key; ``token``: a JWT.
    ``traceparent``: gives the W3C header of the span that asks, or ``""``. Raises UsageError for a question that is
    wrong, Refused for a caller who may not, Unavailable when nobody answers in time, Broken for the server's own faults.
    """

    def __init__(
        self,
        url: str,
        capability: str,
        *,
        timeout_s: float = 5.0,
        retries: int = 2,
        key: str = "",
        token: str = "",
        connections: int = 8,
        tls: ssl.SSLContext | None = None,
        traceparent: Callable[[], str] | None = None,
    ) -> None:
        self._at = Address(url, capability, key=key, token=token, traceparent=traceparent)
        self._timeout_s, self._retries = timeout_s, retries
        self._tls = tls
        self._budget = RetryBudget()
        self._idle: queue.LifoQueue[http.client.HTTPConnection | None] = queue.LifoQueue()
        for _ in range(connections):
            self._idle.put(None)

    def ask(self, **inputs: Any) -> Answered:
        """The answer to one question; ``inputs`` are its columns. Times may be datetimes; None is a missing value."""
        return read_answer(self._post(self._at.question(inputs)))

    def tell(self, event_id: str, label: Label, at: datetime | None = None, **values: float) -> Told:
        """Say what turned out, and when it became known (default: now); ``values`` are further numbers of it. Telling twice
        counts once."""
        return self.tell_all([(event_id, label, at, values)])

    def tell_all(self, outcomes: Iterable[Outcome]) -> Told:
        """Many outcomes in one request: (event id, label, when it became known or None), and further numbers by name."""
        return read_told(self._post(self._at.outcomes(outcomes)))

    def close(self) -> None:
        """Close the connections that nobody uses now."""
        places = [self._idle.get_nowait() for _ in range(self._idle.qsize())]
        for connection in places:
            if connection is not None:
                connection.close()
            self._idle.put(None)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _post(self, request: Request) -> bytes:
        attempts = Attempts(self._budget, timeout_s=self._timeout_s, retries=self._retries, now_s=time.monotonic())
        while True:
            left_s = attempts.left_s(time.monotonic())
            try:
                return self._once(request, left_s)
            except Unavailable as error:
                pause_s = attempts.after(error, time.monotonic())
            time.sleep(pause_s)

    def _once(self, request: Request, left_s: float) -> bytes:
        until_s = time.monotonic() + left_s
        try:
            kept = self._idle.get(timeout=left_s)
        except queue.Empty:
            raise Unavailable(f"every connection to {self._at.url} was in use for {left_s:.3g} s") from None
        connection = kept or self._opened()
        try:
            try:
                return self._sent(connection, request, until_s)
            except _STALE:
                if kept is None:
                    raise
                connection.close()  # closed by the server while it was idle: nothing was lost but the connection
                return self._sent(connection, request, until_s)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._at.away(error) from error
        finally:
            self._idle.put(connection)

    def _opened(self) -> http.client.HTTPConnection:
        host, port = self._at.parts.hostname or "", self._at.parts.port
        if self._at.parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, context=self._tls)
        return http.client.HTTPConnection(host, port)

    def _sent(self, connection: http.client.HTTPConnection, request: Request, until_s: float) -> bytes:
        """One attempt on one connection. A socket's timeout is for one step, so it is set anew before each."""
        connection.timeout = _left(until_s)
        if connection.sock is not None:
            connection.sock.settimeout(connection.timeout)
        headers = {**request.headers, **timeout_header(connection.timeout)}
        connection.request("POST", request.path, request.body, headers)
        connection.sock.settimeout(_left(until_s))
        response = connection.getresponse()
        said = bytearray()
        while chunk := response.read1(_CHUNK_BYTES):
            said += chunk
            if connection.sock is not None:  # None once the server said that it closes
                connection.sock.settimeout(_left(until_s))
        if response.length:  # it ended before what it had announced; read1 takes that for the end
            raise http.client.IncompleteRead(bytes(said), response.length)
        response.read()  # nothing is left; read1 does not notice the end, and the connection could not be used again
        if response.status != 200:
            raise refusal(response.status, bytes(said), response.getheader("retry-after"))
        return bytes(said)


def _left(until_s: float) -> float:
    left_s = until_s - time.monotonic()
    if left_s <= 0.0:
        raise TimeoutError("the time for this call is over")
    return left_s
