"""What two questions must have in common to have the same answer, as bytes: the key of an answer that is kept.

It is a digest over the release, the tenant and *every* column that the caller sent: a field that is left out is how
caches come to answer what was not asked. Columns may come in any order, and a number in any form of its value; nothing
is rounded. Two columns are left out, each for its reason: the time of asking where the server filled it in, because it
is another one at every question; and the unit, where the capability declares that units share their answers and no
feature reads it. The release is part of the key, so a unit never gets the answer of a release that it is not routed to.
"""

from __future__ import annotations

import math
import secrets
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np

from plimsoll.capability import Capability
from plimsoll.serving.batch import Batch

_encoder = msgspec.msgpack.Encoder(order="deterministic")
_SIZE = 32
_EXACT = 2.0**53
_I64, _U64 = -(2**63), 2**64
_FLOATS, _NUMBERS = {float}, {float, int}
_MOST_LAYOUTS = 256
_MOST_BEGUN = 1_024
_UNKNOWN: Any = object()
_AS_IT_IS = frozenset((str, bool, type(None), bytes))


class _Plain(NamedTuple):
    """How questions with the same columns, in the same order, are read: the names of their numbers, sorted, those, and
    they as float64 bytes."""

    names: tuple[str, ...]
    numbers: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    pack: Callable[..., bytes]


class QuestionKey:
    """Makes the keys of one capability's questions."""

    def __init__(self, capability: Capability) -> None:
        self._left_out = (
            _unread_unit(capability) if capability.caching and capability.caching.units_share else frozenset()
        )
        self._unit = capability.source.sticky or capability.source.unit
        self._asked_at = capability.source.asked_at
        self._plain: dict[tuple[str, ...], _Plain | None] = {}
        self._begun: dict[tuple[str, str, tuple[str, ...]], blake2b] = {}

    def of_turn(self, release: str, tenants: Sequence[str], batch: Batch, asked_at: Sequence[datetime]) -> list[bytes]:
        """The keys of questions that are asked together, each as ``of`` gives it."""
        keys = self._of_packed(release, tenants, batch, asked_at) if batch.packed else None
        if keys is None:
            each = zip(tenants, batch.inputs, asked_at, strict=True)
            keys = [self.of(release, tenant, inputs, at) for tenant, inputs, at in each]
        return keys

    def _of_packed(
        self, release: str, tenants: Sequence[str], batch: Batch, asked_at: Sequence[datetime]
    ) -> list[bytes] | None:
        """The keys of questions that came as one tensor of numbers each: none of those is a truth value, and all have
        the same columns. None where one of them is too large for a float64 to tell it from its neighbours."""
        rows, unit_of, at_column = batch.inputs, self._unit, self._asked_at
        plain = self._layout(tuple(rows[0]))
        if plain is None:
            return None
        numbers, pack, count = plain.numbers, plain.pack, len(rows[0])
        for row, at in zip(rows, asked_at, strict=True):
            if len(row) != count or row.get(at_column) is not at or type(row.get(unit_of)) is not str:
                return None
        packed = [pack(*numbers(row)) for row in rows]
        if (np.abs(np.frombuffer(b"".join(packed))) >= _EXACT).any():
            return None
        shared = unit_of in self._left_out
        return [
            self._digest(release, tenant, plain, numbered, "" if shared else row[unit_of])
            for tenant, numbered, row in zip(tenants, packed, rows, strict=True)
        ]

    def of(self, release: str, tenant: str, inputs: Mapping[str, Any], asked_at: datetime) -> bytes:
        """The key of a question. One with a value that has no canonical form has a key of its own, and no twin."""
        plainly = self._of_numbers(release, tenant, inputs, asked_at)
        if plainly is not None:
            return plainly
        left_out = self._left_out
        try:
            sent = {
                name: _canonical(value)
                for name, value in inputs.items()
                if value is not asked_at and name not in left_out
            }
        except TypeError:
            return secrets.token_bytes(_SIZE)
        return blake2b(_encoder.encode((release, tenant, sent)), digest_size=_SIZE).digest()

    def _of_numbers(self, release: str, tenant: str, inputs: Mapping[str, Any], asked_at: datetime) -> bytes | None:
        """The key of a question that is a unit's name and nothing but numbers, at a tenth of the price: as float64, which
        hold every number that is let through here. None for any other. Whether a question is one follows from the
        values alone, not from how they were written; so equal questions go the same way, and have one key."""
        unit = inputs.get(self._unit)
        if type(unit) is not str or inputs.get(self._asked_at) is not asked_at:
            return None
        plain = self._layout(tuple(inputs))
        if plain is None:
            return None
        values = plain.numbers(inputs)
        kinds = set(map(type, values))
        if kinds != _FLOATS and not (kinds <= _NUMBERS and all(-_EXACT < v < _EXACT for v in values if type(v) is int)):
            return None
        who = "" if self._unit in self._left_out else unit
        return self._digest(release, tenant, plain, plain.pack(*values), who)

    def _digest(self, release: str, tenant: str, plain: _Plain, packed: bytes, who: str) -> bytes:
        """Of names, numbers and unit, in this order: the first say where they end, the second are as many as those."""
        begun = self._begun.get((release, tenant, plain.names))
        if begun is None:
            if len(self._begun) >= _MOST_BEGUN:  # tenants and releases come and go
                self._begun.clear()
            begun = blake2b(_encoder.encode((release, tenant, plain.names)), digest_size=_SIZE, person=b"numbers")
            self._begun[release, tenant, plain.names] = begun
        digest = begun.copy()
        digest.update(packed + who.encode("utf-8", "surrogatepass"))
        return digest.digest()

    def _layout(self, columns: tuple[str, ...]) -> _Plain | None:
        plain: _Plain | None = self._plain.get(columns, _UNKNOWN)
        return self._learn(columns) if plain is _UNKNOWN else plain

    def _learn(self, columns: tuple[str, ...]) -> _Plain | None:
        if len(self._plain) >= _MOST_LAYOUTS:  # callers that send other columns every time
            self._plain.clear()
        names = sorted({*columns} - {self._unit, self._asked_at} - self._left_out)
        made = (
            _Plain(tuple(names), itemgetter(*names), struct.Struct(f"<{len(names)}d").pack) if len(names) > 1 else None
        )
        self._plain[columns] = made
        return made


def _unread_unit(capability: Capability) -> frozenset[str]:
    """The columns that only say who is asked about: unit and sticky, unless a feature or a view reads them."""
    source = capability.source
    read = {column for inputs in capability.inputs for column in inputs.columns}
    read |= {view.entity for view in capability.views}
    return frozenset({source.unit, source.sticky or source.unit} - read)


def _canonical(value: Any) -> Any:
    """Equal for equal values only. What msgpack would write alike is told apart by a list that no caller can send: a
    question's own lists are wrapped, too."""
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind is float:
        whole = abs(value) < _EXACT and value.is_integer() and (value or math.copysign(1.0, value) > 0.0)
        return int(value) if whole else value
    if kind is int:
        return value if _I64 <= value < _U64 else ["integer", str(value)]
    if kind is datetime:
        return ["time", value.isoformat()]
    if kind is list or kind is tuple:
        return ["list", *map(_canonical, value)]
    if kind is dict:
        return ["table", {str(name): _canonical(each) for name, each in value.items()}, len(value)]
    raise TypeError(f"{kind.__name__} has no canonical form")
