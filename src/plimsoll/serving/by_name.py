"""A release that is asked for by its name: beside the rollout, for who may load.

Who compares two releases by hand, or looks into one that is gone, asks for a version. It is loaded if it is not here,
once, however many ask for it, and on a thread of its own, so that nobody else waits; it has reproduced its golden answers
before it answers anybody. Such an answer is recorded, with the role ``asked``, and is no exposure: nobody answers beside
it, nothing stands in for it, and no verdict rests on it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from plimsoll.errors import PlimsollError, Unavailable
from plimsoll.kernel.digest import short
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.serving.batch import Turn
from plimsoll.serving.pipeline import Pipeline
from plimsoll.serving.refusals import Full
from plimsoll.serving.replica import Fleet, Loaded
from plimsoll.serving.reply import Reply

MOST_LOADING = 8
"""Releases that are loaded or wait for it at once. Who asks for one more is told to come back."""
REFUSED_FOR_S = 30.0
"""A release that could not be loaded is not tried again before that."""
_COME_BACK_S = 2.0


class ByName:
    """The way of such questions, of one capability. Belongs to one event loop; ``close`` finishes what was begun.

    ``find``: a digest or label → the release; raises NotFound. ``wait_s``: how long a caller without a deadline waits
    for a release to be loaded.
    """

    def __init__(self, fleet: Fleet, pipeline: Pipeline, find: Callable[[str], ReleaseRow], *, wait_s: float) -> None:
        self._fleet, self._pipeline, self._find, self._wait_s = fleet, pipeline, find, wait_s
        self._under_way: dict[str, asyncio.Future[Loaded]] = {}
        self._failed: dict[str, tuple[float, PlimsollError]] = {}
        self._finder = ThreadPoolExecutor(1, "plimsoll-find")
        self._loader = ThreadPoolExecutor(1, "plimsoll-load")
        self._answerer = ThreadPoolExecutor(1, "plimsoll-by-name")

    @property
    def loading(self) -> list[str]:
        """The releases that are on their way into memory."""
        return list(self._under_way)

    async def loaded(self, version: str, *, deadline_s: float = 0.0) -> Loaded:
        """The release, ready. ``deadline_s``: of the monotonic clock; 0.0 is ``wait_s`` from now.

        Raises NotFound, what kept it from being ready, Full where too many are being loaded, and Unavailable where it is
        not ready in time: it is loaded on all the same, and there for who comes back.
        """
        loop = asyncio.get_running_loop()
        if (here := self._fleet.asked_for(version)) is not None:
            return here
        row = await loop.run_in_executor(self._finder, self._find, version)
        if (here := self._fleet.asked_for(row.digest)) is not None:
            return here
        work = self._under_way.get(row.digest) or self._begin(row)
        left_s = max(0.0, deadline_s - time.monotonic()) if deadline_s else self._wait_s
        done, _ = await asyncio.wait([work], timeout=left_s)
        if not done:
            raise Unavailable(
                f"{short(row.digest)} is being loaded", hint="ask again in a moment", retry_after_s=_COME_BACK_S
            )
        return work.result()

    async def ask(self, release: Loaded, turn: Turn) -> list[Reply]:
        """What it says, recorded."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._answerer, self._pipeline.reply_by_name, turn, release)

    def _begin(self, row: ReleaseRow) -> asyncio.Future[Loaded]:
        self._told(row.digest)
        if len(self._under_way) >= MOST_LOADING:
            raise Full(f"{len(self._under_way)} releases are being loaded already", retry_after_s=_COME_BACK_S)
        work = asyncio.get_running_loop().run_in_executor(self._loader, self._fleet.load, row)
        self._under_way[row.digest] = work
        work.add_done_callback(lambda _: self._over(row.digest, work))
        return work

    def _told(self, digest: str) -> None:
        """Raises again what kept the release from being ready a moment ago: trying costs as much each time."""
        until_s, error = self._failed.get(digest, (0.0, None))
        if error is not None and time.monotonic() < until_s:
            raise error
        self._failed.pop(digest, None)

    def _over(self, digest: str, work: asyncio.Future[Loaded]) -> None:
        del self._under_way[digest]
        error = work.exception()
        if isinstance(error, PlimsollError) and not isinstance(error, Unavailable):
            while len(self._failed) >= MOST_LOADING:
                del self._failed[next(iter(self._failed))]
            self._failed[digest] = time.monotonic() + REFUSED_FOR_S, error

    async def close(self) -> None:
        """Wait for what was begun, and end the threads."""
        if under_way := list(self._under_way.values()):
            await asyncio.wait(under_way)
        for threads in (self._finder, self._loader, self._answerer):
            threads.shutdown(wait=False)
