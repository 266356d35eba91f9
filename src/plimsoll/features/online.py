"""Features of a question that is asked now: its own, and the last applied row of each view.

Bit for bit what ``FeatureSchema.compute`` gives for the same question, once the rows known until it was asked are
applied: same rows, same arithmetic. A row that became known between asking and looking is used as it is; its age is
then a little below zero.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from plimsoll.errors import Damaged, Unavailable
from plimsoll.features.columns import Floats, missing, text_of
from plimsoll.features.request import Inputs, Number
from plimsoll.features.schema import Binding, FeatureSchema
from plimsoll.features.timeline import HOUR_US, PACKED
from plimsoll.features.view import Stale
from plimsoll.kernel.ports import OnlineFeatures


class Freshness:
    """How old the rows of one view were when questions asked for them. ``bound_s`` is infinite where there is none."""

    __slots__ = ("bound_s", "last_age_s", "missing", "stale")

    def __init__(self, bound_s: float) -> None:
        self.bound_s = bound_s
        self.last_age_s = np.nan
        self.stale = 0
        self.missing = 0


class _Read(NamedTuple):
    """What is looked up for one view of the schema."""

    online: str
    entity: str
    nothing: tuple[bytes, bytes]
    age: bool
    view: str
    bound_us: float
    stale: Stale
    seen: Freshness


Row = tuple[int, bytes]
"""(known_at in µs since the epoch, packed float32 values)."""

Ages = dict[str, float]
"""How old the row of each view was, in seconds; a view that had none is not there."""


class OnlineJoin:
    """The features of one release, looked up where they are served.

    ``numbers``: the question's columns whose values as float32 are its own features; empty where there is more to them.
    ``freshness`` counts by the view's name; a count that two threads move at once may miss one.
    """

    def __init__(self, schema: FeatureSchema, online: OnlineFeatures) -> None:
        self._schema = schema
        self._online = online
        self._reads = tuple((f.column, f.scalar(), f) for f in schema.inputs)
        self._views = tuple(_read(binding) for binding in schema.views)
        self._entities = tuple(dict.fromkeys(read.entity for read in self._views))
        plain = len(schema.inputs) > 1 and all(isinstance(f, Number) for f in schema.inputs)
        self._numbers = itemgetter(*(f.column for f in schema.inputs)) if plain else None
        self.numbers = tuple(f.column for f in schema.inputs) if plain else ()
        self.freshness = {read.view: read.seen for read in self._views}

    @property
    def looks_up(self) -> bool:
        """Whether there are features that the question does not bring."""
        return bool(self._views)

    @property
    def far(self) -> bool:
        """Whether looking a question's features up waits for a network."""
        return bool(self._views) and self._online.far

    def row(
        self,
        inputs: Mapping[str, Any],
        asked_at_us: int,
        ages: list[Ages] | None = None,
        own: Floats | None = None,
    ) -> Floats:
        """The float32 vector of one question. Cost: one ``get`` a view; about a microsecond a feature besides.

        ``ages``, where given, gets one entry a question. ``own``: the columns ``numbers`` of the question as float32,
        where somebody has them already. Raises UsageError naming a column that the question lacks or that is of the
        wrong kind, Unavailable where a row is staler than its view lets it be.
        """
        if own is None and not self._views:
            own = self._all_numbers((inputs,))
        if own is not None and not self._views:
            return own.reshape(-1)
        packed = bytearray(self._read_one(inputs) if own is None else own.tobytes())
        get, found = self._online.get, Ages()
        for view in self._views:
            entity = text_of(_input(inputs, view.entity))
            held = None if entity is None else get(view.online, entity, asked_at_us)
            nothing = view.nothing
            if held is not None:
                age_us = asked_at_us - held[0]
                found[view.view] = view.seen.last_age_s = age_us / 1e6
                if age_us > view.bound_us and _is_stale(view, entity, age_us):
                    held = None
            else:
                view.seen.missing += 1
            if held is None:
                packed += nothing[0] + nothing[1]
                continue
            values = held[1]
            if len(values) != len(nothing[0]):
                raise _damaged(view.online, values, nothing[0])
            packed += values
            if view.age:
                packed += array("f", (age_us / HOUR_US,)).tobytes()
        if ages is not None:
            ages.append(found)
        return np.frombuffer(packed, dtype=np.float32)

    def _read_one(self, inputs: Mapping[str, Any]) -> bytes:
        """The question's own features as float32 bytes, one by one."""
        own = array("f")
        for column, read, feature in self._reads:
            try:
                own.append(read(inputs[column]))
            except KeyError:
                raise missing(column, inputs) from None
            except (TypeError, ValueError, OverflowError) as error:
                raise feature.wrong(error) from error
        return own.tobytes()

    def rows(
        self,
        inputs: Sequence[Mapping[str, Any]],
        asked_at_us: Sequence[int],
        ages: list[Ages] | None = None,
        own: Floats | None = None,
    ) -> Floats:
        """The matrix of several questions; one ``get_many`` a view. Otherwise as ``row``.

        ``own``: the columns ``numbers`` of the questions as float32, where somebody has them already.
        """
        if own is None:
            own = self._all_numbers(inputs)
        if own is not None and not self._views:
            return own
        read = self._schema.columns if own is None else self._entities
        columns = {c: [_input(question, c) for question in inputs] for c in read}
        parts = [Inputs(*self._schema.inputs).compute(columns)] if self._reads and own is None else []
        parts += [] if own is None else [own]
        found: list[Ages] = [{} for _ in inputs]
        for view in self._views:
            held = _fresh(view, self._held(view.online, columns[view.entity], asked_at_us), asked_at_us, found)
            nothing = view.nothing[0]
            values = b"".join([nothing if row is None else row[1] for row in held])
            if len(values) != len(held) * len(nothing):
                odd = next(row[1] for row in held if row is not None and len(row[1]) != len(nothing))
                raise _damaged(view.online, odd, nothing)
            parts.append(np.frombuffer(values, dtype=PACKED).reshape(len(held), -1))
            if view.age:
                asked = np.asarray(asked_at_us, dtype=np.int64)
                known_at_us = np.array([np.nan if row is None else row[0] for row in held], dtype=np.float64)
                parts.append(((asked - known_at_us) / HOUR_US).astype(np.float32).reshape(-1, 1))
        if ages is not None:
            ages += found
        return np.concatenate(parts, axis=1, dtype=np.float32) if parts else np.empty((len(inputs), 0), np.float32)

    def _all_numbers(self, inputs: Sequence[Mapping[str, Any]]) -> Floats | None:
        """The question's own features where each is a number as it stands: half a microsecond a row of twenty.

        None where a value is not plainly one: then ``compute`` says what it is, or what is wrong with it.
        """
        if self._numbers is None:
            return None
        flat = array("d")
        try:
            for question in inputs:
                flat.extend(self._numbers(question))
        except (KeyError, TypeError, OverflowError):
            return None
        with np.errstate(over="ignore"):  # beyond float32 is infinite, as in ``compute``
            return np.frombuffer(flat, dtype=np.float64).astype(np.float32).reshape(len(inputs), -1)

    def _held(self, name: str, column: Sequence[Any], asked_at_us: Sequence[int]) -> list[Row | None]:
        entities = [value if type(value) is str else text_of(value) for value in column]
        asked = [entity for entity in entities if entity is not None]
        if len(asked) == len(entities):
            return list(self._online.get_many(name, asked, asked_at_us))
        when = [at for at, entity in zip(asked_at_us, entities, strict=True) if entity is not None]
        found = iter(self._online.get_many(name, asked, when) if asked else ())
        return [None if entity is None else next(found) for entity in entities]


def _read(binding: Binding) -> _Read:
    bound_us = binding.fresh_within_us or np.inf
    return _Read(
        binding.online,
        binding.entity,
        _nothing(binding),
        binding.age,
        binding.view,
        bound_us,
        binding.stale,
        Freshness(bound_us / 1e6),
    )


def _fresh(
    view: _Read, held: Sequence[Row | None], asked_at_us: Sequence[int], ages: Sequence[Ages]
) -> Sequence[Row | None]:
    """The rows, with the age of each noted in ``ages``; None for one that is so stale that it is taken for none."""
    seen, name = view.seen, view.view
    age_us = [None if row is None else at - row[0] for row, at in zip(held, asked_at_us, strict=True)]
    there = [age for age in age_us if age is not None]
    seen.missing += len(held) - len(there)
    if not there:
        return held
    seen.last_age_s = there[-1] / 1e6
    for noted, age in zip(ages, age_us, strict=True):
        if age is not None:
            noted[name] = age / 1e6
    if max(there) <= view.bound_us:
        return held
    stale = [age is not None and age > view.bound_us and _is_stale(view, "", age) for age in age_us]
    return [None if gone else row for row, gone in zip(held, stale, strict=True)]


def _is_stale(view: _Read, entity: str | None, age_us: int) -> bool:
    """Count it. True: it is taken for no row; False: it is used all the same. Raises Unavailable for the fallback."""
    view.seen.stale += 1
    if view.stale == "fallback":
        raise Unavailable(
            f"the row of {view.view}{f' for {entity}' if entity else ''} is {age_us / 1e6:,.0f} s old; "
            f"it may be {view.bound_us / 1e6:,.0f} s",
            hint="look after the view's feed: plimsoll status",
        )
    return view.stale == "missing"


def _nothing(binding: Binding) -> tuple[bytes, bytes]:
    """What stands for an entity of which nothing is known: its values, its age."""
    nan = np.array([np.nan], dtype=PACKED).tobytes()
    return nan * len(binding.values), nan if binding.age else b""


def _input(inputs: Mapping[str, Any], column: str) -> Any:
    try:
        return inputs[column]
    except KeyError:
        raise missing(column, inputs) from None


def _damaged(name: str, values: bytes, nothing: bytes) -> Damaged:
    return Damaged(
        f"an online row of {name} has {len(values)} bytes; the schema says {len(nothing)}",
        hint="materialise the view again",
    )
