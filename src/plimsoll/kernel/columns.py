"""Records as columns: what the requests of one turn have in common is written once, and what differs lies side by side.

A turn's events mostly differ in their ids, units, inputs and scores. As one ``Events`` they take half of the disk that they
take one by one, and the loop takes them in without making an object of each. ``Besides`` and ``Outcomes`` are the same
for what was said beside and for what turned out.

A **column** is a list with a value for each row, in their order. With one value it holds for every row; an empty one
says that every row is at the record's default. **Numbers** are such a column as bytes, eight each, little-endian; where
some are missing, or are several (a score for each class), they are a list. ``Later`` is written as a list and is
decoded when somebody asks for it: most readers have no use for units, inputs and ages.

Inputs stay rows. As columns they would take less of the disk, but Python needs longer to turn twenty values of a row
around (0.4 µs) than to write their names again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec.structs import astuple

from plimsoll.kernel.records import Action, Answer, Beside, Event, Outcome, Record, Role

_T = TypeVar("_T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MOST_ROWS = 1_024
"""Of one record: whoever reads one row of a record reads all of it."""
_WIDTH = 8

Numbers = bytes | list[float | tuple[float, ...] | None]
if TYPE_CHECKING:
    Later = msgspec.Raw | Sequence[Any]
else:
    Later = msgspec.Raw
NOTHING = msgspec.Raw(b"\x90")
"""An empty column."""


class Answers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Answers, one a row. ``scores``: an empty column says that there are none."""

    releases: list[str]
    roles: list[Role]
    scores: Numbers = b""
    latencies_ms: bytes = b""
    errors: list[str] = []
    features: bytes | list[bytes] = b""
    """Bytes: of the rows end to end, all of one width."""

    def each(self, rows: int) -> Iterator[Answer]:
        """The ``rows`` answers, one by one."""
        for release, role, score, latency_ms, error, features in zip(
            spread(self.releases, rows, ""),
            spread(self.roles, rows, "live"),
            spread(numbers(self.scores), rows, None),
            spread(numbers(self.latencies_ms), rows, 0.0),
            spread(self.errors, rows, ""),
            self.rows_of_features(rows),
            strict=True,
        ):
            yield Answer(release=release, role=role, score=score, latency_ms=latency_ms, error=error, features=features)

    def rows_of_features(self, rows: int) -> Sequence[bytes]:
        """What each row's release saw."""
        packed = self.features
        if not isinstance(packed, bytes):
            return packed
        width = len(packed) // rows
        return [packed[i : i + width] for i in range(0, len(packed), width)] if width else (b"",) * rows


class Events(msgspec.Struct, frozen=True, kw_only=True, tag="events", omit_defaults=True, gc=False):
    """Events of one capability that were recorded together. Each column is the field of ``Event`` that it is named for."""

    ids: list[str]
    capability: str
    at_us: bytes
    """Microseconds since the epoch, as a column of eight bytes each, little-endian."""
    blocks: list[str]
    units: Later
    inputs: Later
    served: Answers
    actions: list[Action] = []
    tenants: list[str] = []
    rollouts: list[str] = []
    principals: list[str] = []
    confidences: Numbers = b""
    reasons: list[str] = []
    stages_us: list[tuple[int, ...]] = []
    feature_ages_s: Later = NOTHING
    costs_usd: list[float] = []
    trace_ids: list[str] = []
    cached: list[bool] = []
    payloads: list[bool] = []

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def by_name(self) -> bool:
        """Whether the release was asked for by its name: for all of them, or for none."""
        return self.served.roles == ["asked"]

    def each(self) -> Iterator[Event]:
        """The events, one by one."""
        rows = len(self.ids)
        for (
            id,
            at,
            block,
            unit,
            inputs,
            served,
            action,
            tenant,
            rollout,
            principal,
            confidence,
            reason,
            stages_us,
            ages_s,
            cost_usd,
            trace_id,
            cached,
            payload,
        ) in zip(
            self.ids,
            spread(times(self.at_us), rows, EPOCH),
            spread(self.blocks, rows, ""),
            spread(decoded(self.units), rows, ""),
            decoded(self.inputs),
            self.served.each(rows),
            spread(self.actions, rows, "answer"),
            spread(self.tenants, rows, ""),
            spread(self.rollouts, rows, ""),
            spread(self.principals, rows, ""),
            spread(numbers(self.confidences), rows, None),
            spread(self.reasons, rows, ""),
            spread(self.stages_us, rows, ()),
            spread(decoded(self.feature_ages_s), rows, {}),
            spread(self.costs_usd, rows, 0.0),
            spread(self.trace_ids, rows, ""),
            spread(self.cached, rows, False),
            spread(self.payloads, rows, True),
            strict=True,
        ):
            yield Event(
                id=id,
                capability=self.capability,
                at=at,
                block=block,
                unit=unit,
                inputs=inputs,
                served=served,
                action=action,
                tenant=tenant,
                rollout=rollout,
                principal=principal,
                confidence=confidence,
                reason=reason,
                stages_us=stages_us,
                feature_ages_s=ages_s,
                cost_usd=cost_usd,
                trace_id=trace_id,
                cached=cached,
                payload=payload,
            )


class Besides(msgspec.Struct, frozen=True, kw_only=True, tag="besides", gc=False):
    """What was said beside several events: the first answer of each of them, the second of each, and so on. Without any
    answers they are exposures lost."""

    events: list[str]
    answers: list[Answers]

    def __len__(self) -> int:
        return len(self.events)

    def each(self) -> Iterator[Beside]:
        """One by one."""
        rows = len(self.events)
        answers = zip(*(said.each(rows) for said in self.answers), strict=True) if self.answers else [()] * rows
        for event, of_event in zip(self.events, answers, strict=True):
            yield Beside(event=event, answers=of_event)


class Outcomes(msgspec.Struct, frozen=True, kw_only=True, tag="outcomes", omit_defaults=True, gc=False):
    """Several outcomes. ``labels`` has eight bytes a row, ``at_us`` is a column as that of ``Events``."""

    events: list[str]
    labels: bytes
    at_us: bytes
    values: list[dict[str, float]] = []

    def __len__(self) -> int:
        return len(self.events)

    def each(self) -> Iterator[Outcome]:
        """One by one."""
        rows = len(self.events)
        for event, label, at, values in zip(
            self.events,
            numbers(self.labels),
            spread(times(self.at_us), rows, EPOCH),
            spread(self.values, rows, {}),
            strict=True,
        ):
            yield Outcome(event=event, label=label, at=at, values=values)  # type: ignore[arg-type]


Columns = Events | Besides | Outcomes
_KINDS = frozenset({Events, Besides, Outcomes})
Written = Record | Columns
"""What a log keeps: records one by one, as all were once, and in columns."""


def rows_in(written: Written) -> int:
    """How many records it is."""
    return len(written) if type(written) in _KINDS else 1  # type: ignore[arg-type]


def one_by_one(written: Iterable[Written]) -> Iterator[Record]:
    """The records, in order."""
    for each in written:
        if isinstance(each, Columns):
            yield from each.each()
        else:
            yield each


def in_columns(written: Iterable[Written]) -> list[Columns]:
    """The same in columns, in order: what was written one by one is put together as far as it goes together."""
    several = list(written)
    if _KINDS.issuperset(map(type, several)):
        return several  # type: ignore[return-value]
    found: list[Columns] = []
    for kind, group in groupby(several, key=_together):
        if kind is None:
            found += group  # type: ignore[arg-type]
            continue
        records: list[Any] = list(group)
        for first in range(0, len(records), MOST_ROWS):
            found.append(_COLUMNS[kind[0]](records[first : first + MOST_ROWS]))
    return found


def _together(written: Written) -> tuple[Any, ...] | None:
    """Records of one key can be rows of one record; None for what is in columns."""
    match written:
        case Event():
            return Event, written.capability, written.served.role == "asked"
        case Beside():
            return Beside, len(written.answers)
        case Outcome():
            return (Outcome,)
    return None


def _events(records: Sequence[Event]) -> Events:
    of = _transposed(records)
    return Events(
        ids=of["id"],
        capability=records[0].capability,
        at_us=pack_times(of["at"]),
        blocks=column(of["block"], None),
        units=of["unit"],
        inputs=of["inputs"],
        served=answers_of(of["served"]),
        actions=column(of["action"], "answer"),
        tenants=column(of["tenant"], ""),
        rollouts=column(of["rollout"], ""),
        principals=column(of["principal"], ""),
        confidences=pack(of["confidence"]),
        reasons=column(of["reason"], ""),
        stages_us=column(of["stages_us"], ()),
        feature_ages_s=column(of["feature_ages_s"], {}) or NOTHING,
        costs_usd=column(of["cost_usd"], 0.0),
        trace_ids=column(of["trace_id"], ""),
        cached=column(of["cached"], False),
        payloads=column(of["payload"], True),
    )


def _transposed(records: Sequence[msgspec.Struct]) -> dict[str, list[Any]]:
    """Each field's values."""
    return dict(zip(records[0].__struct_fields__, map(list, zip(*map(astuple, records), strict=True)), strict=True))


def answers_of(answers: Sequence[Answer]) -> Answers:
    """These answers as columns."""
    of = _transposed(answers)
    return Answers(
        releases=column(of["release"], None),
        roles=column(of["role"], None),
        scores=pack(of["score"]),
        latencies_ms=pack_same(of["latency_ms"]),
        errors=column(of["error"], ""),
        features=pack_rows(of["features"]),
    )


def _besides(records: Sequence[Beside]) -> Besides:
    return Besides(
        events=[r.event for r in records],
        answers=[answers_of(said) for said in zip(*(r.answers for r in records), strict=True)],
    )


def _outcomes(records: Sequence[Outcome]) -> Outcomes:
    return Outcomes(
        events=[r.event for r in records],
        labels=struct.pack(f"<{len(records)}d", *[r.label for r in records]),
        at_us=pack_times([r.at for r in records]),
        values=column([r.values for r in records], {}),
    )


_COLUMNS: dict[Any, Any] = {Event: _events, Beside: _besides, Outcome: _outcomes}


# ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def column(values: Sequence[_T], default: object) -> list[_T]:
    """``values`` as a column: none of them where all are ``default``, one where all are the same."""
    first = values[0]
    if values.count(first) != len(values):
        return list(values)
    return [] if first == default else [first]


def spread(column: Sequence[_T], rows: int, default: _T) -> Sequence[_T]:
    """A column's value for each of ``rows``."""
    if len(column) == rows:
        return column
    return (column[0] if column else default,) * rows


def pack(values: Sequence[float | tuple[float, ...] | None]) -> Numbers:
    """Numbers as a column; empty where none is there."""
    try:
        return struct.pack(f"<{len(values)}d", *values)
    except struct.error:  # some are missing, or several
        return b"" if values.count(None) == len(values) else list(values)


def pack_same(values: Sequence[float]) -> bytes:
    """Numbers that are mostly the same, or zero."""
    same = column(values, 0.0)
    return struct.pack(f"<{len(same)}d", *same)


def pack_rows(rows: list[bytes]) -> bytes | list[bytes]:
    """Rows of bytes end to end, where all are of one width."""
    return b"".join(rows) if len(set(map(len, rows))) == 1 else rows


def pack_times(times: Sequence[datetime]) -> bytes:
    """Times in µs since the epoch. They must be aware."""
    different = column(times, None)
    return pack_us([(at - EPOCH) // MICROSECOND for at in different])


def pack_us(times_us: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(times_us)}q", *times_us)


def numbers(column: Numbers) -> Sequence[float | tuple[float, ...] | None]:
    """A column of numbers as a list."""
    return struct.unpack(f"<{len(column) // _WIDTH}d", column) if isinstance(column, bytes) else column


def times(column: bytes) -> Sequence[datetime]:
    """A column of times as a list."""
    return [EPOCH + us * MICROSECOND for us in times_us(column)]


def times_us(column: bytes) -> Sequence[int]:
    """As ``times``, in µs since the epoch."""
    return struct.unpack(f"<{len(column) // _WIDTH}q", column)


_decoder = msgspec.msgpack.Decoder(list[Any])


def decoded(column: Later) -> Sequence[Any]:
    """What was to be decoded later."""
    return _decoder.decode(column) if isinstance(column, msgspec.Raw) else column
