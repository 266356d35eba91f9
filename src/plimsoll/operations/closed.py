"""Blocks that are closed: who said what, and what turned out, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.evaluation import blockwise, coded, in_full
from plimsoll.kernel.verdict import Block
from plimsoll.operations.shown import Shown
from plimsoll.stats.metric import REGRESSION, Metric

Floats = NDArray[np.float64]
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


class ClosedBlock(NamedTuple):
    """A block that is evidence, its rows in the order of the log. ``labels`` is NaN where the outcome never came,
    ``scores`` where a release said nothing; ``group``: the column that names each row's query, where rows are ranked."""

    name: str
    first_at: datetime
    last_at: datetime
    task: str
    labels: Floats
    scores: dict[str, Floats]
    columns: dict[str, Slices]
    shown: Shown | None
    group: str = ""

    @property
    def queries(self) -> NDArray[np.int64] | None:
        """Which query each row is of, where rows are ranked."""
        return self.columns[self.group].codes if self.group else None

    @property
    def missing_share(self) -> float:
        return float(np.isnan(self.labels).mean())


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
    queries = block.queries
    if queries is not None:
        rows = in_full(rows, queries)
    column = block.columns[by] if by else Slices(("",), np.zeros(len(rows), dtype=np.int64))
    for cut in _cuts(column, value, rows, together=_adds_up(metric, comparator)):
        others = {} if theirs is None else {comparator: theirs[cut]}
        of = None if queries is None else queries[cut]
        made = coded(block.task, ours[cut], block.labels[cut], column.codes[cut], column.names, others, of)
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
