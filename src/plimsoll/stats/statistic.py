"""A metric's statistic: a few numbers of some rows that are enough for its value, whoever else's are merged with them.

What a shard, a window or a closed block keeps instead of its rows: merged in any order and in any split, it gives the
metric of one pass over all rows; and leaving each block out in turn gives the jackknife's pseudo-values without a row.
AUC comes from fixed bins of the score here, and is off by at most ``additive.binned_auc_error``; exact where the rows are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.stats import additive
from plimsoll.stats.metric import Metric, Sums

Floats = NDArray[np.float64]


class Statistic(msgspec.Struct, frozen=True, array_like=True):
    """``numbers`` of the rows that ``metric`` was measured on; what they are, the metric's ``sums`` say."""

    metric: str
    numbers: tuple[float, ...]


def sums_of(metric: Metric) -> Sums:
    """What adds up of ``metric``. Raises UsageError where nothing does: it needs all rows at once."""
    if metric.sums is not None:
        return metric.sums
    if metric.rows is None:
        raise UsageError(
            f"{metric.name} has no statistics that add up: it needs all rows at once",
            hint="measure it where the rows are, or take one that adds up (auc, f1, log_loss, rmse)",
        )
    rows = metric.rows
    return Sums(of=lambda s, y, codes, count: additive.totals(rows(s, y), codes, count), value=additive.mean)


def statistic_of(metric: Metric, scores: Any, labels: Any) -> Statistic:
    """Of these rows; those without a label are left out."""
    numbers = sums_of(metric).of(scores, labels, np.zeros(len(labels), dtype=np.int64), 1)[0]
    return Statistic(metric.id, tuple(numbers.tolist()))


def merged(metric: Metric, parts: Sequence[Statistic]) -> Statistic:
    """All ``parts`` as one. Raises UsageError if one is of another metric, or of another number of classes."""
    table = _table(metric, parts)
    return Statistic(metric.id, tuple(reduce(merging(sums_of(metric)), table).tolist()))


def value_of(metric: Metric, part: Statistic) -> float | None:
    """The metric of the rows behind ``part``; None where it is undefined on them."""
    value = float(sums_of(metric).value(_table(metric, [part])[0]))
    return value if np.isfinite(value) else None


def pseudo_values(metric: Metric, parts: Sequence[Statistic]) -> list[float]:
    """The delete-one-block jackknife of blocks' statistics, as ``resample.jackknife_blocks`` has it from rows.

    Nothing where the metric is undefined without some block, or there is one block alone.
    """
    if len(parts) < 2:
        return []
    sums, table, count = sums_of(metric), _table(metric, parts), len(parts)
    values = count * sums.value(reduce(merging(sums), table)) - (count - 1) * sums.value(leaving(sums, table))
    return values.tolist() if np.isfinite(values).all() else []


def leaving(sums: Sums, table: Floats) -> Floats:
    """All blocks but each one, for every row of ``table``; two rows or more."""
    if sums.merge is None:
        return np.asarray(table.sum(axis=0) - table)
    before = list(accumulate(table, sums.merge))
    after = list(accumulate(table[::-1], sums.merge))[::-1]
    between = [sums.merge(a, b) for a, b in zip(before, after[2:], strict=False)]
    return np.stack([after[1], *between, before[-2]])


def merging(sums: Sums) -> Any:
    """How two rows of its numbers become one."""
    return sums.merge or np.add


def _table(metric: Metric, parts: Sequence[Statistic]) -> Floats:
    if others := {p.metric for p in parts} - {metric.id}:
        raise UsageError(f"statistics of {', '.join(sorted(others))} cannot be read as {metric.id}")
    if not parts or len({len(p.numbers) for p in parts}) > 1:
        sizes = sorted({len(p.numbers) for p in parts})
        raise UsageError(f"{metric.name}: there must be statistics, all of one size; the sizes are {sizes}")
    return np.array([p.numbers for p in parts], dtype=np.float64)
