"""The inbox of outcomes: what later turned out, joined to its event by the event's id.

Every outcome is kept; which ones are new is counted. The log is the only source: the index follows it (so it also
knows what other processes answered), is rebuilt from it at start, and holds the newest ids only, an hour of asking
at a time. An id that was dropped is looked up in the log again. One inbox takes the outcomes of every capability that
is served here: the event says whose it is, and so what its label may be.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple, get_args

import msgspec

from plimsoll.capability import Capability, Task
from plimsoll.errors import UsageError, nearest
from plimsoll.kernel.columns import Columns, Events, Outcomes, in_columns, numbers
from plimsoll.kernel.ports import EventLog, Position
from plimsoll.kernel.records import Outcome
from plimsoll.serving.ids import asked_at_of

Finding = Literal["accepted", "duplicate", "conflicting", "unknown", "late"]
_CHUNK = 20_000
_LONGEST_ID = 200
_MOST_VALUES = 32


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody says about an event. ``label`` is a number, true or false, or the name of a class; ``values`` are further
    numbers of what turned out, by name."""

    event_id: str
    label: float | bool | str
    at: datetime | None = None
    values: dict[str, float] = {}


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


class Told(NamedTuple):
    """What became of the reports, all together, and of each capability; ``""`` has those of no event that we know."""

    all: Counts
    by_capability: dict[str, Counts]


class OutcomeInbox:
    """Takes reports in, of every capability of ``served``. ``capacity`` ids are held in memory (about 150 bytes each),
    the newest hours of asking."""

    def __init__(self, log: EventLog, served: Sequence[Capability], *, capacity: int = 2_000_000) -> None:
        self._log = log
        self._served = {capability.name: capability for capability in served}
        self._index = _Index(capacity)
        self._read_to = _Place(0, None)
        self._one_at_a_time = threading.Lock()

    def tell(self, reports: Sequence[Report], now: datetime, capability: str = "") -> Told:
        """Keep the reports, durably, and say what each was. ``now`` is when those without a time became known.
        ``capability``: of which all of them must be; ``""`` is any that is served.

        A label is judged by the task of its event's capability. Raises UsageError naming a label that is none, or an
        event of another capability (then nothing is kept), Unavailable if the log cannot record.
        """
        for report in reports:
            _check_id(report.event_id)
        with self._one_at_a_time:
            self.catch_up()
            self._look_up({r.event_id for r in reports if self._index.dropped(r.event_id)})
            about = [self._about(report.event_id, capability) for report in reports]
            outcomes = [self._outcome(r, name, capability, now) for r, name in zip(reports, about, strict=True)]
            first: dict[str, float] = {}
            findings = [self._finding(o, name, first) for o, name in zip(outcomes, about, strict=True)]
            self._log.append(in_columns(outcomes))
            for event, label in first.items():
                self._index.label(event, label)
            self._index.shrink()
        each = {name: [f for f, of in zip(findings, about, strict=True) if of == name] for name in dict.fromkeys(about)}
        return Told(_counts(findings), {name: _counts(found) for name, found in each.items()})

    def _about(self, event: str, capability: str) -> str:
        """The event's capability; ``""`` for an event that nobody knows."""
        name = self._index.of(event)
        if name and name not in self._served:
            raise UsageError(
                f"event {event} is one of {name}, which is not served here", hint="tell it where that is served"
            )
        if name and capability and name != capability:
            raise UsageError(f"event {event} is one of {name}, not of {capability}")
        return name

    def _outcome(self, report: Report, name: str, capability: str, now: datetime) -> Outcome:
        """An event that nobody knows takes a label of the capability that was named, else of any that is served."""
        known = name or capability
        tasks = [self._served[known].task] if known else [served.task for served in self._served.values()]
        label = _label_of_any(report.label, tasks)
        return Outcome(
            event=report.event_id, label=label, at=_in_utc(report.at or now), values=_checked_values(report.values)
        )

    def catch_up(self) -> int:
        """Read what the log has gained; the number of records. Called by ``tell``; worth calling once at start."""
        gained = 0
        while True:
            columns, position = self._log.read_columns(self._read_to.position, _CHUNK)
            if not columns:
                return gained
            self._index.take(columns, self._read_to)
            self._read_to = _Place(self._read_to.turn + 1, position)
            self._index.shrink()
            gained += sum(map(len, columns))

    def _finding(self, outcome: Outcome, name: str, first: dict[str, float]) -> Finding:
        if not name:
            return "unknown"
        label = first.get(outcome.event, self._index.labelled(outcome.event))
        if label is not None:
            return "duplicate" if label == outcome.label else "conflicting"
        first[outcome.event] = outcome.label
        asked_at = asked_at_of(outcome.event)
        return "late" if asked_at and outcome.at - asked_at > self._served[name].maturity else "accepted"

    def _look_up(self, events: set[str]) -> None:
        """Bring dropped ids back from the log: one pass from the earliest place where any of them may be."""
        position = self._index.begins(events) if events else None
        while events:
            columns, following = self._log.read_columns(position, _CHUNK)
            if not columns:
                return
            self._index.take(columns, self._read_to, looked_up=events)
            position = following


class _Place(NamedTuple):
    """Where in the log something begins. Positions of several writers have no order; the order of reading has."""

    turn: int
    position: Position | None


class _Labelled(NamedTuple):
    capability: str
    label: float


class _Index:
    """Event id → its capability, and its first label if it has one, by hour of asking. The capability's name is one
    object however many events it has: it is as small as nothing."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._size = 0
        self._hours: dict[str, dict[str, str | _Labelled]] = {}
        self._begins: dict[str, _Place] = {}  # hour → before its first event in the log
        self._dropped: set[str] = set()

    def take(self, columns: Iterable[Columns], before: _Place, *, looked_up: Collection[str] | None = None) -> None:
        """``looked_up``: take only these, also where they were dropped before."""
        for record in columns:
            if isinstance(record, Events):
                capability = sys.intern(record.capability)
                for id in record.ids:
                    if looked_up is None or id in looked_up:
                        self._add(id, capability, before, looked_up is not None)
            elif isinstance(record, Outcomes):
                for event, label in zip(record.events, numbers(record.labels), strict=True):
                    if (looked_up is None or event in looked_up) and self.of(event) and self.labelled(event) is None:
                        self.label(event, label)  # type: ignore[arg-type]

    def _add(self, event: str, capability: str, before: _Place, looked_up: bool) -> None:
        hour = _hour(event)
        self._begins.setdefault(hour, before)
        if hour in self._dropped and not looked_up:
            return
        ids = self._hours.setdefault(hour, {})
        if event not in ids:
            ids[event] = capability
            self._size += 1

    def of(self, event: str) -> str:
        """Whose event it is; ``""`` for one that is not held."""
        found = self._hours.get(_hour(event), {}).get(event, "")
        return found if isinstance(found, str) else found.capability

    def labelled(self, event: str) -> float | None:
        found = self._hours.get(_hour(event), {}).get(event)
        return found.label if isinstance(found, _Labelled) else None

    def label(self, event: str, label: float) -> None:
        self._hours[_hour(event)][event] = _Labelled(self.of(event), label)

    def dropped(self, event: str) -> bool:
        """Whether the event may be one that is no longer held."""
        return _hour(event) in self._dropped and not self.of(event)

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


def _check_id(event: str) -> None:
    if not 0 < len(event) <= _LONGEST_ID:
        raise UsageError(f"event_id has {len(event)} characters; it is the one that came with the answer")


def _counts(findings: Sequence[Finding]) -> Counts:
    counted = Counter(findings)
    return Counts(**{name: counted[name] for name in get_args(Finding)})


def _label_of_any(label: float | bool | str, tasks: Sequence[Task]) -> float:
    """The label as the first of these tasks reads it. Raises UsageError where none does, as the last one says it."""
    for task in tasks[:-1]:
        with contextlib.suppress(UsageError):
            return label_of(label, task)
    return label_of(label, tasks[-1])


def _checked_values(values: Mapping[str, float]) -> dict[str, float]:
    """Raises UsageError for one that is not a finite number under an identifier, or for more than there is room for."""
    if len(values) > _MOST_VALUES:
        raise UsageError(f"an outcome has {len(values)} values; {_MOST_VALUES} are the most")
    for name, value in values.items():
        if not (name.isidentifier() and len(name) <= _LONGEST_ID) or not math.isfinite(value):
            raise UsageError(
                f"the value {name!r:.80} of an outcome is {value!r}",
                hint="a finite number under a name of letters, digits and _",
            )
    return dict(values)


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
    if task.group and not 0.0 <= value < math.inf:
        raise UsageError(f"label {label!r}: a relevance is a number from 0 on")
    whole = {"binary": 2, "multiclass": len(task.classes)}.get(task.kind)
    if not math.isfinite(value) or (whole is not None and value not in range(whole)):
        wanted = f"a whole number from 0 to {whole - 1}" if whole else "a finite number"
        raise UsageError(f"label {label!r}: a {task.kind} label is {wanted}")
    return value
