"""Blocks while they fill and once they are closed: who said what, and what turned out, as columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.evaluation import blockwise, coded
from plimsoll.kernel.verdict import Block
from plimsoll.operations.shown import OpenShown, Shown, closed
from plimsoll.stats.metric import REGRESSION, Metric

Floats = NDArray[np.float64]
Score = float | tuple[float, ...]
TINY = 20
"""Rows of a slice in one block, below which it is measured only when asked for: a column may have a million values."""


@dataclass(frozen=True, slots=True)
class Slices:
    """A column of a block: each row's place among ``names``."""

    names: tuple[str, ...]
    codes: NDArray[np.int64]

    def sizes(self) -> dict[str, int]:
        """How many rows each value has."""
        return dict(zip(self.names, np.bincount(self.codes, minlength=len(self.names)).tolist(), strict=True))


class OpenBlock:
    """A block that still waits: rows in the order they were asked."""

    __slots__ = (
        *("columns", "first_at", "hour", "ids", "labelled", "labels", "last_at", "name", "number", "scores", "shown"),
    )

    def __init__(
        self, name: str, number: int, at: datetime, columns: Sequence[str], shown: OpenShown | None = None
    ) -> None:
        self.name, self.number, self.first_at, self.last_at = name, number, at, at
        self.labelled = 0
        self.hour = ""  # of its newest event
        self.ids: list[str] = []
        self.labels: list[float] = []
        self.scores: dict[str, dict[int, Score]] = defaultdict(dict)
        self.columns: dict[str, tuple[dict[str, int], list[int]]] = {c: ({}, []) for c in columns}
        self.shown = shown

    @property
    def size(self) -> int:
        return len(self.labels)

    def add(self, id: str, inputs: Mapping[str, Any]) -> int:
        """A new row."""
        row = len(self.labels)
        self.ids.append(id)
        self.labels.append(np.nan)
        for column, (places, codes) in self.columns.items():
            codes.append(places.setdefault(str(inputs.get(column)), len(places)))
        return row


class ClosedBlock:
    """A block that is evidence. ``labels`` is NaN where the outcome never came."""

    __slots__ = ("columns", "first_at", "labels", "last_at", "name", "scores", "shown", "task")

    def __init__(self, block: OpenBlock, task: str) -> None:
        self.name, self.first_at, self.last_at, self.task = block.name, block.first_at, block.last_at, task
        self.shown: Shown | None = None if block.shown is None else closed(block.shown)
        self.labels: Floats = np.array(block.labels)
        self.scores = {r: _column(by_row, block.size) for r, by_row in block.scores.items()}
        self.columns = {
            c: Slices(tuple(places), np.array(codes, dtype=np.int64)) for c, (places, codes) in block.columns.items()
        }

    @property
    def missing_share(self) -> float:
        return float(np.isnan(self.labels).mean())


def _column(by_row: dict[int, Score], size: int) -> Floats:
    """One score a row, NaN where this release said nothing (or an error)."""
    first = next(iter(by_row.values()), 0.0)
    shape = (size, len(first)) if isinstance(first, tuple) else (size,)
    scores = np.full(shape, np.nan)
    if by_row:
        scores[np.fromiter(by_row, np.int64, len(by_row))] = np.array(list(by_row.values()), dtype=np.float64)
    return scores


def answered(scores: Floats) -> NDArray[np.bool_]:
    """The rows with a score."""
    missing: NDArray[np.bool_] = np.isnan(scores)
    return np.logical_not(missing.any(axis=1) if missing.ndim == 2 else missing)


def measured(
    block: ClosedBlock, metric: Metric, release: str, comparator: str, by: str | None, value: str
) -> dict[str, Block | None]:
    """The metric on the rows of ``value`` in column ``by``, or on all (then ``value`` is empty); None where nobody of the
    pair answered. Slices that are not tiny are measured in the same pass, because somebody will ask for them too."""
    ours, theirs = block.scores.get(release), block.scores.get(comparator) if comparator else None
    found: dict[str, Block | None] = {value: None}
    if ours is None or (comparator and theirs is None):
        return found
    rows = answered(ours) if theirs is None else answered(ours) & answered(theirs)
    column = block.columns[by] if by else Slices(("",), np.zeros(len(rows), dtype=np.int64))
    for cut in _cuts(column, value, rows, together=_adds_up(metric, comparator)):
        others = {} if theirs is None else {comparator: theirs[cut]}
        made = coded(block.task, ours[cut], block.labels[cut], column.codes[cut], column.names, others)
        for one in blockwise(metric, made, comparator, None).blocks:
            found[one.name] = msgspec.structs.replace(one, name=block.name)
    return found


def _adds_up(metric: Metric, comparator: str) -> bool:
    """Whether slices can be measured together: what one lacks must not leave another without a bound."""
    return metric.rows is not None and (bool(comparator) or REGRESSION not in metric.tasks)


def _cuts(column: Slices, value: str, rows: NDArray[np.bool_], *, together: bool) -> list[NDArray[np.bool_]]:
    """The rows of ``value``, and in the same cut those of every slice that is not tiny where they go ``together``."""
    sizes = np.bincount(column.codes, minlength=len(column.names))
    wanted = np.array([name == value for name in column.names]) | (together & (sizes >= TINY))
    cut = rows & wanted[column.codes]
    return [cut] if cut.any() else []
