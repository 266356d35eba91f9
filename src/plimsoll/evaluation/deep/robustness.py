"""What missing and noisy inputs do to a release: each input and each feature view by itself, at several rates."""

from __future__ import annotations

from typing import Literal

import msgspec

from plimsoll.evaluation.deep.loss import Loss
from plimsoll.evaluation.deep.perturbation import Perturbation
from plimsoll.suite import Trouble

RATES = (0.1, 0.5, 1.0)
"""Shares of the rows that are hit."""
SPREADS = (0.1, 0.5, 1.0)
"""Standard deviations of noise, in multiples of the input's own."""


class Strain(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of trouble at one rate. ``moved``: how far an answer moves on average; ``losses``: one for each metric,
    paired with the untroubled answers. ``note``: why there are none, where the model does not answer."""

    by: Perturbation
    moved: float = 0.0
    losses: tuple[Loss, ...] = ()
    note: str = ""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What was troubled: a column of the question, or a feature view as a whole."""

    name: str
    of: Literal["input", "view"]
    strains: tuple[Strain, ...]


def grid(kinds: tuple[Trouble, ...]) -> list[Perturbation]:
    """Everything that is tried on an input that can be troubled in these ways."""
    return [
        Perturbation(kind=kind, rate=rate, spread=spread)
        for kind in kinds
        for spread in (SPREADS if kind == "noisy" else (0.0,))
        for rate in RATES
    ]
