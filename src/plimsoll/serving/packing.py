"""Responses packed with gzip for a caller who takes it, where that saves something."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_LEAST_BYTES = 1_024
_LEVEL = 1
"""Of 9: an answer is waited for, and most of it is numbers."""


class Packed:
    """The application, packing what is large enough for those who accept gzip (RFC 9110, section 12.5.3)."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._packing = GZipMiddleware(app, minimum_size=_LEAST_BYTES, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        packing = scope["type"] == "http" and takes_gzip(Headers(scope=scope).get("accept-encoding", ""))
        await (self._packing if packing else self._plain)(scope, receive, send)


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding names gzip, and not with a weight of zero."""
    for part in accepted.split(","):
        coding, _, weight = part.partition(";")
        if coding.strip().lower() in ("gzip", "x-gzip"):
            value = weight.strip().lower().removeprefix("q=").strip()
            return not value or value.strip("0.") != ""
    return False
