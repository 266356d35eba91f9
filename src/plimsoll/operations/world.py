"""The world of a rehearsal: what is asked, what turns out, what the feeds deliver, and what the team commits.

It decides nothing. Who ships, who is caught and who comes back follows from the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from plimsoll.capability import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A commit of the team: what the capability is declared as, from ``at`` on. ``withdraw_after``: the team takes it
    back when it has been held that long."""

    label: str
    at: datetime
    capability: Capability
    withdraw_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFault:
    """The online feed of ``table`` delivers other values than its warehouse gets, from ``since`` until ``until``.

    ``replace`` maps a column to a DuckDB expression over the row, such as ``(temp - 32) * 5 / 9``.
    """

    table: str
    since: datetime
    replace: Mapping[str, str]
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraining:
    """What the team does when the loop asks for retraining: the next commit follows ``after`` that."""

    make: Callable[[datetime], Capability]
    after: timedelta = timedelta(hours=12)
    label: str = "retrained"


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """Recorded traffic from ``start`` to ``until``, with what happens on the way."""

    start: datetime
    until: datetime
    candidates: Sequence[Candidate]
    faults: Sequence[FeedFault] = ()
    retraining: Retraining | None = None
    step: timedelta = timedelta(hours=1)
    notes: Mapping[str, str] = field(default_factory=dict)  # date → what happened in the world that day, for the report
