"""Features straight from the question: one definition, for columns of questions and for a single question.

``compute`` takes columns (NumPy arrays or lists, as Parquet or JSON gave them) and is what training uses; the
function that ``scalar`` returns takes one value and is what a request uses. They give the same bits for the same
values, and a property test holds them to it. Null is NaN; in a category it is −1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from plimsoll.errors import InvalidDeclaration, UsageError
from plimsoll.features.columns import (
    Column,
    Columns,
    Floats,
    codes_of,
    column_of,
    number_of,
    numbers,
    text_of,
    texts,
    time_of,
    times,
)

UNKNOWN = -1
"""The code of a category's value that is null or that the training did not see."""


class RequestFeature(msgspec.Struct, frozen=True, kw_only=True):
    """One float32 from one column of the question."""

    name: str
    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        """What it reads, for the check that all of it is known when the question is asked."""
        return (self.column,)

    def compute(self, columns: Columns) -> Floats:
        """One value a question. Raises UsageError naming a column that is missing or of the wrong kind."""
        try:
            return self._array(column_of(columns, self.column))
        except (TypeError, ValueError, OverflowError) as error:
            raise self.wrong(error) from error

    def scalar(self) -> Callable[[Any], float]:
        """The same for one value; raises TypeError, ValueError or OverflowError on one of the wrong kind."""
        raise NotImplementedError

    def _array(self, column: Column) -> Floats:
        raise NotImplementedError

    def wrong(self, error: Exception) -> UsageError:
        return UsageError(f"the feature {self.name!r} cannot be computed from the column {self.column!r}: {error}")


class Number(RequestFeature, frozen=True, kw_only=True, tag="number"):
    """The value itself; a boolean is 0 or 1."""

    def scalar(self) -> Callable[[Any], float]:
        return number_of

    def _array(self, column: Column) -> Floats:
        with np.errstate(over="ignore"):  # beyond float32 is infinite, as it is for a single value
            return numbers(column).astype(np.float32)


class Hour(RequestFeature, frozen=True, kw_only=True, tag="hour"):
    """The hour of the day, 0–23. A time with an offset is taken in UTC; one without, as it stands."""

    def scalar(self) -> Callable[[Any], float]:
        return lambda value: np.nan if (at := time_of(value)) is None else at.hour

    def _array(self, column: Column) -> Floats:
        at = times(column)
        hours = (at - at.astype("datetime64[D]")).astype("timedelta64[h]").astype(np.float32)
        return np.where(np.isnat(at), np.float32(np.nan), hours)


class Weekday(RequestFeature, frozen=True, kw_only=True, tag="weekday"):
    """The day of the week, Monday 0 to Sunday 6; time zones as with ``hour``."""

    def scalar(self) -> Callable[[Any], float]:
        return lambda value: np.nan if (at := time_of(value)) is None else at.weekday()

    def _array(self, column: Column) -> Floats:
        at = times(column)
        days = at.astype("datetime64[D]").astype(np.int64)
        weekdays = ((days + 3) % 7).astype(np.float32)  # the epoch's first day was a Thursday
        return np.where(np.isnat(at), np.float32(np.nan), weekdays)


class Category(RequestFeature, frozen=True, kw_only=True, tag="category"):
    """The place of the value, as text, among ``levels``; −1 where it is null or not among them.

    Levels are fixed by the training questions and kept in the model's schema: what comes up later is unknown to
    that model, in a recomputation as in serving.
    """

    levels: tuple[str, ...] | None = None

    def fit(self, columns: Columns) -> Category:
        """With its levels taken from ``columns``, sorted; levels given by hand stay as they are."""
        if self.levels is not None:
            return self
        found = {text for text in texts(column_of(columns, self.column)) if text is not None}
        return msgspec.structs.replace(self, levels=tuple(sorted(found)))

    def scalar(self) -> Callable[[Any], float]:
        codes = self._codes()
        return lambda value: codes.get(text_of(value), UNKNOWN)

    def _array(self, column: Column) -> Floats:
        codes = self._codes()
        return codes_of(column, codes, UNKNOWN).astype(np.float32)

    def _codes(self) -> Mapping[str | None, int]:
        if self.levels is None:
            raise UsageError(
                f"the category {self.name!r} has no levels yet",
                hint="fit its Inputs on the training questions first, or give levels=[…]",
            )
        return {level: code for code, level in enumerate(self.levels)}


AnyRequestFeature = Number | Hour | Weekday | Category


class Inputs:
    """The features of a capability that come straight from its question, in order."""

    def __init__(self, *features: AnyRequestFeature) -> None:
        self.features = features
        if len(set(self.names)) < len(features):
            raise InvalidDeclaration(
                f"Inputs: a feature is there twice; they are {', '.join(self.names)}", hint="give one another name=…"
            )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """The question's columns that are read, once each."""
        return tuple(dict.fromkeys(c for f in self.features for c in f.columns))

    def fit(self, columns: Columns) -> Inputs:
        """With every category's levels fixed by these, the training questions."""
        return Inputs(*(f.fit(columns) if isinstance(f, Category) else f for f in self.features))

    def compute(self, columns: Columns) -> Floats:
        """A float32 matrix (questions × features)."""
        if not self.features:
            rows = len(next(iter(columns.values()), ()))
            return np.empty((rows, 0), dtype=np.float32)
        first = self.features[0].compute(columns)
        matrix = np.empty((len(first), len(self.features)), dtype=np.float32)
        matrix[:, 0] = first
        for place, feature in enumerate(self.features[1:], start=1):
            matrix[:, place] = feature.compute(columns)  # written where it belongs: a stack would copy it once more
        return matrix

    def __repr__(self) -> str:
        return f"Inputs({', '.join(self.names)})"


def number(column: str, *, name: str = "") -> Number:
    """The column as it is."""
    return Number(name=name or column, column=column)


def hour(column: str, *, name: str = "") -> Hour:
    """The hour of a time; named ``<column>_hour``."""
    return Hour(name=name or f"{column}_hour", column=column)


def weekday(column: str, *, name: str = "") -> Weekday:
    """The weekday of a time, Monday 0; named ``<column>_weekday``."""
    return Weekday(name=name or f"{column}_weekday", column=column)


def category(column: str, *, levels: list[str] | tuple[str, ...] | None = None, name: str = "") -> Category:
    """The column as an integer code; without ``levels`` they are those of the training questions."""
    if levels is not None and len(set(levels)) < len(levels):
        raise InvalidDeclaration(f"category({column!r}): a level is there twice")
    return Category(name=name or column, column=column, levels=None if levels is None else tuple(levels))
