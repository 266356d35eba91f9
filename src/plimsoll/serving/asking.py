"""One request on its way to its answer: what it asks, for whom, and who is told when the turn is over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from plimsoll.serving.reply import Reply
from plimsoll.serving.seams import Ticket


class Asking(Protocol):
    """A request that waits at the desk. ``rows``: the columns of each of its questions, its own to change.

    ``anonymous``: no unit was named; each question is a unit of its own. ``packed``: a lone row's numbers once more, as
    float32 bytes in the order of the form's matrix, where the edge has them.
    """

    rows: Sequence[dict[str, Any]]
    anonymous: bool
    ticket: Ticket
    trace_id: str
    packed: bytes | None

    def answered(self, replies: Sequence[Reply]) -> None:
        """The replies to its rows; they are recorded. Called on the loop's thread; must not raise."""
        ...

    def failed(self, error: Exception) -> None:
        """There is no answer, and nothing was recorded. Called instead of ``answered``."""
        ...


class Awaited:
    """An asking of a coroutine, which awaits ``future``."""

    __slots__ = ("anonymous", "future", "packed", "rows", "ticket", "trace_id")

    def __init__(
        self, rows: Sequence[dict[str, Any]], ticket: Ticket, *, trace_id: str = "", anonymous: bool = False
    ) -> None:
        self.rows = rows
        self.ticket = ticket
        self.trace_id = trace_id
        self.anonymous = anonymous
        self.packed: bytes | None = None
        self.future: asyncio.Future[Sequence[Reply]] = asyncio.get_running_loop().create_future()

    def answered(self, replies: Sequence[Reply]) -> None:
        if not self.future.done():  # its caller may have gone; the event is recorded all the same
            self.future.set_result(replies)

    def failed(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)
