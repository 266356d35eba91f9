"""Evidence of what answers bring about: of those who were shown a release's, alone or beside those who were shown another's.

Nothing is scored twice here: where the prediction changes what happens, what happened under one release says nothing of how
another would have done (``stats.two_arms``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.evaluation import coded, in_full, queries_of
from plimsoll.kernel.digest import rounded
from plimsoll.kernel.verdict import Block, Evidence
from plimsoll.operations.closed import ClosedBlock, answered
from plimsoll.stats import Metric, row_bounds
from plimsoll.stats.metrics import COST
from plimsoll.stats.ratios import Totals, linearised
from plimsoll.stats.two_arms import Cells, cells, hidden_variance

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PRICES = "server.core_second_usd"


class _Arm(NamedTuple):
    """Rows that one release was to answer, with an outcome: numerators and denominators. ``least`` and ``most``: totals by
    block if every outcome that never came had turned out so; ``n`` and ``missing`` by block."""

    known: Cells
    least: Totals
    most: Totals
    n: Ints
    missing: Ints


def measured(e: Evidence, metric: Metric, closed: Sequence[ClosedBlock], value: str | None) -> Evidence:
    """``e`` with its blocks: of ``e.release``'s rows, as the loss against ``e.comparator``'s where there is one.

    Raises UsageError where the metric cannot be measured on them.
    """
    by = e.requirement.by
    ours = _arm(metric, e.release, closed, by, value)
    theirs = _arm(metric, e.comparator, closed, by, value) if e.comparator else None
    for release, arm in ((e.release, ours), (e.comparator, theirs)):
        if arm is not None and not arm.known.denominator.sum() > 0.0:
            return replace(e, waits_for=f"{e.requirement}: nothing has come of an answer of {release[:12]} yet")
    if COST in metric.reads and not ours.known.numerator.any():
        return replace(e, waits_for=f"{e.requirement}: no answer has a cost: declare what a second costs ({PRICES})")
    scale = metric.scale
    if theirs is None and e.source == "live":
        return _unbounded(e, ours) or replace(e, blocks=_by_itself(closed, ours, metric))
    if theirs is None:
        return _unbounded(e, ours) or replace(e, blocks=_blocks(closed, _bounds(ours, scale), ours.n, ours.missing))
    low, middle, high = _bounds(ours, scale)
    least, usual, most = _bounds(theirs, scale)
    losses = low - most, middle - usual, high - least
    if metric.loss_sign < 0:
        losses = tuple(-loss for loss in reversed(losses))  # type: ignore[assignment]
    both = replace(
        e,
        blocks=_blocks(closed, losses, ours.n + theirs.n, ours.missing + theirs.missing),
        arms=(ours.known.units, theirs.known.units),
        hidden=rounded(scale * scale * hidden_variance(ours.known, theirs.known)),
    )
    return _unbounded(e, ours) or _unbounded(e, theirs) or both


def _unbounded(e: Evidence, arm: _Arm) -> Evidence | None:
    """Nothing is known where what never came could be of any size."""
    if np.isfinite([*arm.least.numerators, *arm.most.numerators, *arm.least.denominators]).all():
        return None
    why = f"{arm.missing.sum():,} of {arm.n.sum():,} outcomes never came, and what they would have been has no bounds"
    return replace(e, waits_for=f"{e.requirement}: {why}: declare them (between=…)")


def _bounds(arm: _Arm, scale: float) -> tuple[Floats, Floats, Floats]:
    """Linearised values by block: at least, as known, at most."""
    known = scale * np.array(linearised(arm.known.totals(len(arm.n))))
    if not arm.missing.any():
        return known, known, known
    return scale * np.array(linearised(arm.least)), known, scale * np.array(linearised(arm.most))


def _by_itself(closed: Sequence[ClosedBlock], arm: _Arm, metric: Metric) -> tuple[Block, ...]:
    """Each block's own mean, for a detector, which takes one block after the other and bets by the least that it could be."""
    found, sums = [], arm.known.totals(len(closed))
    for i, block in enumerate(closed):
        if sums.denominators[i] > 0.0:
            value = rounded(metric.scale * sums.numerators[i] / sums.denominators[i])
            found.append(Block(block.name, int(arm.n[i]), value, value, value, metric.bounds[0], int(arm.missing[i])))
    return tuple(found)


def _blocks(closed: Sequence[ClosedBlock], values: Sequence[Floats], n: Ints, missing: Ints) -> tuple[Block, ...]:
    low, middle, high = ([rounded(float(v)) for v in column] for column in values)
    return tuple(
        Block(block.name, int(n[i]), middle[i], low[i], high[i], low[i], int(missing[i]))
        for i, block in enumerate(closed)
        if n[i]
    )


# ── one arm ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Rows(NamedTuple):
    """Of one arm in all blocks. ``ends``: (least, most) of the numerator, then of the denominator, where it is missing."""

    block: Ints
    unit: Ints
    numerator: Floats
    denominator: Floats
    ends: tuple[Floats, Floats, Floats, Floats]


def _arm(metric: Metric, release: str, closed: Sequence[ClosedBlock], by: str | None, value: str | None) -> _Arm:
    parts = [_rows(metric, release, block, place, by, value) for place, block in enumerate(closed)]
    block, unit, x, y = (np.concatenate([part[i] for part in parts]) for i in range(4))
    ends = [np.concatenate([part.ends[i] for part in parts]) for i in range(4)]
    known, count = ~np.isnan(x + y), len(closed)

    def totals(numerators: Floats, denominators: Floats) -> Totals:
        given = ((x, numerators), (y, denominators))
        sums = (np.bincount(block, weights=np.where(known, real, end), minlength=count) for real, end in given)
        return Totals(*(s.tolist() for s in sums))

    return _Arm(
        known=cells(block[known], unit[known], x[known], y[known]),
        least=totals(ends[0], ends[3]),
        most=totals(ends[1], ends[2]),
        n=np.bincount(block, minlength=count),
        missing=np.bincount(block, weights=~known, minlength=count).astype(np.int64),
    )


def _rows(metric: Metric, release: str, block: ClosedBlock, place: int, by: str | None, value: str | None) -> _Rows:
    assert block.shown is not None
    mine = block.shown.by(release)
    if by and value is not None:
        column = block.columns[by]
        mine &= np.array([name == value for name in column.names])[column.codes]
    if not metric.reads:
        said = block.scores.get(release)
        mine &= answered(said) if said is not None else False
        if metric.per_query is not None and block.queries is not None:
            mine = in_full(mine, block.queries)
    of = _read if metric.reads else _ranked if metric.per_query is not None else _scored
    x, y, *ends = of(metric, release, block, mine)
    n = int(mine.sum())
    return _Rows(np.full(n, place), block.shown.units[mine], x, y, tuple(ends))  # type: ignore[arg-type]


def _read(metric: Metric, release: str, block: ClosedBlock, mine: NDArray[np.bool_]) -> tuple[Floats, ...]:
    """What came, by its names; a denominator that is not named counts rows."""
    assert block.shown is not None
    columns = [(block.labels if name == "label" else block.shown.values[name])[mine] for name in metric.reads]
    ends = [np.full(len(columns[0]), end) for span in metric.ranges for end in span]
    if len(columns) == 1:
        one = np.ones(len(columns[0]))
        return columns[0], one, *ends, one, one
    return *columns, *ends


def _scored(metric: Metric, release: str, block: ClosedBlock, mine: NDArray[np.bool_]) -> tuple[Floats, ...]:
    """Each answer's own value, by what came of it."""
    labels = block.labels[mine]
    one = np.ones(len(labels))
    if not len(labels):
        return labels, one, one, one, one, one
    scores = block.scores[release][mine]
    if metric.rows is None:
        raise UsageError(f"{metric.name} needs all rows at once, and is not compared between two arms")
    low, high = row_bounds(metric, scores)
    return np.where(np.isnan(labels), np.nan, metric.rows(scores, labels)), one, low, high, one, one


def _ranked(metric: Metric, release: str, block: ClosedBlock, mine: NDArray[np.bool_]) -> tuple[Floats, ...]:
    """Each query's value at the first of its rows; at the others, and where there is nothing to find, nothing counts."""
    assert block.queries is not None
    n = int(mine.sum())
    x, y, low, high = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    if n:
        rows = coded(
            block.task, block.scores[release][mine], block.labels[mine], np.zeros(n, dtype=np.int64), ("",), {},
            block.queries[mine],
        )  # fmt: skip
        found = queries_of(metric, rows, None)
        x[found.first] = np.where(found.known, found.values, np.nan)
        y[found.first] = 1.0
        high[found.first] = 1.0
    return x, y, low, high, y, y
