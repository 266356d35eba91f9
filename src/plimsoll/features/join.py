"""The training set: questions, what was known about them when they were asked, and what turned out.

A join may neither lose nor double a row: rows and keys are counted before and after, and both counts are in the
error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import Broken, Inadmissible, UsageError
from plimsoll.features.columns import Column, Columns, Floats, column_of, microseconds, numbers, texts
from plimsoll.features.schema import FeatureSchema
from plimsoll.features.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """``X`` float32 (rows × names), ``y`` float64 with NaN where no outcome is known, and who each row is.

    ``units`` name the rows, ``blocks`` what may be taken as independent, ``asked_at`` is datetime64[us] in UTC,
    ``slices`` are the columns that results are broken down by, ``categories`` the features that are codes. ``group``: the one
    of ``slices`` that names each row's query, where rows are ranked.
    """

    X: Floats
    y: NDArray[np.float64]
    names: tuple[str, ...]
    units: NDArray[Any]
    blocks: NDArray[Any]
    asked_at: NDArray[np.datetime64]
    slices: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    group: str = ""

    def __len__(self) -> int:
        return len(self.y)

    @property
    def unlabelled(self) -> int:
        """How many rows have no outcome. They are kept: what never came is not what came early."""
        return int(np.isnan(self.y).sum())

    def take(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> TrainingSet:
        """The chosen rows, by mask or by index."""
        return TrainingSet(
            X=self.X[rows],
            y=self.y[rows],
            names=self.names,
            units=self.units[rows],
            blocks=self.blocks[rows],
            asked_at=self.asked_at[rows],
            slices={name: column[rows] for name, column in self.slices.items()},
            categories=self.categories,
            group=self.group,
        )

    def by_query(self) -> tuple[TrainingSet, NDArray[np.int64]]:
        """The rows with those of one query next to each other, in order of time, and how many each query has: what rankers
        are fitted on. Raises UsageError where rows are not ranked."""
        if not self.group:
            raise UsageError("these rows are of no queries", hint='task=Ranking(label=…, group="query") ranks them')
        names = self.slices[self.group].astype(str)
        _, first, codes, sizes = np.unique(names, return_index=True, return_inverse=True, return_counts=True)
        order = np.argsort(first[codes.reshape(-1)], kind="stable")
        return self.take(order), sizes[np.argsort(first, kind="stable")].astype(np.int64)

    def labelled(self) -> TrainingSet:
        """The rows that have an outcome."""
        return self.take(~np.isnan(self.y))


def training_set(
    *,
    schema: FeatureSchema,
    columns: Columns,
    timelines: Mapping[str, Timeline],
    unit: str,
    asked_at: str,
    blocks: Column,
    label: str,
    classes: Sequence[str] = (),
    slices: Sequence[str] = (),
    group: str = "",
) -> TrainingSet:
    """Join ``columns`` (one element a question) with what ``timelines`` knew when each was asked.

    ``unit``, ``asked_at``, ``label`` and ``slices`` name columns; with ``classes`` the label is the place of its text
    among them. Raises Inadmissible where a unit is there twice, UsageError where columns have unequal lengths or
    the label is none of the classes.
    """
    units = np.array(texts(column_of(columns, unit)), dtype=object)
    _check_lengths(columns, blocks, rows=len(units))
    _check_units(units, unit)
    asked_at_us = microseconds(column_of(columns, asked_at))
    matrix = schema.compute(columns, asked_at_us, timelines)
    if matrix.shape != (len(units), len(schema.names)):
        raise Broken(f"the join made {matrix.shape} of {len(units)} questions × {len(schema.names)} features")
    return TrainingSet(
        X=matrix,
        y=_labels(column_of(columns, label), label, classes),
        names=schema.names,
        units=units,
        blocks=np.array(texts(blocks), dtype=object),
        asked_at=asked_at_us.astype("datetime64[us]"),
        slices={name: np.array(texts(column_of(columns, name)), dtype=object) for name in slices},
        categories=schema.categories,
        group=group,
    )


def _check_lengths(columns: Columns, blocks: Column, *, rows: int) -> None:
    lengths = {name: len(column) for name, column in columns.items()} | {"blocks": len(blocks)}
    if wrong := {name: length for name, length in lengths.items() if length != rows}:
        raise UsageError(f"there are {rows} questions, but other numbers of rows in {wrong}")


def _check_units(units: NDArray[Any], unit: str) -> None:
    if None in units:
        raise Inadmissible(f"{sum(u is None for u in units)} of {len(units)} questions have no {unit!r}")
    if (distinct := len(set(units))) != len(units):
        raise Inadmissible(
            f"{len(units)} questions have {distinct} distinct values of {unit!r}: the join would not be one to one",
            hint="name a column that is unique, or remove the repeated rows in the contract",
            details={"rows": len(units), "units": distinct},
        )


def _labels(column: Column, label: str, classes: Sequence[str]) -> NDArray[np.float64]:
    if not classes:
        try:
            return numbers(column)
        except (TypeError, ValueError) as error:
            raise UsageError(f"the label {label!r} is not a number: {error}") from error
    codes: dict[str | None, float] = {name: float(code) for code, name in enumerate(classes)} | {None: np.nan}
    found = texts(column)
    if unknown := sorted({text for text in found if text is not None and text not in codes}):
        raise UsageError(
            f"the label {label!r} has {', '.join(unknown)}, which are none of the classes {tuple(classes)}"
        )
    return np.array([codes[text] for text in found], dtype=np.float64)
