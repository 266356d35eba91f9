"""Request bodies, read up to a limit: one that says it is larger is refused unread, one that turns out larger midway.

The limit is on what is read and on what it unpacks to: a small body that unpacks to a large one stops where the limit
is, and so does the work. Codings are those of RFC 9110, section 8.4.1; deflate is zlib's format, as it says there.
"""

from __future__ import annotations

import zlib
from typing import Protocol

from starlette.requests import Request

from plimsoll.errors import UsageError
from plimsoll.serving.refusals import CODINGS, TooLarge, UnknownCoding

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def body_of(request: Request, limit_bytes: int) -> bytes:
    """The body, unpacked. Holds at most ``limit_bytes`` of it and one chunk.

    Raises TooLarge, UnknownCoding for a coding that is not understood, UsageError for a body that is not in it.
    """
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > limit_bytes:
        raise _too_large(limit_bytes)
    taken = _taker(request.headers.get("content-encoding", ""), limit_bytes)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        taken.take(chunk)
    return taken.whole()


class _Taker(Protocol):
    def take(self, chunk: bytes) -> None: ...

    def whole(self) -> bytes: ...


def _taker(coding: str, limit_bytes: int) -> _Taker:
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return _Plain()
    if coding not in _WINDOW_BITS:
        raise UnknownCoding(f"the Content-Encoding is {coding!r:.40}", hint=f"send one of {CODINGS}, or none")
    return _Packed(coding, limit_bytes)


class _Plain:
    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def take(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def whole(self) -> bytes:
        return b"".join(self._chunks)


class _Packed:
    def __init__(self, coding: str, limit_bytes: int) -> None:
        self._coding = coding
        self._limit_bytes = self._left = limit_bytes
        self._unpacking = zlib.decompressobj(_WINDOW_BITS[coding])
        self._chunks: list[bytes] = []

    def take(self, chunk: bytes) -> None:
        try:
            unpacked = self._unpacking.decompress(chunk, self._left + 1)
        except zlib.error as error:
            raise UsageError(f"the body is not {self._coding}, as its Content-Encoding says: {error}") from error
        self._left -= len(unpacked)
        if self._left < 0:
            raise _too_large(self._limit_bytes)
        self._chunks.append(unpacked)

    def whole(self) -> bytes:
        if not self._unpacking.eof or self._unpacking.unused_data:
            end = "goes on behind its end" if self._unpacking.eof else "is cut off"
            raise UsageError(f"the body is {self._coding}, and {end}")
        return b"".join(self._chunks)


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(
        f"the body is larger than {limit_bytes:,} bytes",
        hint="send fewer questions in one request, or raise body_limit_bytes in plimsoll.toml under [server]",
    )
