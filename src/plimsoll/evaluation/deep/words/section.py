"""What every part says is made of: sentences and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from plimsoll.evaluation.deep.document import Deep
from plimsoll.evaluation.deep.loss import Loss
from plimsoll.evaluation.sheet import interval, number, signed


class Table(NamedTuple):
    """``left``: the columns of text; the others are numbers. ``folded``: long, and not needed at first sight."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    folded: bool = False


class Section(NamedTuple):
    """A part of the evaluation: what a reader should know, in sentences, and the numbers."""

    part: str
    title: str
    caption: str
    says: Sequence[str]
    tables: Sequence[Table]


def loss_said(found: Loss | None) -> str:
    """``+0.0213 [0.0101, 0.0325]``; what is missing instead."""
    if found is None:
        return "–"
    return f"{signed(found.worse_by)} {interval(found)}".strip() if found.worse_by is not None else found.note or "–"


def loss_of(losses: Sequence[Loss], metric: str) -> Loss | None:
    """The one of that metric."""
    return next((found for found in losses if found.metric == metric), None)


def basis(deep: Deep) -> str:
    """On what everything below rests."""
    levels = ", ".join(f"{found.metric} {number(found.value)}" for found in deep.levels)
    return f"On {deep.rows:,} labelled rows of the gate in {deep.blocks} blocks: {levels}."


def metrics_of(deep: Deep) -> list[str]:
    """Those that were measured, the one that plots show first."""
    return [found.metric for found in deep.levels]
