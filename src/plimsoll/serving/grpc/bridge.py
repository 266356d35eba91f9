"""From the threads that gRPC calls us on to the event loop that the desk belongs to, and back."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Coroutine
from typing import Any, TypeVar

from plimsoll.serving.refusals import TooLate

_T = TypeVar("_T")
LONGEST_WAIT_S = 60.0
"""For a caller that set no deadline: a thread that waits is a thread that answers nobody else."""


class Bridge:
    """Runs coroutines on ``loop`` and waits for them in the calling thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def wait_for(self, work: Coroutine[Any, Any, _T], remaining_s: float | None) -> _T:
        """What ``work`` returns or raises. Raises TooLate, and cancels it, when the time is up."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        wait_s = LONGEST_WAIT_S if remaining_s is None else min(max(remaining_s, 0.0), LONGEST_WAIT_S)
        try:
            return future.result(wait_s)
        except concurrent.futures.TimeoutError as error:
            if future.done():  # it is what the work itself raised
                raise
            future.cancel()
            raise TooLate(f"there was no answer within {wait_s:.3g} s") from error
