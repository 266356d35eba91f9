"""Everything that a deep evaluation found, as plain data: what its pages show and what is kept by digest."""

from __future__ import annotations

from typing import Literal

import msgspec

from plimsoll.evaluation.deep.attribution import Attributed
from plimsoll.evaluation.deep.churn import Churn
from plimsoll.evaluation.deep.duplicates import Copies
from plimsoll.evaluation.deep.loss import Loss
from plimsoll.evaluation.deep.robustness import Target

PARTS = ("robustness", "ablation", "stability", "attribution", "duplicates")
"""In the order in which they are made and shown."""
FORMAT = 1
"""Of what is kept: a part of another one is not known any more, and is made again."""


class Ablated(msgspec.Struct, frozen=True, kw_only=True):
    """A release trained without a feature of the question's own, or a view. ``losses``: what it is worse by, which is what
    they are worth."""

    name: str
    of: Literal["feature", "view"]
    features: tuple[str, ...]
    moved: float = 0.0
    losses: tuple[Loss, ...] = ()
    note: str = ""


class Deep(msgspec.Struct, frozen=True, kw_only=True):
    """``rows`` labelled rows of the gate in ``blocks``; ``levels`` each metric as it is there. A part that was not made is
    empty; ``skipped`` says why one could not be."""

    rows: int = 0
    blocks: int = 0
    levels: tuple[Loss, ...] = ()
    robustness: tuple[Target, ...] = ()
    ablation: tuple[Ablated, ...] = ()
    stability: tuple[Churn, ...] = ()
    attribution: tuple[Attributed, ...] = ()
    duplicates: tuple[Copies, ...] = ()
    skipped: dict[str, str] = {}

    @property
    def made(self) -> tuple[str, ...]:
        """The parts that are there."""
        return tuple(part for part in PARTS if getattr(self, part))

    @property
    def metric(self) -> str:
        """The one that plots show."""
        return self.levels[0].metric if self.levels else ""


def joined(parts: list[Deep]) -> Deep:
    """Parts that were made at different times, as one."""
    whole = Deep()
    for part in parts:
        found = {name: getattr(part, name) for name in part.made}
        whole = msgspec.structs.replace(
            whole,
            rows=part.rows,
            blocks=part.blocks,
            levels=part.levels,
            skipped={**whole.skipped, **part.skipped},
            **found,
        )
    return whole
