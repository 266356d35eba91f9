"""How differently groups are treated: rates of answers, and what they differ by.

Called positive is a score from ½ on. *Demographic parity* compares how often groups are called positive (no label is
needed); *equal opportunity* how often their positives are (Hardt, Price & Srebro 2016); *equalised odds* that, and how
often their negatives are called so. A difference is the largest rate less the smallest, a ratio the smallest over the
largest (of equalised odds: the worse of its two rates), as fairlearn has them.

The largest less the smallest of several estimates is too large when the groups are alike: noise picks the pair. So an
interval is never made for it but for each pair of groups: all of them must keep the limit (Berger 1982), and the error
of saying that one does not is split over them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
SELECTED, FOUND, ALARMED = "called positive", "of its positives", "of its negatives"
RATES = {
    "demographic_parity": (SELECTED,),
    "equal_opportunity": (FOUND,),
    "equalised_odds": (FOUND, ALARMED),
}
"""What each criterion compares."""


class Pair(NamedTuple):
    """Two groups by number, the one with the higher ``rate`` first; values by block whose mean is the difference (or the
    ratio), with the labels that never came as they are left out (``middle``), least and most against us."""

    rate: str
    high: int
    low: int
    middle: Floats
    least: Floats
    most: Floats


def criterion_of(metric: str) -> tuple[tuple[str, ...], bool]:
    """(the rates, whether they are compared by ratio) of a metric's name."""
    name, _, kind = metric.rpartition("_")
    return RATES[name], kind == "ratio"


def rates(rate: str, scores: Floats, labels: Floats, codes: Codes, count: int) -> Floats:
    """(count, 2): how many of the rows that the rate is about are called positive, and how many there are."""
    called = scores >= 0.5
    about = {SELECTED: np.ones(len(scores), dtype=bool), FOUND: labels == 1.0, ALARMED: labels == 0.0}[rate]
    hits = np.bincount(codes, weights=called & about, minlength=count)
    return np.stack([hits, np.bincount(codes, weights=about, minlength=count)], axis=-1)


def worst_over_groups(metric: str, scores: Floats, labels: Floats, groups: Codes, count: int) -> float:
    """The metric itself, over groups that have any such rows; NaN where fewer than two have."""
    names, ratio = criterion_of(metric)
    found = [_spread(_share(rates(name, scores, labels, groups, count)), ratio) for name in names]
    return float(min(found) if ratio else max(found)) if np.isfinite(found).all() else float("nan")


def _spread(shares: Floats, ratio: bool) -> float:
    known = shares[np.isfinite(shares)]
    if len(known) < 2:
        return float("nan")
    low, high = float(known.min()), float(known.max())
    return (low / high if high > 0 else 1.0) if ratio else high - low


def compared_pairs(
    metric: str, scores: Floats, labels: Floats, groups: Codes, count: int, blocks: Codes, of_blocks: int
) -> Iterator[Pair]:
    """Every pair of groups for every rate that the metric compares; those that are undefined without some block are
    left out.

    The values are delete-one-block pseudo-values, moved so that their mean is the difference itself. A label that never
    came is bounded exactly: it moves a rate up where it makes an answer a hit, and down where it makes it a miss.
    """
    names, ratio = criterion_of(metric)
    cells = groups * of_blocks + blocks
    for name in names:
        tables = [
            rates(name, scores, filled, cells, count * of_blocks).reshape(count, of_blocks, 2)
            for filled in (labels, _filled(name, scores, labels, up=False), _filled(name, scores, labels, up=True))
        ]
        middle, down, up = tables
        whole = _share(middle.sum(axis=1))
        for a in range(count):
            for b in range(a + 1, count):
                high, low = (a, b) if whole[a] >= whole[b] else (b, a)
                values = [_pseudo(x[high], y[low], ratio) for x, y in ((middle, middle), (down, up), (up, down))]
                if all(np.isfinite(v).all() for v in values):
                    yield Pair(name, high, low, values[0], *(values[1:] if not ratio else values[:0:-1]))


def _filled(rate: str, scores: Floats, labels: Floats, *, up: bool) -> Floats:
    """Labels that move the rate as far up (down) as what never came can."""
    missing, called = np.isnan(labels), scores >= 0.5
    positive = called == up if rate == FOUND else called != up
    return np.where(missing, positive.astype(np.float64), labels)


def _pseudo(high: Floats, low: Floats, ratio: bool) -> Floats:
    """By block: B·θ − (B − 1)·θ₍₋b₎, moved so that the mean is θ."""
    count = len(high)
    whole = _against(high.sum(axis=0), low.sum(axis=0), ratio)
    left = _against(high.sum(axis=0) - high, low.sum(axis=0) - low, ratio)
    values = count * whole - (count - 1) * left
    return np.asarray(values + (whole - values.mean()))


def _against(high: Floats, low: Floats, ratio: bool) -> Any:
    a, b = _share(high), _share(low)
    if not ratio:
        return a - b
    return np.where(a > 0, b / np.where(a > 0, a, 1.0), np.where(np.isnan(a) | np.isnan(b), np.nan, 1.0))


def _share(table: Floats) -> Floats:
    """Hits over rows; NaN of nothing."""
    n = table[..., 1]
    return np.where(n > 0, table[..., 0] / np.where(n > 0, n, 1.0), np.nan)
