"""Request bodies, read up to a limit: one that says it is larger is refused unread, one that turns out larger midway."""

from __future__ import annotations

from starlette.requests import Request

from plimsoll.serving.refusals import TooLarge


async def body_of(request: Request, limit_bytes: int) -> bytes:
    """The body. Raises TooLarge, holding at most ``limit_bytes`` and one chunk."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > limit_bytes:
        raise _too_large(limit_bytes)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(
        f"the body is larger than {limit_bytes:,} bytes",
        hint="send fewer questions in one request, or raise body_limit_bytes in plimsoll.toml under [server]",
    )
