"""What goes over the wire, and what it means: requests as bytes, responses as values or as the errors they were."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from plimsoll.errors import Broken, PlimsollError, Refused, Unavailable, UsageError

Label = float | bool | str
Outcome = tuple[str, Label, datetime | None] | tuple[str, Label, datetime | None, Mapping[str, float]]
"""(event id, what turned out, when it became known or None for now), and further numbers of it by name."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. ``score``: a probability, one for each of ``classes``, or a value; None where ``action`` is
    ``abstain`` or ``person``. ``reason`` is empty for the release's own answer, else why there is another or none, and
    what stands in (``unsure: person``); ``says`` is that in words to show. ``event_id`` is what its outcome is told
    under."""

    event_id: str
    score: float | tuple[float, ...] | None
    action: str
    release: str
    asked_at: datetime
    classes: tuple[str, ...] = ()
    reason: str = ""
    says: str = ""

    @property
    def answered(self) -> bool:
        """False where there is no score to act on."""
        return self.score is not None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the outcomes: each is in exactly one of these counts."""

    accepted: int = 0
    duplicate: int = 0
    conflicting: int = 0
    unknown: int = 0
    late: int = 0


class Request(NamedTuple):
    """One POST, the same at every attempt: its key makes a second one safe."""

    path: str
    body: bytes
    headers: Mapping[str, str]


class Address:
    """Where the server is, which capability is asked, and as whom. The credential appears in no message."""

    def __init__(
        self,
        url: str,
        capability: str,
        *,
        key: str = "",
        token: str = "",
        traceparent: Callable[[], str] | None = None,
    ) -> None:
        if key and token:
            raise UsageError("give a key or a token, not both", hint="key=… for an API key, token=… for a JWT")
        self.url = url
        self.parts: SplitResult = urlsplit(url)
        if self.parts.scheme not in ("http", "https") or not self.parts.hostname:
            raise UsageError(f"{url!r} is no address of a server", hint='for example "http://127.0.0.1:8080"')
        self._base = self.parts.path.rstrip("/")
        self._capability = f"/v1/capabilities/{quote(capability, safe='')}"
        self._outcomes = f"/v1/outcomes?capability={quote(capability, safe='')}"
        self._traceparent = traceparent
        self._headers = {"content-type": "application/json"}
        if key:
            self._headers["x-api-key"] = key
        if token:
            self._headers["authorization"] = f"Bearer {token}"

    def question(self, inputs: Mapping[str, Any]) -> Request:
        """Times may be datetimes; None is a missing value."""
        headers = self._headers | {"idempotency-key": str(uuid.uuid4())}
        if self._traceparent is not None and (parent := self._traceparent()):
            headers["traceparent"] = parent
        return Request(self._base + self._capability, msgspec.json.encode(inputs), headers)

    def outcomes(self, outcomes: Iterable[Outcome]) -> Request:
        names = ("event_id", "label", "at", "values")
        reports = [dict(zip(names, outcome, strict=False)) for outcome in outcomes]
        return Request(self._base + self._outcomes, msgspec.json.encode(reports), self._headers)

    def away(self, error: BaseException) -> Unavailable:
        """Nobody answered, or not to the end."""
        return Unavailable(
            f"{self.url} does not answer: {error or type(error).__name__}",
            hint="is the server running there? start it in the capability's folder: plimsoll up",
            retry_after_s=0.0,
        )


def read_answer(said: bytes) -> Answered:
    return msgspec.json.decode(said, type=Answered)


def read_told(said: bytes) -> Told:
    return msgspec.json.decode(said, type=Told)


def refusal(status: int, said: bytes, retry_after: str | None) -> PlimsollError:
    """The server's ``{"error": …}`` as the error it was there."""
    try:
        details = msgspec.json.decode(said, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # a proxy's page, perhaps
        details = {}
    message = str(details.pop("error", "") or f"the server answered with status {status}")
    if status in (429, 503, 504):
        wait_s = float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
        return Unavailable(message, details=details, retry_after_s=wait_s)
    if status in (401, 403):
        return Refused(message, details=details)
    if 400 <= status < 500:
        return UsageError(message, details=details)
    return Broken(message, hint="see the server's log", details=details)
