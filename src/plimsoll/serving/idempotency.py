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
        self._kept: OrderedDict[tuple[str, str], tuple[str, asyncio.Future[Written]]] = OrderedDict()

    async def of(
        self, said_key: str | None, body: bytes, work: Callable[[], Awaitable[Written]], *, tenant: str = ""
    ) -> Written:
        """The first answer under the key, or ``work``'s. A failed one is not kept: it may be tried again. Tenants have
        keys of their own: nobody gets an answer that another was given.

        Raises UsageError when the key came with another body before.
        """
        if said_key is None:
            return await work()
        if not _KEY.fullmatch(said_key):
            raise UsageError(
                f"the Idempotency-Key {said_key!r:.80} is none: it has {len(said_key)} characters",
                hint=f"it is 1 to {_LONGEST} visible characters of ASCII, as a UUID is",
            )
        key = (tenant, said_key)
        said = digest_bytes(body)
        if key in self._kept:
            first, kept = self._kept[key]
            if first != said:
                raise UsageError(f"the Idempotency-Key {said_key!r:.80} came with another request before")
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
