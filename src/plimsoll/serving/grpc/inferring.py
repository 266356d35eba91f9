"""One inference over gRPC: in the hands of the loop from its admission to its replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from plimsoll.errors import PlimsollError
from plimsoll.serving import gate, oip
from plimsoll.serving.conduct import counter_of
from plimsoll.serving.form import Form
from plimsoll.serving.grpc.bridge import Wait
from plimsoll.serving.grpc.lane import GrpcLane
from plimsoll.serving.grpc.messages import SERVICE
from plimsoll.serving.grpc.tensors import parameters_of, read
from plimsoll.serving.refusals import status_of
from plimsoll.serving.reply import Reply
from plimsoll.serving.repository import Releases
from plimsoll.serving.seams import OPEN, Admission, Headers, Span, Ticket, Tracer

_OPERATION = f"{SERVICE}/ModelInfer"


class Counter(gate.Counter, Releases, Protocol):
    """One capability that is asked for here."""


class Counted(Protocol):
    def refused(self, status: int) -> None: ...


class Counters(Protocol):
    """What the edge stands in front of: the counters by name, and what they share."""

    body_limit_bytes: int
    admission: Admission
    tracer: Tracer | None

    @property
    def counters(self) -> Mapping[str, Counter]: ...

    @property
    def only(self) -> str: ...

    @property
    def ready(self) -> str:
        """``""`` when every capability answers, else why one does not."""
        ...

    def counted(self, capability: str) -> Counted: ...


def asked_of(message: Any, form: Form, kind: str) -> oip.InferRequest:
    """What a ModelInferRequest asks. Raises UsageError."""
    return oip.asked(
        read(message),
        form,
        kind,
        id=message.id,
        parameters=parameters_of(message.parameters),
        outputs=[(output.name, parameters_of(output.parameters)) for output in message.outputs],
    )


class Inferring:
    """An asking of the desk's, whose thread waits. ``begin`` runs on the loop, ``replies`` in the thread."""

    __slots__ = (
        "_at",
        "_headers",
        "_lane",
        "_message",
        "_said",
        "_span",
        "_wait",
        "anonymous",
        "kind",
        "packed",
        "request",
        "rows",
        "ticket",
        "trace_id",
    )

    def __init__(self, counters: Counters, message: Any, headers: Headers, lane: GrpcLane | None) -> None:
        self._at = counters
        self._lane = lane
        self._message = message
        self._headers = headers
        self._wait = Wait()
        self._said: Sequence[Reply] | Exception = ()
        self._span: Span | None = None
        self.request: oip.InferRequest | None = None
        self.rows: Sequence[dict[str, Any]] = ()
        self.anonymous = False
        self.packed: bytes | None = None
        self.ticket: Ticket = OPEN
        self.trace_id = ""
        self.kind = ""

    def begin(self) -> None:
        """Admit it, read it, and put it at the desk: nothing is read for somebody who may not ask."""
        at, message = self._at, self._message
        try:
            if at.tracer is not None:
                served = message.model_name if message.model_name in at.counters else ""
                self._span = at.tracer.begin(self._headers, served, _OPERATION)
                self.trace_id = self._span.trace_id if self._span is not None else ""
            self.ticket = at.admission.admit(self._headers, message.model_name)
            counter = counter_of(at.counters, message.model_name)
            self.kind = counter.capability.task.kind
            found = self._lane.read(message) if self._lane is not None else None
            self.request = request = asked_of(message, counter.form, self.kind) if found is None else found
            self.rows, self.anonymous, self.packed = request.questions, request.anonymous, request.packed
            counter.put(self)
        except Exception as error:  # noqa: BLE001 - a supervisor: the thread that waits is told, and raises it
            self.failed(error)

    def answered(self, replies: Sequence[Reply]) -> None:
        if self._span is not None:
            self._span.answered(replies[0].event.stages_us)
        self._over(replies, 200)

    def failed(self, error: Exception) -> None:
        self._over(error, status_of(error) if isinstance(error, PlimsollError) else 500)

    def _over(self, said: Sequence[Reply] | Exception, status: int) -> None:
        self._said = said
        self.ticket.done()
        if self._span is not None:
            self._span.end(status)
        self._wait.over()

    def replies(self, remaining_s: float | None) -> Sequence[Reply]:
        """What the desk said, or raised. Raises TooLate; the desk then answers nobody, and records it all the same."""
        self._wait.until(remaining_s)
        if isinstance(self._said, Exception):
            raise self._said
        return self._said
