"""The threshold that a release's answer policy gets, and the risk-coverage curve that it was taken from.

The gate's rows choose it: they are later than anything the model has seen, and no requirement of the gate looks at
thresholds. A regression learns its widths from the earlier half of the blocks and chooses on the later one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.evaluation.rows import Rowset, rowset
from plimsoll.kernel.digest import rounded
from plimsoll.kernel.promise import Promise
from plimsoll.stats.confidence import Widths, confidences, floor_of, widths_of, wrong
from plimsoll.stats.selective import (
    Choice,
    Risk,
    error_among_answered,
    levels,
    risk_coverage,
    wrong_per_request,
)

ALPHA = 0.05
"""The error of the bounds that are drawn where nothing is promised."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What the answer policy does on ``rows`` later rows in ``blocks`` blocks.

    ``threshold``: the least confidence that is answered; None where no threshold keeps the promise (``why`` says what
    came nearest). ``chosen``: what is answered there, and how much of it is wrong.
    """

    promise: Promise | None
    threshold: float | None
    curve: tuple[Risk, ...]
    rows: int
    blocks: int
    widths: Widths | None = None
    why: str = ""

    @property
    def chosen(self) -> Risk | None:
        """The curve's point at the threshold: the highest of the grid that is no higher."""
        if self.threshold is None:
            return None
        return next((point for point in self.curve if point.threshold <= self.threshold + 1e-9), None)


def select(
    promise: Promise | None,
    *,
    task: str,
    scores: Any,
    labels: Any,
    blocks: Sequence[Any],
    abstain_below: float = 0.0,
) -> Selection | None:
    """The threshold that keeps ``promise`` on rows in order of time, or what ``abstain_below`` does without one.

    A label that is NaN counts as wrong. None for a regression without a promise: it has no confidence.
    """
    rows = rowset(task, scores, labels, blocks, {})
    widths = None
    if task == "regression":
        if promise is None or promise.within is None:
            return None
        rows, widths = _halves(rows, promise)
    floor = 0.0 if widths else floor_of(rows.scores)
    within = promise.within if promise else None
    found = levels(
        confidences(rows.scores, widths),
        wrong(rows.scores, rows.labels, within),
        rows.codes,
        blocks=len(rows.names),
        floor=floor,
    )
    sizes = np.bincount(rows.codes, minlength=len(rows.names)).tolist()
    alpha = 1.0 - promise.confidence if promise else ALPHA
    if promise is None:
        choice = Choice(abstain_below)
    elif promise.about == "wrong_per_request":
        choice = wrong_per_request(found, sizes, at_most=promise.at_most)
    else:
        choice = error_among_answered(found, sizes, at_most=promise.at_most, alpha=alpha, floor=floor)
    return Selection(
        promise=promise,
        threshold=choice.threshold,
        curve=risk_coverage(found, sizes, alpha),
        rows=len(rows),
        blocks=len(rows.names),
        widths=widths,
        why=choice.why,
    )


def _halves(rows: Rowset, promise: Promise) -> tuple[Rowset, Widths]:
    """The later half of the blocks, and the widths that the earlier half has."""
    assert promise.within is not None
    early = rows.codes < len(rows.names) // 2
    found = widths_of(rows.scores[early], rows.labels[early], within=promise.within, error=promise.at_most)
    widths = msgspec.structs.replace(
        found,
        edges=tuple(rounded(edge) for edge in found.edges),
        widths=tuple(None if width is None else rounded(width) for width in found.widths),
    )
    return _renumbered(rows, ~early), widths


def _renumbered(rows: Rowset, kept: NDArray[np.bool_]) -> Rowset:
    """These rows alone, with only their blocks."""
    first = len(rows.names) // 2
    cut = rows.cut(kept)
    return Rowset(
        task=cut.task,
        scores=cut.scores,
        labels=cut.labels,
        codes=cut.codes - first,
        names=cut.names[first:],
        comparators=cut.comparators,
    )
