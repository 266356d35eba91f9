"""A small client: ask a question, tell later what turned out. Standard library and msgspec only.

::

    client = Client("http://127.0.0.1:8080", "arrival-delay")
    answer = client.ask(flight_id="2013-02-01-UA-1545-EWR", origin="EWR", carrier="UA")
    client.tell(answer.event_id, True)
"""

from __future__ import annotations

import http.client
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from plimsoll.errors import Broken, PlimsollError, Refused, Unavailable, UsageError

_LONGEST_WAIT_S = 2.0


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


class Client:
    """Asks one capability over a connection that is kept open. Threads may share it; they take turns.

    ``retries``: how often a request is sent again where that is safe: it was never taken, the server said to come
    back (503), or it carries a key under which a running server gives its first answer again. Raises UsageError for
    a question that is wrong, Unavailable when nobody answers, Broken for the server's own faults.
    """

    def __init__(self, url: str, capability: str, *, timeout_s: float = 5.0, retries: int = 2) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url!r} is no address of a server", hint='for example "http://127.0.0.1:8080"')
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout_s)
        self._url = url
        self._path = parts.path.rstrip("/")
        self._ask_path = f"/v1/capabilities/{quote(capability, safe='')}/ask"
        self._retries = retries
        self._one_at_a_time = threading.Lock()

    def ask(self, **inputs: Any) -> Answered:
        """The answer to one question; ``inputs`` are its columns. Times may be datetimes; None is a missing value."""
        body = msgspec.json.encode({"inputs": inputs})
        said = self._post(self._ask_path, body, {"idempotency-key": str(uuid.uuid4())})
        return msgspec.json.decode(said, type=Answered)

    def tell(self, event_id: str, label: float | bool | str, at: datetime | None = None) -> Told:
        """Say what turned out, and when it became known (default: now). Telling twice counts once."""
        return self.tell_all([(event_id, label, at)])

    def tell_all(self, outcomes: Iterable[tuple[str, float | bool | str, datetime | None]]) -> Told:
        """Many outcomes in one request: (event id, label, when it became known or None)."""
        reports = [{"event_id": e, "label": label, "at": at} for e, label, at in outcomes]
        return msgspec.json.decode(self._post("/v1/outcomes", msgspec.json.encode(reports), {}), type=Told)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        for attempt in range(self._retries + 1):
            try:
                return self._once(path, body, headers)
            except Unavailable as error:
                if attempt == self._retries:
                    raise
                wait_s = min(error.retry_after_s, _LONGEST_WAIT_S, 0.05 * 4**attempt)
            time.sleep(wait_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _once(self, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        with self._one_at_a_time:
            try:
                self._connection.request(
                    "POST", self._path + path, body, {"content-type": "application/json", **headers}
                )
                response = self._connection.getresponse()
                said = response.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()  # the next request opens a new one
                raise Unavailable(
                    f"{self._url} does not answer: {error or type(error).__name__}",
                    hint="is the server running there? start it in the capability's folder: plimsoll up",
                ) from error
        if response.status != 200:
            raise _refusal(response.status, said, response.getheader("retry-after"))
        return said


def _refusal(status: int, said: bytes, retry_after: str | None) -> PlimsollError:
    """The server's ``{"error": …}`` as the error it was there."""
    try:
        details = msgspec.json.decode(said, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError):
        details = {}
    message = str(details.pop("error", "") or f"the server answered with status {status}")
    if status == 503:
        wait_s = float(retry_after) if retry_after and retry_after.isdecimal() else 1.0
        return Unavailable(message, details=details, retry_after_s=wait_s)
    if status == 403:
        return Refused(message, details=details)
    if 400 <= status < 500:
        return UsageError(message, details=details)
    return Broken(message, hint="see the server's log", details=details)
