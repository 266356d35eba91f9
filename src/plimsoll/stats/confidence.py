"""How sure a score is, in [0, 1]: what an answer policy compares with its threshold.

A classifier is as sure as its likeliest class is probable. A regression's score says nothing about itself, so its
sureness is learnt: predictions are cut into groups, and each has the half-width of its conformal interval, the
⌈(n + 1)(1 − ε)⌉-th smallest absolute error of the group (split conformal prediction within groups, called Mondrian:
Boström & Johansson 2020, *Mondrian conformal regressors*, PMLR 128). With the declared tolerance t and the half-width
w, the confidence is t / (t + w): ½ where the interval is just as wide as what is tolerated, towards 1 as it narrows.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Score = float | tuple[float, ...]
FEWEST = 50
"""Errors that a group needs for a half-width of its own."""


class Widths(msgspec.Struct, frozen=True, kw_only=True):
    """A regression's half-widths: group i holds the predictions from ``edges[i − 1]`` to below ``edges[i]``.

    ``within`` is the error that is tolerated; all three are in the label's unit. A width that nobody knows is None.
    """

    within: float
    edges: tuple[float, ...] = ()
    widths: tuple[float | None, ...] = (None,)

    def of(self, score: float) -> float:
        """The half-width of the interval around ``score``."""
        width = self.widths[bisect_right(self.edges, score)]
        return math.inf if width is None else width


def confidence(score: Score | None, widths: Widths | None = None) -> float:
    """How sure one score is: probabilities (one: of the positive class) without ``widths``, a value with them."""
    if score is None:
        return 0.0
    if isinstance(score, tuple):
        return max(score)
    if widths is None:
        return max(score, 1.0 - score)
    return widths.within / (widths.within + widths.of(score))


def confidences(scores: Floats, widths: Widths | None = None) -> Floats:
    """:func:`confidence` of many scores, to the bit."""
    import numpy as np

    if scores.ndim == 2:
        return np.asarray(scores.max(axis=1))
    if widths is None:
        return np.asarray(np.maximum(scores, 1.0 - scores), dtype=np.float64)
    group = np.searchsorted(np.array(widths.edges), scores, side="right")
    known = np.array([math.inf if width is None else width for width in widths.widths])
    return np.asarray(widths.within / (widths.within + known[group]), dtype=np.float64)


def wrong(scores: Floats, labels: Floats, within: float | None = None) -> Floats:
    """1 where an answer was wrong, else 0: another class than the likeliest, or off by more than ``within``.

    A label that never came (NaN) counts as wrong: whatever it would have been, the promise holds.
    """
    import numpy as np

    if within is not None:
        right = np.abs(scores - labels) <= within
    elif scores.ndim == 2:
        right = scores.argmax(axis=1) == labels
    else:
        right = (scores >= 0.5) == (labels == 1.0)
    return np.asarray(1.0 - (right & ~np.isnan(labels)), dtype=np.float64)


def floor_of(scores: Any) -> float:
    """The least confidence that scores of this shape can have: 1 / classes; 0 for a regression is the caller's."""
    return 1.0 / scores.shape[1] if scores.ndim == 2 else 0.5


def widths_of(scores: Floats, labels: Floats, *, within: float, error: float, groups: int = 10) -> Widths:
    """Half-widths learnt from rows with labels, in ``groups`` of equal size at most; each covers a further row of its
    group with probability 1 − ``error`` if rows are exchangeable.

    A group that is too small for that level has none: nobody knows. Use other rows than the threshold's.
    """
    import numpy as np

    known = ~np.isnan(labels)
    s, miss = scores[known], np.abs(scores[known] - labels[known])
    count = max(1, min(groups, len(s) // FEWEST))
    edges = np.unique(np.quantile(s, np.arange(1, count) / count)) if len(s) else np.array([])
    group = np.searchsorted(edges, s, side="right")
    found = tuple(_conformal(miss[group == g], error) for g in range(len(edges) + 1))
    return Widths(within=within, edges=tuple(float(e) for e in edges), widths=found)


def _conformal(misses: Floats, error: float) -> float | None:
    import numpy as np

    rank = math.ceil((len(misses) + 1) * (1.0 - error))
    return float(np.sort(misses)[rank - 1]) if 0 < rank <= len(misses) else None
