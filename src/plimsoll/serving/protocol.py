"""HTTP/1.1 on one connection: uvicorn's protocol, which answers the hot requests itself.

What is hot (``Gate.hot``) goes straight to the desk and its response straight to the socket; everything else, and
whatever is unusual about a request, goes to the ASGI application as it always did. Both share one line, so that
responses leave in the order of the requests (RFC 9112, section 9.3.2).

While a queue stands (``admission.overload``) a request that does not fit is refused before anything of it is looked at,
and its connection rests.

What uvicorn's protocol leaves open is closed here: heads have a limit (431), a request must arrive in time (408), a
client that does not read is not read from, and after a fatal error nothing of the connection is believed any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from plimsoll.errors import PlimsollError, Unavailable
from plimsoll.serving.admission import Overload
from plimsoll.serving.gate import Gate, Head, problem
from plimsoll.serving.idempotency import FirstAnswer
from plimsoll.serving.oip import Written
from plimsoll.serving.refusals import Full, body_of_refusal, headers_of_refusal, status_of
from plimsoll.serving.reply import Reply
from plimsoll.serving.seams import OPEN, Span, Ticket

_log = logging.getLogger(__name__)

MOST_HEAD_BYTES = 65_536
MOST_PIPELINED = 32
"""Requests of one connection that wait for their turn; with more it is not read from."""
RECEIVE_S = 30
"""How long a request may take to arrive, and a client to read what fills its window."""


NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class HotRequest(msgspec.Struct, eq=False):
    """One hot request: in the connection's line, and at the desk."""

    protocol: HotProtocol
    head: Head
    ticket: Ticket
    span: Span | None = None
    trace_id: str = ""
    rows: Sequence[dict[str, Any]] = ()
    anonymous: bool = False
    packed: bytes | None = None
    request: Any = None
    response: Response | None = None
    first: FirstAnswer | None = None

    def answered(self, replies: Sequence[Reply]) -> None:
        span = self.span
        if span is not None:
            span.answered(replies[0].event.stages_us)
        try:
            written = self.head.route.write(self.request, replies)
        except Exception as error:  # noqa: BLE001 - a supervisor: the others of the turn must be told
            self.failed(error)
            return
        if self.first is not None:
            self.first.give(written)
        self.ticket.done()
        if span is not None:
            span.end(200)
        self.protocol.respond(self, written.body, headers=written.headers if written.json_bytes else NO_HEADERS)

    def again(self, first: asyncio.Future[Written]) -> None:
        """It came before under the same key: the first answer, whatever that is."""
        if error := first.exception():
            self.failed(error if isinstance(error, Exception) else Unavailable("the server is stopping"))
        else:
            written = first.result()
            self._over(200)
            self.protocol.respond(self, written.body, headers=written.headers if written.json_bytes else NO_HEADERS)

    def failed(self, error: Exception) -> None:
        if self.first is not None:
            self.first.fail(error)
        if isinstance(error, PlimsollError):
            status, body, headers = status_of(error), body_of_refusal(error), headers_of_refusal(error)
            self.head.route.counter.metrics.refused(status)
        else:
            _log.error("a request could not be answered", exc_info=error)
            status, body, headers = 500, problem("this is a fault of the server's; its log says more"), {}
        self._over(status)
        self.protocol.respond(self, body, status, headers)

    def _over(self, status: int) -> None:
        self.ticket.done()
        if self.span is not None:
            self.span.end(status)


class Response:
    """A response that waits for those before it."""

    __slots__ = ("body", "headers", "last", "status")

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str], *, last: bool = False) -> None:
        self.body, self.status, self.headers, self.last = body, status, headers, last


class Cold:
    """A request that the ASGI application answers: its cycle, which has not begun while it waits."""

    __slots__ = ("app", "cycle")

    def __init__(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.cycle, self.app = cycle, app


class Last:
    """What is said before the connection is closed."""

    __slots__ = ("response",)

    def __init__(self, response: Response) -> None:
        self.response = response


class HotProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, gate: Gate, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._gate = gate
        self._line: deque[HotRequest | Cold | Last] = deque()
        self._between = True  # the parser has had whole messages only
        self._in_head = False
        self._head_bytes = 0
        self._hot: Head | None = None  # of the message that is being received
        self._body: list[bytes] = []
        self._upgrades = False  # the message that is being received asks for another protocol
        self._whole: Head | None = None  # of the one hot message that this chunk held
        self._messages = 0
        self._dead = False  # nothing more is read
        self._stopping = False  # close when the line is empty
        self._swept = (0, 0)  # messages begun at the last sweep, and sweeps since
        self._rests = False  # it was turned away, and is not read from
        self._woken = -1  # in which tick of those who rest

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        if self._between:
            end = data.find(b"\r\n\r\n") + 4
            head = self._gate.heads.get(data[:end])
            if head is not None and len(data) - end == head.length and not self._dead:
                self._messages += 1
                self._ask(head, data[end:])
                return
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        if self._dead:
            return
        was_in_head, messages = self._in_head, self._messages
        at_boundary, self._whole = self._between, None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as behind:
            self._decline_upgrade(data[behind.args[0] :])
            return
        except httptools.HttpParserError:
            self._fatal(400, "this is no HTTP request that can be understood")
            return
        if self._in_head:
            self._head_bytes += len(data) if was_in_head and messages == self._messages else 0
            if self._head_bytes > MOST_HEAD_BYTES:
                self._fatal(431, f"the head of a request may have {MOST_HEAD_BYTES:,} bytes")
                return
        if at_boundary and self._whole is not None and self._messages == messages + 1 and self._between:
            end = data.find(b"\r\n\r\n") + 4
            if len(data) - end == self._whole.length:
                self._gate.learn(data[:end], self._whole)

    def _decline_upgrade(self, rest: bytes) -> None:
        """Read the request as if no upgrade had been asked for, which a server may do (RFC 9110, section 7.8).

        The parser takes what is behind such a head for another protocol's. It is the body: some clients offer HTTP/2
        with their first request, whatever that is.
        """
        method, url = self.parser.get_method(), self.url
        if method == b"CONNECT":
            self._upgrades = False
            self._fatal(405, "this is no proxy")
            return
        lines = [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name not in _OF_UPGRADES]
        self.parser = httptools.HttpRequestParser(self)
        self._between = True
        self._parse(b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, url, b"".join(lines), rest))

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._between = False
        self._in_head = True
        self._head_bytes = 0
        self._messages += 1
        self._whole = None

    def on_headers_complete(self) -> None:
        self._in_head = False
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > MOST_HEAD_BYTES:
            self._fatal(431, f"the head of a request may have {MOST_HEAD_BYTES:,} bytes")
            return
        method, version = self.parser.get_method(), self.parser.get_http_version()
        self._upgrades = self.parser.should_upgrade()
        if self._upgrades:
            return
        self._hot = self._gate.hot(method, self.url, version, self.headers)
        if self._hot is None:
            self._cold()
        else:
            self._body = []

    def on_body(self, body: bytes) -> None:
        if self._dead:
            return
        if self._hot is None:
            super().on_body(body)
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._upgrades:
            return
        self._between = True
        if self._dead:
            return
        if self._hot is None:
            super().on_message_complete()
            return
        head, self._hot = self._hot, None
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        self._whole = head
        self._ask(head, body)

    def _ask(self, head: Head, body: bytes) -> None:
        """Admit the request and put it at the desk; its answer comes to ``respond``."""
        overload = self._gate.overload
        if overload is not None and overload.standing and self._turned_away(head, overload):
            return
        route = head.route
        counter = route.counter
        asked = HotRequest(self, head, OPEN)
        if head.watch is not None and (span := head.watch()):
            asked.span, asked.trace_id = span, span.trace_id
        self._line.append(asked)
        try:
            asked.ticket = head.door.admit()
        except PlimsollError as error:
            asked.failed(error)
            if overload is not None and overload.standing and not self._line:
                self._rest()
            return
        try:
            if head.key is not None:
                first, mine = counter.first.begin(head.key, body, tenant=asked.ticket.tenant)
                if not mine:
                    first.future.add_done_callback(asked.again)
                    return
                asked.first = first
            asked.request = request = route.read(body)
            asked.rows, asked.anonymous, asked.packed = request.questions, request.anonymous, request.packed
            counter.put(asked)
        except Exception as error:  # noqa: BLE001 - a supervisor: one request's failure is no other's
            if overload is not None and isinstance(error, Full):
                overload.overflowed()
            asked.failed(error)
        if len(self._line) >= MOST_PIPELINED:
            self.flow.pause_reading()

    def _turned_away(self, head: Head, overload: Overload) -> bool:
        """Whether the request is refused unread; what was asked before on this connection must be answered first."""
        late = self._woken == self._gate.resting.ticks
        if self._line or self._stopping or not overload.turns_away(head.priority, late=late):
            return False
        self.transport.write(self._gate.turned_away(overload, self.server_state.default_headers))
        head.route.counter.metrics.refused(503)
        self.server_state.total_requests += 1
        self._rest()
        return True

    def _rest(self) -> None:
        """Who comes back at once is not heard at once."""
        if not self._rests:
            self._rests = True
            self.flow.pause_reading()
            self._gate.resting.add(self)

    def wake(self) -> None:
        """The rest is over: what lies there was sent meanwhile."""
        self._rests = False
        self._woken = self._gate.resting.ticks
        if not self.transport.is_closing() and not self.flow.write_paused:
            self.flow.resume_reading()

    def _cold(self) -> None:
        """Leave the request to the ASGI application: now, or when those before it are answered."""
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        messages = self._messages
        super().on_message_begin()
        self._messages = messages
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(headers)
        if self._line:
            self.cycle = _BUSY  # so that uvicorn queues the next one
        super().on_headers_complete()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._line.append(Cold(cycle, app))
        else:
            self._line.append(Cold(self.cycle, None))

    # ── what goes out ────────────────────────────────────────────────────────────────────────────────────────────

    def respond(
        self, asked: HotRequest, body: bytes, status: int = 200, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """The response to ``asked``: written now if it is its turn, else when it is."""
        line = self._line
        if not line or line[0] is not asked:
            asked.response = Response(body, status, headers)
            return
        line.popleft()
        if self.transport.is_closing():
            return
        if status == 200 and not headers and not self._stopping:
            gate = self._gate
            if gate.date is not self.server_state.default_headers:
                gate.begin_with(self.server_state.default_headers)
            self.transport.write(b"%b%d\r\n\r\n%b" % (gate.front, len(body), body))
        else:
            self._write(Response(body, status, headers, last=self._stopping and not line))
        self.server_state.total_requests += 1
        if line or self._stopping or self.flow.read_paused:
            self._advance()

    def on_response_complete(self) -> None:
        """The ASGI application has answered the request at the front."""
        self.server_state.total_requests += 1
        if self._line:
            self._line.popleft()
        if not self.transport.is_closing():
            self._advance()

    def _advance(self) -> None:
        """Write the responses that are ready and begin the cold request that is now at the front."""
        line = self._line
        while line:
            front = line[0]
            if isinstance(front, Cold):
                if front.app is not None:
                    app, front.app = front.app, None
                    if self._stopping and len(line) == 1:
                        front.cycle.keep_alive = False
                    self._start_asgi_task(front.cycle, app)
                break
            if front.response is None:
                break
            line.popleft()
            front.response.last |= self._stopping and not line
            self._write(front.response)
            if isinstance(front, HotRequest):
                self.server_state.total_requests += 1
            if front.response.last:
                return
        if not line and self._stopping and self._between:
            self.transport.close()
        elif len(line) < MOST_PIPELINED and not self.flow.write_paused and not self._rests:
            self.flow.resume_reading()

    def _write(self, response: Response) -> None:
        phrase = HTTPStatus(response.status).phrase
        headers = {
            **{name.decode(): value.decode() for name, value in self.server_state.default_headers},
            "content-type": "application/json",
            "content-length": str(len(response.body)),
            **response.headers,
        }
        if response.last:
            headers["connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 {response.status} {phrase}\r\n{lines}\r\n".encode("latin-1") + response.body)
        if response.last:
            self.transport.close()

    def _fatal(self, status: int, message: str) -> None:
        """The last thing that is said on this connection, after what was asked before has been answered."""
        if self._dead:
            return
        self._dead = self._stopping = True
        _log.info("a connection is closed: %s", message)
        if self._line and isinstance(self._line[-1], Cold) and not self._between and self._hot is None:
            unfinished = self._line[-1].cycle  # its body will not come
            if not unfinished.response_complete and not self._in_head:
                self._line.pop()
                unfinished.disconnected = True
                unfinished.message_event.set()
        self._between = True
        self._line.append(Last(Response(problem(message), status, {}, last=True)))
        if len(self._line) == 1:
            self._advance()

    # ── the connection ───────────────────────────────────────────────────────────────────────────────────────────

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever asked has gone. What is at the desk is answered and recorded all the same."""
        for waiting in self._line:
            if isinstance(waiting, Cold):
                waiting.cycle.disconnected = True
                waiting.cycle.message_event.set()
        self._line.clear()
        self._dead = True
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server stops: finish what has begun, then close."""
        self._stopping = True
        if not self._line and self._between:
            self.transport.close()
        elif self._line and isinstance(self._line[-1], Cold):
            self._line[-1].cycle.keep_alive = False

    def pause_writing(self) -> None:
        """The client does not read: ask it for nothing more until it does."""
        super().pause_writing()
        if self._between:
            self.flow.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if len(self._line) < MOST_PIPELINED and not self._rests:
            self.flow.resume_reading()

    def sweep(self) -> None:
        """Called once a second: close what has been idle, unfinished or unread for too long."""
        messages, sweeps = self._swept
        sweeps = sweeps + 1 if messages == self._messages else 0
        self._swept = (self._messages, sweeps)
        if self._rests or (self._line and not self.flow.write_paused and self._between):
            return  # it is the server's turn
        if self.flow.write_paused:
            if sweeps >= RECEIVE_S:
                self.transport.abort()
        elif not self._between:
            if sweeps >= RECEIVE_S:
                self._fatal(408, f"the request did not arrive within {RECEIVE_S} s")
        elif sweeps >= self.timeout_keep_alive:
            self.transport.close()


_OF_UPGRADES = (b"connection", b"upgrade", b"http2-settings")


class _Busy:
    """Stands for a request before the next one that is not answered yet."""

    response_complete = False


_BUSY: Any = _Busy()
