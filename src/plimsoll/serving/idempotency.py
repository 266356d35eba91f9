"""A request sent again under the same Idempotency-Key gets the first answer (IETF draft
``draft-ietf-httpapi-idempotency-key-header``): one question is one event, however often its caller had to try."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial

from plimsoll.errors import Unavailable, UsageError
from plimsoll.kernel.digest import digest_bytes
from plimsoll.serving.oip import Written

_LONGEST = 255
_KEY = re.compile(rf"[!-~]{{1,{_LONGEST}}}")


class FirstAnswer:
    """The first answer under a key: still to come, or there. Whoever began it gives it, or fails and lets go of the key."""

    __slots__ = ("_let_go", "future")

    def __init__(self, let_go: Callable[[], None]) -> None:
        self._let_go = let_go
        self.future: asyncio.Future[Written] = asyncio.get_running_loop().create_future()

    def give(self, written: Written) -> None:
        if not self.future.done():
            self.future.set_result(written)

    def fail(self, error: BaseException) -> None:
        self._let_go()
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # it is no loss if nobody else waits for it


class FirstAnswers:
    """The newest ``capacity`` answers by key. In this process only; kept until they are pushed out."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[tuple[str, str], tuple[str, FirstAnswer]] = OrderedDict()

    def begin(self, said_key: str, body: bytes, *, tenant: str = "") -> tuple[FirstAnswer, bool]:
        """The first answer under the key, and whether it is the caller's to give. Tenants have keys of their own: nobody
        gets an answer that another was given.

        Raises UsageError when the key came with another body before.
        """
        if not _KEY.fullmatch(said_key):
            raise UsageError(
                f"the Idempotency-Key {said_key!r:.80} is none: it has {len(said_key)} characters",
                hint=f"it is 1 to {_LONGEST} visible characters of ASCII, as a UUID is",
            )
        key = (tenant, said_key)
        said = digest_bytes(body)
        if key in self._kept:
            before, first = self._kept[key]
            if before != said:
                raise UsageError(f"the Idempotency-Key {said_key!r:.80} came with another request before")
            return first, False
        first = FirstAnswer(lambda: self._drop(key, first))
        self._kept[key] = (said, first)
        while len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return first, True

    async def of(
        self, said_key: str | None, body: bytes, work: Callable[[], Awaitable[Written]], *, tenant: str = ""
    ) -> Written:
        """The first answer under the key, or ``work``'s. A failed one is not kept: it may be tried again.

        Raises what ``begin`` does.
        """
        if said_key is None:
            return await work()
        first, mine = self.begin(said_key, body, tenant=tenant)
        if not mine:
            return await asyncio.shield(first.future)
        working = asyncio.ensure_future(work())
        working.add_done_callback(partial(_over, first))
        return await asyncio.shield(working)  # whoever asked may go: what was begun is finished, and kept

    def _drop(self, key: tuple[str, str], first: FirstAnswer) -> None:
        if key in self._kept and self._kept[key][1] is first:
            del self._kept[key]


def _over(first: FirstAnswer, working: asyncio.Future[Written]) -> None:
    if working.cancelled():
        first.fail(Unavailable("the server is stopping"))
    elif error := working.exception():
        first.fail(error)
    else:
        first.give(working.result())
