"""The inbox of outcomes: what later turned out, joined to its event by the event's id.

Every outcome is kept; which ones are new is counted. The log is the only source: the index follows it (so it also
knows what other processes answered), is rebuilt from it at start, and holds the newest ids only, an hour of asking
at a time. An id that was dropped is looked up in the log again.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, get_args

import msgspec

from plimsoll.capability import Task
from plimsoll.errors import UsageError, nearest
from plimsoll.kernel.ports import EventLog, Position
from plimsoll.kernel.records import Event, Outcome, Record
from plimsoll.serving.ids import asked_at_of

Finding = Literal["accepted", "duplicate", "conflicting", "unknown", "late"]
_CHUNK = 20_000
_LONGEST_ID = 200


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody says about an event. ``label`` is a number, true or false, or the name of a class."""

    event_id: str
    label: float | bool | str
    at: datetime | None = None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a set of reports; each is in exactly one count, and all of them are kept.

    ``accepted``: the first of its event. ``duplicate``: said again. ``conflicting``: said otherwise; the first
    counts. ``late``: the first, but after the maturity window, when its block may be closed. ``unknown``: of no event
    that we answered.
    """

    accepted: int = 0
    duplicate: int = 0
    conflicting: int = 0
    unknown: int = 0
    late: int = 0


class OutcomeInbox:
    """Takes reports in. ``capacity`` ids are held in memory (about 150 bytes each), the newest hours of asking."""

    def __init__(self, log: EventLog, *, task: Task, maturity: timedelta, capacity: int = 2_000_000) -> None:
        self._log = log
        self._task = task
        self._maturity = maturity
        self._index = _Index(capacity)
        self._read_to = _Place(0, None)
        self._one_at_a_time = threading.Lock()

    def tell(self, reports: Sequence[Report], now: datetime) -> Counts:
        """Keep the reports, durably, and say what each was. ``now`` is when those without a time became known.

        Raises UsageError naming a label that is none (then nothing is kept), Unavailable if the log cannot record.
        """
        outcomes = [_outcome(report, self._task, now) for report in reports]
        with self._one_at_a_time:
            self.catch_up()
            self._look_up({o.event for o in outcomes if self._index.dropped(o.event)})
            first: dict[str, float] = {}
            findings = [self._finding(outcome, first) for outcome in outcomes]
            self._log.append(outcomes)
            for event, label in first.items():
                self._index.label(event, label)
            self._index.shrink()
        counted = Counter(findings)
        return Counts(**{name: counted[name] for name in get_args(Finding)})

    def catch_up(self) -> int:
        """Read what the log has gained; the number of records. Called by ``tell``; worth calling once at start."""
        gained = 0
        while True:
            records, position = self._log.read(self._read_to.position, _CHUNK)
            if not records:
                return gained
            self._index.take(records, self._read_to)
            self._read_to = _Place(self._read_to.turn + 1, position)
            self._index.shrink()
            gained += len(records)

    def _finding(self, outcome: Outcome, first: dict[str, float]) -> Finding:
        known, label = self._index.find(outcome.event)
        label = first.get(outcome.event, label)
        if not known:
            return "unknown"
        if label is not None:
            return "duplicate" if label == outcome.label else "conflicting"
        first[outcome.event] = outcome.label
        asked_at = asked_at_of(outcome.event)
        return "late" if asked_at and outcome.at - asked_at > self._maturity else "accepted"

    def _look_up(self, events: set[str]) -> None:
        """Bring dropped ids back from the log: one pass from the earliest place where any of them may be."""
        position = self._index.begins(events) if events else None
        while events:
            records, following = self._log.read(position, _CHUNK)
            if not records:
                return
            about = [r for r in records if isinstance(r, Event | Outcome) and _event_of(r) in events]
            self._index.take(about, self._read_to, looked_up=True)
            position = following


class _Place(NamedTuple):
    """Where in the log something begins. Positions of several writers have no order; the order of reading has."""

    turn: int
    position: Position | None


class _Index:
    """Event id → its first label, by hour of asking."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._size = 0
        self._hours: dict[str, dict[str, float | None]] = {}
        self._begins: dict[str, _Place] = {}  # hour → before its first event in the log
        self._dropped: set[str] = set()

    def take(self, records: Iterable[Record], before: _Place, *, looked_up: bool = False) -> None:
        for record in records:
            if isinstance(record, Event):
                self._add(record.id, before, looked_up)
            elif isinstance(record, Outcome) and self.find(record.event) == (True, None):
                self.label(record.event, record.label)

    def _add(self, event: str, before: _Place, looked_up: bool) -> None:
        hour = _hour(event)
        self._begins.setdefault(hour, before)
        if hour in self._dropped and not looked_up:
            return
        ids = self._hours.setdefault(hour, {})
        if event not in ids:
            ids[event] = None
            self._size += 1

    def find(self, event: str) -> tuple[bool, float | None]:
        """Whether the event is known, and its label if it has one."""
        ids = self._hours.get(_hour(event), {})
        return event in ids, ids.get(event)

    def label(self, event: str, label: float) -> None:
        self._hours[_hour(event)][event] = label

    def dropped(self, event: str) -> bool:
        """Whether the event may be one that is no longer held."""
        return _hour(event) in self._dropped and not self.find(event)[0]

    def begins(self, events: Iterable[str]) -> Position | None:
        """The earliest place where any of these may be."""
        return min((self._begins[_hour(event)] for event in events), key=lambda p: p.turn).position

    def shrink(self) -> None:
        """Drop the oldest hours above the capacity; the newest is always held."""
        while self._size > self._capacity and len(self._hours) > 1:
            hour = min(self._hours)
            self._size -= len(self._hours.pop(hour))
            self._dropped.add(hour)


def _hour(event: str) -> str:
    at = asked_at_of(event)
    return at.strftime("%Y-%m-%dT%H") if at else ""


def _event_of(record: Event | Outcome) -> str:
    return record.id if isinstance(record, Event) else record.event


def _outcome(report: Report, task: Task, now: datetime) -> Outcome:
    if not 0 < len(report.event_id) <= _LONGEST_ID:
        raise UsageError(f"event_id has {len(report.event_id)} characters; it is the one that came with the answer")
    return Outcome(event=report.event_id, label=label_of(report.label, task), at=_in_utc(report.at or now))


def _in_utc(at: datetime) -> datetime:
    """One without an offset is in UTC already."""
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError as error:
        raise UsageError(f"at {at.isoformat()} is beyond the calendar in UTC") from error


def label_of(label: float | bool | str, task: Task) -> float:
    """A reported label as the number that metrics take: 0 or 1, the place of a class, or a value. Raises UsageError."""
    if isinstance(label, str):
        if label not in task.classes:
            raise UsageError(f"label {label!r:.80} is no class of this task", hint=nearest(label, task.classes))
        return float(task.classes.index(label))
    value = float(label)
    whole = {"binary": 2, "multiclass": len(task.classes)}.get(task.kind)
    if not math.isfinite(value) or (whole is not None and value not in range(whole)):
        wanted = f"a whole number from 0 to {whole - 1}" if whole else "a finite number"
        raise UsageError(f"label {label!r}: a {task.kind} label is {wanted}")
    return value
