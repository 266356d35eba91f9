"""What a change costs: a metric of the changed answers against that of the release's own, paired and bounded by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import PlimsollError, UsageError
from plimsoll.evaluation.measurement import Measure, finite, measure_one
from plimsoll.evaluation.rows import rowset
from plimsoll.kernel.digest import rounded
from plimsoll.kernel.records import ITSELF
from plimsoll.stats import Metric, t_interval

Floats = NDArray[np.float64]
ERROR = 0.025
"""Of each bound: a two-sided 95 % interval, for people. Nothing is decided on it."""


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """``value`` of the metric under the change, over all rows. ``worse_by``: the mean over blocks of what it is worse by
    (below zero: better), with its two-sided 95 % interval; None where there is none, and ``note`` says why."""

    metric: str
    unit: str
    value: float | None
    worse_by: float | None
    low: float | None
    high: float | None
    blocks: int
    note: str = ""

    @property
    def is_shown(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Labelled rows in order of time, as the release itself answers them."""

    task: str
    scores: Floats
    labels: Floats
    blocks: list[Any]

    def take(self, rows: NDArray[np.bool_]) -> Answered:
        kept = np.flatnonzero(rows).tolist()
        return Answered(
            task=self.task,
            scores=self.scores[rows],
            labels=self.labels[rows],
            blocks=[self.blocks[i] for i in kept],
        )


def level(metric: Metric, answered: Answered) -> Loss:
    """The metric of the release's own answers; ``worse_by`` is empty."""
    m = _measured(metric, answered, answered.scores, against="")
    return Loss(
        metric=metric.name,
        unit=metric.unit,
        value=m.value,
        worse_by=None,
        low=m.low,
        high=m.high,
        blocks=len(m.blocks),
        note=m.note,
    )


def loss(metric: Metric, answered: Answered, *answers: Floats) -> Loss:
    """What other answers to the same rows lose against the release's own; of several, the mean of them."""
    found = [_measured(metric, answered, scores, against=ITSELF) for scores in answers]
    levels = [_measured(metric, answered, scores, against="").value for scores in answers]
    means = np.mean([[block.mean for block in m.blocks] for m in found], axis=0)
    value = None if None in levels else rounded(float(np.mean([v for v in levels if v is not None])))
    return _bounded(metric, value, means.tolist(), found[0].note)


def without(metric: Metric, answered: Answered, rows: NDArray[np.bool_]) -> Loss:
    """The metric without ``rows``, and by how much it is worse than with them, block by block."""
    whole = _measured(metric, answered, answered.scores, against="")
    rest = answered.take(~rows)
    cut = _measured(metric, rest, rest.scores, against="")
    means = {block.name: block.mean for block in whole.blocks}
    differences = [metric.loss_sign * (b.mean - means[b.name]) for b in cut.blocks if b.name in means]
    return _bounded(metric, cut.value, differences, cut.note)


def _bounded(metric: Metric, value: float | None, losses: list[float], note: str) -> Loss:
    """From the loss of each block."""
    interval = t_interval(losses, alpha_low=ERROR, alpha_high=ERROR)
    return Loss(
        metric=metric.name,
        unit=metric.unit,
        value=value,
        worse_by=finite(interval.estimate),
        low=finite(interval.low),
        high=finite(interval.high),
        blocks=len(losses),
        note=note or interval.problem,
    )


def nothing_lost(metric: Metric, note: str) -> Loss:
    """Where nothing could be measured, and why."""
    return Loss(
        metric=metric.name, unit=metric.unit, value=None, worse_by=None, low=None, high=None, blocks=0, note=note
    )


def moves(answered: Answered, scores: Floats) -> Floats:
    """How far each answer moves; of more than two classes by total variation."""
    moved = np.abs(scores - answered.scores)
    return np.asarray(moved if moved.ndim == 1 else 0.5 * moved.sum(axis=1))


def mean_move(answered: Answered, scores: Floats) -> float:
    """How far an answer moves, on average."""
    return rounded(float(moves(answered, scores).mean()))


def _measured(metric: Metric, answered: Answered, scores: Floats, *, against: str) -> Measure:
    beside = {against: answered.scores} if against else {}
    try:
        rows = rowset(answered.task, scores, answered.labels, answered.blocks, beside)
        return measure_one(metric, rows, against)
    except PlimsollError:
        raise
    except Exception as error:  # a metric of somebody's own is somebody's code
        raise UsageError(f"the metric {metric.name} raised {type(error).__name__}: {error}") from error
