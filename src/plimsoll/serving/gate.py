"""What the connections of a server share: which requests are hot, and how each kind of them is read and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from plimsoll.capability import Capability
from plimsoll.kernel.access import Priority
from plimsoll.serving import plain
from plimsoll.serving.admission import Overload
from plimsoll.serving.admission.headers import PRIORITY, priority_of
from plimsoll.serving.asking import Asking
from plimsoll.serving.conduct import all_answered
from plimsoll.serving.form import Form
from plimsoll.serving.idempotency import FirstAnswers
from plimsoll.serving.metrics import Metrics
from plimsoll.serving.oip import Lane, Written
from plimsoll.serving.refusals import body_of_refusal, headers_of_refusal
from plimsoll.serving.reply import Reply
from plimsoll.serving.resting import Resting
from plimsoll.serving.seams import Admission, Door, Headers, Span, Tracer

_MOST_HEADS = 1_024
_LONGEST_HEAD = 2_048


class Counter(Protocol):
    """A capability that answers."""

    capability: Capability
    form: Form
    metrics: Metrics
    admission: Admission
    tracer: Tracer | None
    first: FirstAnswers

    def put(self, asking: Asking) -> None: ...


class Read(Protocol):
    """What a body asks: see ``Asking`` for each of these. What its response depends on besides is the route's own."""

    @property
    def questions(self) -> Sequence[dict[str, Any]]: ...

    @property
    def anonymous(self) -> bool: ...

    @property
    def packed(self) -> bytes | None: ...


class Fields(msgspec.Struct, frozen=True):
    """One question as it came, by the names of its fields."""

    questions: tuple[dict[str, Any]]
    anonymous: bool = False
    packed: bytes | None = None


class Route(Protocol):
    """One hot route of one capability: a body read, a response's body written. Both raise PlimsollError."""

    counter: Counter
    operation: str

    @property
    def read(self) -> Callable[[bytes], Read]: ...

    @property
    def write(self) -> Callable[[Any, Sequence[Reply]], Written]: ...


class InferRoute:
    """The Open Inference Protocol's inference, in JSON both ways."""

    operation = "/v2/models/{model}/infer"

    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        lane = Lane(counter.capability.name, counter.form, counter.capability.task.kind)
        self.read, self.write = lane.read, lane.write


class PlainRoute:
    """One question as named fields: the body's own, or those under ``inputs``."""

    def __init__(self, counter: Counter, operation: str, columns: Callable[[bytes], dict[str, Any]]) -> None:
        self.counter = counter
        self.operation = operation
        self._columns = columns
        self._classes = counter.capability.task.classes

    def read(self, body: bytes) -> Read:
        return Fields((self.counter.form.read(self._columns(body)),))

    def write(self, request: Any, replies: Sequence[Reply]) -> Written:
        return Written(plain.write(all_answered(replies)[0], self._classes))


class Head(NamedTuple):
    """The head of a hot request: where it goes, the door for its headers, who watches some of those that have them, how
    long its body is, its Idempotency-Key, and how urgent it says it is."""

    route: Route
    door: Door
    watch: Callable[[], Span | None] | None
    length: int
    key: str | None = None
    priority: Priority = "interactive"


class Gate:
    """The hot routes of a server, the heads of hot requests that were parsed before, and who is turned away.

    A client sends the same head with every request, but for the length. One that was parsed before, byte for byte,
    means the same again, whichever connection it comes on: it need not be parsed a second time.
    """

    def __init__(self, counters: Sequence[Counter], *, body_limit_bytes: int, overload: Overload | None = None) -> None:
        self.body_limit_bytes = body_limit_bytes
        self.overload = overload
        self.resting = Resting()
        self.heads: dict[bytes, Head] = {}
        self._routes: dict[bytes, Route] = {}
        for counter in counters:
            name = counter.capability.name.encode()
            self._routes[b"/v2/models/" + name + b"/infer"] = InferRoute(counter)
            plainly, ask = "/v1/capabilities/{model}", "/v1/capabilities/{model}/ask"
            self._routes[b"/v1/capabilities/" + name] = PlainRoute(counter, plainly, plain.fields)
            self._routes[b"/v1/capabilities/" + name + b"/ask"] = PlainRoute(counter, ask, plain.inputs)
        self.date: list[tuple[bytes, bytes]] = []
        self.front = b""
        """How a good response begins, up to the length, with the default headers of ``date``."""
        self._refusal: tuple[list[tuple[bytes, bytes]], str, bytes] = ([], "", b"")

    def hot(self, method: bytes, url: bytes, version: str, headers: Headers) -> Head | None:
        """Where a request goes that has nothing unusual about it; None for all that the ASGI application answers."""
        route = self._routes.get(url)
        if route is None or method != b"POST" or version != "1.1":
            return None
        length, key = -1, None
        priority: Priority = "interactive"
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"idempotency-key" and key is None:
                key = value.decode("latin-1")
            elif name == PRIORITY:
                priority = priority_of(value, "interactive")
            elif name in _UNUSUAL or (name in _USUAL and value.lower() not in _USUAL[name]):
                return None
        if not 0 <= length <= self.body_limit_bytes:
            return None
        counter, headers = route.counter, list(headers)
        asked, tracer = counter.capability.name, counter.tracer
        watch = None if tracer is None else tracer.watch(headers, asked, route.operation)
        return Head(route, counter.admission.door(headers, asked), watch, length, key, priority)

    def learn(self, raw: bytes, head: Head) -> None:
        if len(raw) <= _LONGEST_HEAD and head.key is None:  # a key is another one each time
            if len(self.heads) >= _MOST_HEADS:  # clients whose every head is another one: no use in keeping them
                self.heads.clear()
            self.heads[raw] = head

    def begin_with(self, default_headers: list[tuple[bytes, bytes]]) -> None:
        """Make ``front`` anew: the server's default headers have changed, as they do once a second."""
        self.front = _front(b"200 OK", default_headers)
        self.date = default_headers

    def turned_away(self, overload: Overload, default_headers: list[tuple[bytes, bytes]]) -> bytes:
        """The whole response to one that is turned away; made anew when the date or the time to wait changes."""
        overload.shed += 1
        error = overload.refusal()
        date, wait_s, response = self._refusal
        headers = headers_of_refusal(error)
        if date is not default_headers or wait_s != headers["retry-after"]:
            body = body_of_refusal(error)
            own = [(name.encode(), value.encode()) for name, value in headers.items()]
            front = _front(b"503 Service Unavailable", [*default_headers, *own])
            response = b"%b%d\r\n\r\n%b" % (front, len(body), body)
            self._refusal = default_headers, headers["retry-after"], response
        return response


def _front(status: bytes, headers: Headers) -> bytes:
    """How a response in JSON begins, up to its length."""
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %b\r\n%bcontent-type: application/json\r\ncontent-length: " % (status, lines)


_UNUSUAL = frozenset(
    [
        b"transfer-encoding",
        b"content-encoding",
        b"expect",
        b"upgrade",
        b"idempotency-key",
        b"inference-header-content-length",
    ]
)
_USUAL = {
    b"connection": frozenset([b"keep-alive"]),
    b"content-type": frozenset([b"application/json", b"application/json; charset=utf-8"]),
}


def problem(message: str) -> bytes:
    """The body of a refusal that has no PlimsollError to it."""
    return msgspec.json.encode({"error": message})
