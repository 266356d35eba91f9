"""What a caller gets, and the event behind it, which is made when somebody asks for it.

A reply needs an id, an answer and an action. Whoever stands beside, traces or logs the request wants its whole event;
mostly nobody does, and the record is written without one (``straight``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from plimsoll.kernel.promise import ENDS
from plimsoll.kernel.records import Action, Answer, Event


class TurnEvents:
    """The events of a turn. ``make``: the first so many of them; asked for one, or for all, and each once."""

    __slots__ = ("_all", "_first", "_make", "_rows")

    def __init__(self, make: Callable[[int], list[Event]], rows: int) -> None:
        self._make, self._rows = make, rows
        self._first: list[Event] = []
        self._all: list[Event] = []

    def __getitem__(self, row: int) -> Event:
        if self._all:
            return self._all[row]
        if row == 0:  # what all of them have in common
            self._first = self._first or self._make(1)
            return self._first[0]
        self._all = self._make(self._rows)
        return self._all[row]


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What the caller gets. ``given`` is what stands in where the served release did not answer, else what it said;
    ``says`` is why, in words that a product can show. ``id`` to ``tenant`` are those of its event."""

    given: Answer
    events: TurnEvents | Sequence[Event]
    row: int
    id: str
    action: Action = "answer"
    reason: str = ""
    cached: bool = False
    tenant: str = ""
    recorded: bool = True
    says: str = ""

    @property
    def event(self) -> Event:
        """The whole event, as it is before anything is kept out of the record."""
        return self.events[self.row]

    @property
    def answered(self) -> bool:
        """False where nobody had a score, and nothing else was declared: the caller gets an error."""
        return not self.given.error or self.action in ENDS

    @property
    def score(self) -> float | tuple[float, ...] | None:
        """What may be acted on; None where the caller was given no answer, or a person to ask."""
        return None if self.action in ENDS else self.given.score


def reply_of(event: Event, given: Answer, *, says: str = "") -> Reply:
    """The reply of an event that is there."""
    return Reply(given, (event,), 0, event.id, event.action, event.reason, event.cached, event.tenant, says=says)
