"""Groups compared: one measure for each pair of them, and the widest gap for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.evaluation.measurement import CONFIDENCE, OTHER, Measure, finite
from plimsoll.evaluation.rows import Rowset, rowset
from plimsoll.kernel.digest import rounded
from plimsoll.kernel.verdict import Block
from plimsoll.stats import t_interval
from plimsoll.stats.fairness import SELECTED, Pair, compared_pairs, criterion_of, rates, worst_over_groups

MOST_GROUPS = 30
"""435 pairs: beyond it every pair has so small a share of the error that nothing is ever shown."""


class GroupRate(msgspec.Struct, frozen=True, kw_only=True):
    """One group: its rows, how many lack their outcome, and each rate that is compared (None: it has no such rows)."""

    name: str
    rows: int
    missing: int
    rates: dict[str, float | None]
    judged: bool = True


class Fairness(msgspec.Struct, frozen=True, kw_only=True):
    """One metric across the groups of one column: its value over the judged groups, each group's rates, and a measure
    for each pair; the widest first."""

    metric: str
    by: str
    value: float | None
    groups: tuple[GroupRate, ...]
    pairs: tuple[Measure, ...]


def fairness(
    metric: str, *, by: str, scores: Any, labels: Any, blocks: Sequence[Any], groups: Sequence[Any], minimum: int = 200
) -> Fairness:
    """``metric`` across the values of ``groups`` (the column ``by``), on the rows that ``measure`` is given.

    Groups with fewer than ``minimum`` labelled rows are pooled into ``other``, shown and not judged. Raises UsageError
    where more than 30 groups are left: that is a question about people, not about row numbers.
    """
    rows = rowset("binary", scores, labels, blocks, {})
    names, codes = _groups(rows, groups, by, minimum)
    judged = codes < len(names)
    cut, kept = rows.cut(judged), codes[judged]
    found = compared_pairs(metric, cut.scores, cut.labels, kept, len(names), cut.codes, len(rows.names))
    pairs = sorted((_measure(metric, by, names, cut, kept, pair) for pair in found), key=_gap)
    everybody = [*names, *([OTHER] if not judged.all() else [])]
    return Fairness(
        metric=metric,
        by=by,
        value=finite(worst_over_groups(metric, cut.scores, cut.labels, kept, len(names))),
        groups=tuple(_rate(metric, rows, codes == g, name, g < len(names)) for g, name in enumerate(everybody)),
        pairs=tuple(pairs) if pairs else (_nothing(metric, by, len(names), minimum, rows),),
    )


def _groups(rows: Rowset, groups: Sequence[Any], by: str, minimum: int) -> tuple[list[str], NDArray[np.int64]]:
    """The judged groups by name, and each row's; the number after the last is that of the others."""
    values = np.asarray(groups, dtype=object).astype(str)
    if len(values) != len(rows):
        raise UsageError(f"the group column {by!r} has {len(values):,} values for {len(rows):,} rows")
    names, codes = np.unique(values, return_inverse=True)
    labelled = np.bincount(codes, weights=rows.known, minlength=len(names))
    kept = np.flatnonzero(labelled >= minimum)
    if len(kept) > MOST_GROUPS:
        raise UsageError(
            f"{by!r} has {len(kept)} groups, which make {len(kept) * (len(kept) - 1) // 2:,} pairs; the most is {MOST_GROUPS}",
            hint="give a column with fewer values",
        )
    place = np.full(len(names), len(kept))
    place[kept] = np.arange(len(kept))
    return [str(names[k]) for k in kept], np.asarray(place[codes])


def _measure(
    metric: str, by: str, names: Sequence[str], rows: Rowset, groups: NDArray[np.int64], pair: Pair
) -> Measure:
    both = (groups == pair.high) | (groups == pair.low)
    missing = both & ~rows.known & (pair.rate != SELECTED)
    blocks = tuple(_blocks(rows, both, missing, pair))
    error = (1.0 - CONFIDENCE) / 2
    interval = t_interval([b.mean for b in blocks], alpha_low=error, alpha_high=error)
    rate = f", {pair.rate}" if len(criterion_of(metric)[0]) > 1 else ""
    return Measure(
        metric=metric,
        comparator="",
        slice=f"{by}={names[pair.high]} against {names[pair.low]}{rate}",
        rows=int(both.sum()),
        missing=int(missing.sum()),
        value=finite(float(pair.middle.mean())),
        estimate=finite(interval.estimate),
        low=finite(interval.low),
        high=finite(interval.high),
        blocks=blocks,
        note=interval.problem,
    )


def _blocks(rows: Rowset, both: NDArray[np.bool_], missing: NDArray[np.bool_], pair: Pair) -> list[Block]:
    n = np.bincount(rows.codes[both], minlength=len(rows.names))
    lacking = np.bincount(rows.codes[missing], minlength=len(rows.names))
    made: list[Block] = []
    for b in np.flatnonzero(n).tolist():
        mean, low, high = (rounded(float(v[b])) for v in (pair.middle, pair.least, pair.most))
        made.append(Block(rows.names[b], int(n[b]), mean, low, high, min(low, high), int(lacking[b])))
    return made


def _nothing(metric: str, by: str, groups: int, minimum: int, rows: Rowset) -> Measure:
    few = f"{groups} groups have {minimum} labelled rows or more, and without some block a rate is undefined"
    why = few if groups > 1 else f"fewer than two groups of {by} have {minimum} labelled rows"
    return Measure(
        metric=metric,
        comparator="",
        slice=f"{by}={OTHER}",
        rows=len(rows),
        missing=int((~rows.known).sum()),
        value=None,
        estimate=None,
        low=None,
        high=None,
        blocks=(),
        judged=False,
        note=f"not judged: {why}",
    )


def _rate(metric: str, rows: Rowset, inside: NDArray[np.bool_], name: str, judged: bool) -> GroupRate:
    cut = rows.cut(inside)
    one = np.zeros(len(cut), dtype=np.int64)
    found = {rate: rates(rate, cut.scores, cut.labels, one, 1)[0] for rate in criterion_of(metric)[0]}
    return GroupRate(
        name=name,
        rows=len(cut),
        missing=int((~cut.known).sum()),
        rates={rate: rounded(float(hits / n)) if n else None for rate, (hits, n) in found.items()},
        judged=judged,
    )


def _gap(measure: Measure) -> float:
    """The widest first: the largest difference, the smallest ratio."""
    value = measure.value or 0.0
    return value if measure.metric.endswith("_ratio") else -value
