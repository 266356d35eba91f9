"""One inference over gRPC: in the hands of the loop from its admission to its replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from plimsoll.errors import PlimsollError
from plimsoll.serving import gate, oip
from plimsoll.serving.conduct import known, unpinned
from plimsoll.serving.grpc.bridge import Wait
from plimsoll.serving.grpc.messages import SERVICE
from plimsoll.serving.grpc.tensors import parameters_of, read
from plimsoll.serving.pipeline import Reply
from plimsoll.serving.refusals import status_of
from plimsoll.serving.seams import OPEN, Headers, Span, Ticket

_OPERATION = f"{SERVICE}/ModelInfer"


class Counter(gate.Counter, Protocol):
    """What the edge stands in front of."""

    body_limit_bytes: int

    @property
    def ready(self) -> str:
        """``""`` when it answers, else why it does not."""
        ...

    @property
    def versions(self) -> list[str]: ...

    @property
    def refused(self) -> Mapping[str, str]: ...

    async def load(self, version: str) -> None: ...

    async def unload(self, version: str) -> None: ...


class Inferring:
    """An asking of the desk's, whose thread waits. ``begin`` runs on the loop, ``replies`` in the thread."""

    def __init__(self, counter: Counter, message: Any, headers: Headers) -> None:
        self._at = counter
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

    def begin(self) -> None:
        """Admit it, read it, and put it at the desk: nothing is read for somebody who may not ask."""
        at, message = self._at, self._message
        try:
            if at.tracer is not None:
                self._span = at.tracer.begin(self._headers, at.capability.name, _OPERATION)
                self.trace_id = self._span.trace_id if self._span is not None else ""
            self.ticket = at.admission.admit(self._headers, message.model_name)
            known(at, message.model_name, message.model_version)
            unpinned(message.model_name, message.model_version)
            self.request = request = self._read()
            self.rows, self.anonymous = request.questions, request.anonymous
            at.put(self)
        except Exception as error:  # noqa: BLE001 - a supervisor: the thread that waits is told, and raises it
            self.failed(error)

    def _read(self) -> oip.InferRequest:
        message = self._message
        return oip.asked(
            read(message),
            self._at.form,
            self._at.capability.task.kind,
            id=message.id,
            parameters=parameters_of(message.parameters),
            outputs=[(output.name, parameters_of(output.parameters)) for output in message.outputs],
        )

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
