"""A request sent again under the same Idempotency-Key gets the first answer (IETF draft
``draft-ietf-httpapi-idempotency-key-header``): one question is one event, however often its caller had to try."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from plimsoll.errors import UsageError
from plimsoll.kernel.digest import digest_bytes
from plimsoll.serving.oip import Written

_LONGEST = 255
_KEY = re.compile(rf"[!-~]{{1,{_LONGEST}}}")


class FirstAnswers:
    """The newest ``capacity`` answers by key. In this process only; kept until they are pushed out."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[str, tuple[str, asyncio.Future[Written]]] = OrderedDict()

    async def of(self, key: str | None, body: bytes, work: Callable[[], Awaitable[Written]]) -> Written:
        """The first answer under ``key``, or ``work``'s. A failed one is not kept: it may be tried again.

        Raises UsageError when the key came with another body before.
        """
        if key is None:
            return await work()
        if not _KEY.fullmatch(key):
            raise UsageError(
                f"the Idempotency-Key {key!r:.80} is none: it has {len(key)} characters",
                hint=f"it is 1 to {_LONGEST} visible characters of ASCII, as a UUID is",
            )
        said = digest_bytes(body)
        if key in self._kept:
            first, kept = self._kept[key]
            if first != said:
                raise UsageError(f"the Idempotency-Key {key!r:.80} came with another request before")
            return await asyncio.shield(kept)
        future = asyncio.ensure_future(work())
        self._kept[key] = (said, future)
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        try:
            return await asyncio.shield(future)
        finally:
            if future.done() and (future.cancelled() or future.exception() is not None):
                self._kept.pop(key, None)
