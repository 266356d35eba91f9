"""Features of a question that is asked now: its own, and the last applied row of each view.

Bit for bit what ``FeatureSchema.compute`` gives for the same question, once the rows known until it was asked are
applied: same rows, same arithmetic. A row that became known between asking and looking is used as it is; its age is
then a little below zero.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from plimsoll.errors import Damaged
from plimsoll.features.columns import Floats, missing, text_of
from plimsoll.features.request import Inputs
from plimsoll.features.schema import Binding, FeatureSchema
from plimsoll.features.timeline import HOUR_US, PACKED
from plimsoll.kernel.ports import OnlineFeatures


class OnlineJoin:
    """The features of one release, looked up where they are served."""

    def __init__(self, schema: FeatureSchema, online: OnlineFeatures) -> None:
        self._schema = schema
        self._online = online
        self._reads = tuple((f.column, f.scalar(), f) for f in schema.inputs)
        self._views = tuple((b.online, b.entity, _nothing(b), b.age) for b in schema.views)

    def row(self, inputs: Mapping[str, Any], asked_at_us: int) -> Floats:
        """The float32 vector of one question. Cost: one ``get`` a view; about a microsecond a feature besides.

        Raises UsageError naming a column that the question lacks or that is of the wrong kind.
        """
        own = array("f")
        for column, read, feature in self._reads:
            try:
                own.append(read(inputs[column]))
            except KeyError:
                raise missing(column, inputs) from None
            except (TypeError, ValueError, OverflowError) as error:
                raise feature.wrong(error) from error
        packed = bytearray(own.tobytes())
        get = self._online.get
        for name, column, nothing, age in self._views:
            entity = text_of(_input(inputs, column))
            held = None if entity is None else get(name, entity, asked_at_us)
            if held is None:
                packed += nothing[0] + nothing[1]
                continue
            known_at_us, values = held
            if len(values) != len(nothing[0]):
                raise _damaged(name, values, nothing[0])
            packed += values
            if age:
                packed += array("f", ((asked_at_us - known_at_us) / HOUR_US,)).tobytes()
        return np.frombuffer(packed, dtype=np.float32)

    def rows(self, inputs: Sequence[Mapping[str, Any]], asked_at_us: Sequence[int]) -> Floats:
        """The matrix of several questions; one ``get_many`` a view."""
        columns = {c: [_input(question, c) for question in inputs] for c in self._schema.columns}
        parts = [Inputs(*self._schema.inputs).compute(columns)] if self._reads else []
        asked = np.asarray(asked_at_us, dtype=np.int64)
        for name, column, nothing, age in self._views:
            held = self._held(name, columns[column], asked_at_us)
            values = b"".join(nothing[0] if row is None else row[1] for row in held)
            if len(values) != len(held) * len(nothing[0]):
                odd = next(row[1] for row in held if row is not None and len(row[1]) != len(nothing[0]))
                raise _damaged(name, odd, nothing[0])
            parts.append(np.frombuffer(values, dtype=PACKED).reshape(len(held), -1))
            if age:
                known_at_us = np.array([np.nan if row is None else row[0] for row in held], dtype=np.float64)
                parts.append(((asked - known_at_us) / HOUR_US).astype(np.float32).reshape(-1, 1))
        return np.concatenate(parts, axis=1, dtype=np.float32) if parts else np.empty((len(inputs), 0), np.float32)

    def _held(self, name: str, column: Sequence[Any], asked_at_us: Sequence[int]) -> list[tuple[int, bytes] | None]:
        entities = [text_of(value) for value in column]
        asked = [entity for entity in entities if entity is not None]
        when = [at for at, entity in zip(asked_at_us, entities, strict=True) if entity is not None]
        found = iter(self._online.get_many(name, asked, when) if asked else ())
        return [None if entity is None else next(found) for entity in entities]


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
