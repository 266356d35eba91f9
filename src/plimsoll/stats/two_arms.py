"""Two arms of one experiment compared: each unit is answered by one of two releases, so no row can be paired.

A mean or a ratio of each arm is Σx / Σy over its rows (y counts them, for a mean). To first order it is a mean over blocks
(``ratios.linearised``; Deng, Knoblich & Lu 2018), and so is the difference of two arms that have the same blocks: a day that is
bad for both costs nothing. ``sequence.mean_sequence`` over these values is an anytime-valid comparison of arms: its boundary is
that of an asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, *Time-uniform central limit theory
and asymptotic confidence sequences*, Ann. Statist. 52) in its Student form.

What blocks cannot show is who is in which arm. A unit that comes back every day is in the same arm every day: if the arms' units
differ by chance, they differ in every block alike, and no spread between blocks tells. Clustering both ways (Cameron, Gelbach
& Miller 2011, *Robust Inference with Multiway Clustering*, JBES 29),

    V = V by block + V by unit − V by unit and block,

the last two are computed here, and their difference is what ``mean_sequence`` takes as ``hidden``: 0 where nobody comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plimsoll.stats.ratios import Totals, linearised

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """What each unit of one arm did in each block: an entry for each of these pairs. ``block`` is a place from 0 on, ``unit``
    any whole number that is the same for the same unit."""

    block: Ints
    unit: Ints
    numerator: Floats
    denominator: Floats

    @property
    def units(self) -> int:
        return len(np.unique(self.unit))

    @property
    def ratio(self) -> float:
        """Σx / Σy; NaN of nothing."""
        total = float(self.denominator.sum())
        return float(self.numerator.sum()) / total if total > 0.0 else float("nan")

    def totals(self, blocks: int) -> Totals:
        """Of each block."""
        sums = (np.bincount(self.block, weights=x, minlength=blocks) for x in (self.numerator, self.denominator))
        return Totals(*(x.tolist() for x in sums))


class Difference(NamedTuple):
    """``values``: one a block, whose mean is our ratio less theirs; NaN where an arm has counted nothing. ``hidden``: the
    variance of that mean which the values cannot show."""

    values: list[float]
    hidden: float


def cells(block: Ints, unit: Ints, numerator: Floats, denominator: Floats) -> Cells:
    """One entry for each unit and block, from rows."""
    order = np.lexsort((unit, block))
    block, unit = block[order], unit[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(block) != 0) | (np.diff(unit) != 0)
    starts = np.flatnonzero(new)
    x, y = (np.add.reduceat(v[order], starts) if len(starts) else v for v in (numerator, denominator))
    return Cells(block=block[starts], unit=unit[starts], numerator=x, denominator=y)


def difference(ours: Cells, theirs: Cells, blocks: int) -> Difference:
    """Our ratio less theirs over ``blocks`` blocks."""
    of_ours, of_theirs = (linearised(arm.totals(blocks)) for arm in (ours, theirs))
    values = [a - b for a, b in zip(of_ours, of_theirs, strict=True)]
    return Difference(values, hidden_variance(ours, theirs))


def hidden_variance(ours: Cells, theirs: Cells) -> float:
    """V by unit − V by unit and block, of the difference; never below 0, and 0 where an arm has counted nothing."""
    pulls, units = [], []
    for arm, sign in ((ours, 1.0), (theirs, -1.0)):
        total = float(arm.denominator.sum())
        if not total > 0.0:
            return 0.0
        pulls.append(sign * (arm.numerator - arm.ratio * arm.denominator) / total)
        units.append(arm.unit)
    pull = np.concatenate(pulls)
    names, codes = np.unique(np.concatenate(units), return_inverse=True)
    by_unit = np.bincount(codes.reshape(-1), weights=pull, minlength=len(names))
    return max(0.0, float(by_unit @ by_unit) - float(pull @ pull))
