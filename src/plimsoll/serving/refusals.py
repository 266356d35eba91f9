"""Errors as every edge says them: one status for each kind, one text, and when to come back."""

from __future__ import annotations

import msgspec

from plimsoll.errors import PlimsollError, Refused, Unavailable, UsageError


class NotFound(UsageError):
    """No such model, version or capability: 404."""


class TooLarge(UsageError):
    """The body is over the limit: 413."""


class UnknownCoding(UsageError):
    """The body is packed in a way that is not understood: 415."""


CODINGS = "gzip, deflate"
"""How a body may be packed."""


class Unauthenticated(Refused):
    """Nobody knows who asks: no credential, or none that is valid now: 401."""


class Limited(Unavailable):
    """This caller asks more than it may: 429. Others are answered."""


class Full(Unavailable):
    """There is no room for so many questions, whoever asks: 503."""


class TooLate(Unavailable):
    """The caller's time was over before there was an answer: 504."""


_STATUS: tuple[tuple[type[PlimsollError], int], ...] = (  # the first that fits
    (TooLarge, 413),
    (NotFound, 404),
    (UnknownCoding, 415),
    (UsageError, 400),
    (Unauthenticated, 401),
    (Refused, 403),
    (Limited, 429),
    (TooLate, 504),
    (Unavailable, 503),
)


def status_of(error: PlimsollError) -> int:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


A_BUG = "this is a fault of the server's; its log says more"
"""Nothing of the error itself: a stranger need not read it."""


def said_of_refusal(error: PlimsollError) -> str:
    """The message with the hint behind it."""
    return f"{error.message}; {error.hint}" if error.hint else error.message


def body_of_refusal(error: PlimsollError) -> bytes:
    """``{"error": "…"}`` with the details beside it."""
    return msgspec.json.encode({"error": said_of_refusal(error)} | error.details)


def headers_of_refusal(error: PlimsollError) -> dict[str, str]:
    """``Retry-After`` in whole seconds (RFC 9110, section 10.2.3); a challenge where a credential is wanted (11.6.1);
    the codings that are understood, where one was not (12.5.3)."""
    if isinstance(error, Unavailable):
        return {"retry-after": str(max(1, round(error.retry_after_s)))}
    if isinstance(error, Unauthenticated):
        return {"www-authenticate": "Bearer"}
    if isinstance(error, UnknownCoding):
        return {"accept-encoding": CODINGS}
    return {}
