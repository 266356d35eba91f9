"""Where policies plug into the request's way, and what stands there when none is configured.

In order of use: who may ask (``Admission``), whether somebody has to look (``Tracer``), whether the answer is known
already (``ResponseCache``), and what is done with a score (``AnswerPolicy``). The first two are called on the event
loop's thread for every request and must return in about a microsecond: what needs I/O is fetched beforehand, or
beside. The other two see a turn's questions at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from plimsoll.kernel import access
from plimsoll.kernel.records import Action, Answer
from plimsoll.serving.admission.loopback import from_this_machine, only_here
from plimsoll.serving.admission.overload import Overload
from plimsoll.serving.replica import Loaded

Headers = Sequence[tuple[bytes, bytes]]
"""As ASGI gives them: names in lower case, in order, repeated ones repeated. gRPC metadata takes the same form."""


class Ticket(Protocol):
    """One admitted request. ``tenant`` and ``principal`` are recorded with its events; ``""`` is nobody in particular.

    ``priority``: a larger one goes first. ``deadline_s``: when its caller stops waiting, on ``time.monotonic``; 0.0
    is never.
    """

    @property
    def principal(self) -> str: ...

    @property
    def tenant(self) -> str: ...

    @property
    def priority(self) -> int: ...

    @property
    def deadline_s(self) -> float: ...

    def more(self, questions: int) -> None:
        """The request has so many questions besides the one that it was admitted for. Raises Limited (429), or UsageError
        where so many would never be let in."""
        ...

    def done(self) -> None:
        """The request is answered, or given up: its place among those that run at once is free. Called once."""
        ...


class Door(Protocol):
    """Where requests come in that have the same headers, one after the other."""

    def admit(self) -> Ticket:
        """As ``Admission.admit`` with these headers, at this moment."""
        ...


class Admission(Protocol):
    """Says who asks, and whether they may now."""

    @property
    def overload(self) -> Overload | None:
        """What counts who is inside, so that an edge may turn somebody away before it reads what is asked."""
        ...

    def admit(self, headers: Headers, capability: str, action: access.Action = "ask") -> Ticket:
        """A ticket. Raises Unauthenticated (401), Refused (403), Limited (429), TooLate (504) or Unavailable (503); then
        there is no ticket to give back. ``capability`` is ``""`` for what concerns none in particular."""
        ...

    def door(self, headers: Headers, capability: str) -> Door:
        """For requests that ask ``capability`` with these headers. Never raises; nobody is let in by it alone."""
        ...

    def control(self, headers: Headers, peer: str, action: access.Action = "operate", capability: str = "") -> Ticket:
        """A ticket for what changes the server, asked from the address ``peer`` (``""``: a Unix socket). Raises as
        ``admit`` does; it is never limited and never shed."""
        ...

    def refresh(self) -> None:
        """See what changed about who may ask. Called a few times a second, by any thread."""
        ...


class OpenTicket:
    """Anybody's: it holds no place and never ends."""

    principal: Final = ""
    tenant: Final = ""
    priority: Final = 0
    deadline_s: Final = 0.0

    def more(self, questions: int) -> None:
        """Nothing counts them."""

    def done(self) -> None:
        """There is no place to give back."""


OPEN: Final = OpenTicket()


class AnyDoor:
    """The door of an admission that has nothing to gain from seeing the same headers again."""

    __slots__ = ("_admission", "_capability", "_headers")

    def __init__(self, admission: Admission, headers: Headers, capability: str) -> None:
        self._admission, self._headers, self._capability = admission, headers, capability

    def admit(self) -> Ticket:
        return self._admission.admit(self._headers, self._capability)


class OpenAdmission:
    """Everybody may, always: what a server on the loopback interface has until keys are configured."""

    overload: Final = None

    def admit(self, headers: Headers, capability: str, action: access.Action = "ask") -> OpenTicket:
        return OPEN

    def door(self, headers: Headers, capability: str) -> AnyDoor:
        return AnyDoor(self, headers, capability)

    def control(
        self, headers: Headers, peer: str, action: access.Action = "operate", capability: str = ""
    ) -> OpenTicket:
        """Only who is on this machine."""
        if not from_this_machine(peer, headers):
            raise only_here()
        return OPEN

    def refresh(self) -> None:
        """Nothing changes."""


class Span(Protocol):
    """One traced request. ``trace_id`` in hex is recorded with its events."""

    @property
    def trace_id(self) -> str: ...

    def answered(self, stages_us: Sequence[int]) -> None:
        """Its questions are answered: what their turn spent in each of STAGES."""
        ...

    def end(self, status: int) -> None:
        """The response has left with this status. Called once."""
        ...


class Tracer(Protocol):
    """Watches some of the requests. A server without one has None in its place."""

    def begin(self, headers: Headers, capability: str, operation: str) -> Span | None:
        """A span if this request is watched: as ``traceparent`` says (W3C Trace Context), else by sampling.

        ``operation`` is the route's template, never a path that a caller made up.
        """
        ...

    def watch(self, headers: Headers, capability: str, operation: str) -> Callable[[], Span | None]:
        """``begin`` for requests that all have these headers: a connection's, one after the other."""
        ...


class ResponseCache(Protocol):
    """Answers by key; a key covers all that an answer follows from: the release, the tenant, and what was asked.

    It outlives releases: another release has other keys. ``inline``: finding and keeping do no I/O, so that they may
    happen on the event loop's thread. The same question asked several times in a turn is looked for once, and so
    is one that another turn is still asking (single flight).
    """

    @property
    def inline(self) -> bool: ...

    def find(self, keys: Sequence[bytes]) -> Sequence[Answer | None]:
        """What is kept and still fresh, in order. Never raises: a cache that is away has nothing."""
        ...

    def keep(self, keys: Sequence[bytes], answers: Sequence[Answer]) -> None:
        """Keep these; none of them has an error. Never raises."""
        ...

    def give_up(self, keys: Sequence[bytes]) -> None:
        """These were looked for and asked, and there was no answer: who waits for one asks by itself. Never raises."""
        ...


class Judgement(NamedTuple):
    """What is done with each score of a batch, and why: ``reasons`` are words for machines, ``""`` for a plain answer.
    ``confidences`` lie in [0, 1], None where nothing depends on one."""

    actions: Sequence[Action]
    reasons: Sequence[str]
    confidences: Sequence[float | None]


class AnswerPolicy(Protocol):
    """Decides over a batch of scores that one release gave. Rows with the reason ``unsure`` go down the list of the
    release's rule (``standing_in``); the others have the action that is said, ``fallback`` with the fallback's answer."""

    def judge(self, release: Loaded, scores: Sequence[Any], kind: str) -> Judgement:
        """``scores``: one a question, or one tuple of probabilities. Pure; ``kind`` is the task's."""
        ...
