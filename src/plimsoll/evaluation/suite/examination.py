"""Everything that was looked into beside the metrics, as plain data: what the report shows and nothing is judged by."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.evaluation.suite.behaviour import Behaved
from plimsoll.evaluation.suite.failures import Failures
from plimsoll.evaluation.suite.fairness import Fairness
from plimsoll.evaluation.suite.weak import Weak
from plimsoll.stats import METRICS

Floats = NDArray[np.float64]


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """``behaviours``: what came of each declared one. ``groups``: each requirement on groups, measured. ``failures``:
    the worst rows and what they share; None where no outcome is known. ``weak``: segments searched for, by loss
    and by loss against each comparator."""

    behaviours: tuple[Behaved, ...] = ()
    groups: tuple[Fairness, ...] = ()
    failures: Failures | None = None
    weak: tuple[Weak, ...] = ()


LOSSES = {"binary": "log_loss", "multiclass": "log_loss", "regression": "mae"}
"""By which a row's answer is called bad, for each kind of task."""


def losses_of(task: str, scores: Floats, labels: Floats) -> tuple[str, Floats]:
    """(the metric's name, each row's loss; NaN where the label has not come)."""
    metric = METRICS[LOSSES[task]]
    assert metric.rows is not None
    return metric.name, np.where(np.isnan(labels), np.nan, metric.rows(scores, labels))
