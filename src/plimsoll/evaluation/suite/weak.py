"""Segments where a release is weak, searched for and then confirmed on blocks that the search has not seen.

Every part of a feature, and every two parts of two features, is looked at on the earlier half of the blocks: its mean
loss (less that of its block) against that of all other rows, as an effect size (Chung, Kraska, Polyzotis, Tae & Whang
2019, *Slice Finder*, ICDE), ordered by how much of the loss it carries beyond its share, which trades error against size
as SliceLine does (Sagadeeva & Boehm 2021, SIGMOD). The first few are tested on the later half, over blocks, with Holm's
step-down correction (Holm 1979): the chance that any of them is confirmed by luck alone is 5 % at most. A found segment
never gates; declare it as a slice to hold a release to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.evaluation.suite.bins import Binned, pairs
from plimsoll.kernel.digest import rounded
from plimsoll.stats import t_interval

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
ALPHA = 0.05
EFFECT = 0.15
"""Standard deviations of a row's loss: less than a small effect is not worth a name."""
CANDIDATES = 10
LEAST_ROWS, LEAST_SHARE = 100, 0.01
MOST_ROWS = 100_000
"""Rows of the earlier half that are searched, spread evenly."""
SAME = 0.7
"""Two segments that share so much of their rows (Jaccard) are one, and the first is kept."""
FEW = 5
"""A block with fewer rows of the segment says nothing about it."""


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """``rows``, their ``share`` of all, and the mean loss ``inside`` and ``elsewhere``, are of the later half; ``low`` is
    the lower bound of the difference over ``blocks``, corrected for all that were tested; above zero it is confirmed."""

    conditions: tuple[str, ...]
    rows: int
    share: float
    inside: float
    elsewhere: float
    difference: float
    low: float | None
    blocks: int
    confirmed: bool


class Weak(msgspec.Struct, frozen=True, kw_only=True):
    """What a search came to. ``metric`` is the loss, ``against`` the comparator that it is paired with, if any;
    ``looked_at`` segments on the earlier blocks, of which ``segments`` were tested on the later ones."""

    metric: str
    against: str
    looked_at: int
    segments: tuple[Segment, ...]


class _Candidate(NamedTuple):
    excess: float
    parts: tuple[tuple[int, int], ...]


def weak_segments(metric: str, losses: Floats, blocks: Codes, features: Binned, *, against: str = "") -> Weak:
    """Search ``losses`` (NaN: no label yet), whose rows lie in ``blocks`` (numbered in order of time)."""
    known = np.isfinite(losses)
    numbers = np.unique(blocks[known])
    early = known & np.isin(blocks, numbers[: len(numbers) // 2])
    late = known & ~early
    looked, found = _search(_within_blocks(losses, blocks, early), early, features)
    chosen = _distinct(found, features, blocks[early], early)
    tested = _confirmed([_tested(c, losses, late, blocks, features) for c in chosen])
    return Weak(metric=metric, against=against, looked_at=looked, segments=tuple(tested))


def _within_blocks(losses: Floats, blocks: Codes, kept: NDArray[np.bool_]) -> Floats:
    """Each loss less its block's mean: a storm day is bad for everybody, and no segment's weakness."""
    count = int(blocks.max(initial=0)) + 1
    n = np.maximum(np.bincount(blocks[kept], minlength=count), 1)
    mean = np.bincount(blocks[kept], weights=losses[kept], minlength=count) / n
    return np.where(kept, losses - mean[np.where(kept, blocks, 0)], np.nan)


def _search(losses: Floats, early: NDArray[np.bool_], features: Binned) -> tuple[int, list[_Candidate]]:
    """(how many segments have rows enough, those with an effect; the one with the largest excess first)."""
    rows = np.flatnonzero(early)
    if len(rows) > MOST_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)]
    if len(rows) < 2 * LEAST_ROWS:
        return 0, []
    y, codes = losses[rows], features.codes[rows]
    looked, found = 0, []
    for places, cell, count in _cells(codes, features):
        n = np.bincount(cell, minlength=count).astype(np.float64)
        enough = (n >= max(LEAST_ROWS, LEAST_SHARE * len(y))) & (len(y) - n >= LEAST_ROWS)
        looked += int(enough.sum())
        excess, effect = _compared(n, cell, y, count)
        for c in np.flatnonzero(enough & (effect >= EFFECT)).tolist():
            found.append(_Candidate(float(excess[c]), _parts(places, c, features)))
    return looked, sorted(found, key=lambda f: (-f.excess, f.parts))


def _cells(codes: Codes, features: Binned) -> Iterator[tuple[tuple[int, ...], Codes, int]]:
    """(features, each row's cell, how many cells there are), for one feature and for two."""
    sizes = [len(parts) for parts in features.parts]
    for a, size in enumerate(sizes):
        yield (a,), codes[:, a], size
    for a, b in pairs(len(sizes)):
        yield (a, b), codes[:, a] * sizes[b] + codes[:, b], sizes[a] * sizes[b]


def _compared(n: Floats, cell: Codes, y: Floats, count: int) -> tuple[Floats, Floats]:
    """By cell: the loss beyond its share, of the mean loss of all; and the effect size against all other rows."""
    total = np.bincount(cell, weights=y, minlength=count)
    square = np.bincount(cell, weights=y * y, minlength=count)
    rest = np.maximum(len(y) - n, 1.0)
    inside, outside = total / np.maximum(n, 1.0), (y.sum() - total) / rest
    spread = square / np.maximum(n, 1.0) - inside**2 + ((y * y).sum() - square) / rest - outside**2
    effect = (inside - outside) / np.sqrt(np.maximum(spread / 2, 1e-12))
    return n * (inside - y.mean()) / len(y), effect


def _parts(places: tuple[int, ...], cell: int, features: Binned) -> tuple[tuple[int, int], ...]:
    if len(places) == 1:
        return ((places[0], cell),)
    size = len(features.parts[places[1]])
    return (places[0], cell // size), (places[1], cell % size)


def _member(candidate: _Candidate, features: Binned) -> NDArray[np.bool_]:
    inside = np.ones(len(features), dtype=np.bool_)
    for feature, part in candidate.parts:
        inside &= features.rows(feature, part)
    return inside


def _distinct(found: list[_Candidate], features: Binned, blocks: Codes, early: NDArray[np.bool_]) -> list[_Candidate]:
    """The first few that are there in half of the blocks, and are not one of those before them under another name."""
    half = len(np.unique(blocks)) / 2
    chosen: list[_Candidate] = []
    members: list[Any] = []
    for candidate in found[:200]:
        rows = _member(candidate, features)[early]
        if (np.bincount(blocks[rows]) >= FEW).sum() >= half and all(
            (rows & other).sum() < SAME * (rows | other).sum() for other in members
        ):
            chosen.append(candidate)
            members.append(rows)
        if len(chosen) == CANDIDATES:
            break
    return chosen


class _Test(NamedTuple):
    segment: Segment
    differences: list[float]


def _tested(candidate: _Candidate, losses: Floats, late: NDArray[np.bool_], blocks: Codes, features: Binned) -> _Test:
    """The segment's loss less that of all others, block by block."""
    member = _member(candidate, features) & late
    other = late & ~member
    count = int(blocks.max()) + 1
    n, m = (np.bincount(blocks[rows], minlength=count) for rows in (member, other))
    a, b = (np.bincount(blocks[rows], weights=losses[rows], minlength=count) for rows in (member, other))
    there = (n >= FEW) & (m >= FEW)
    differences = (a[there] / n[there] - b[there] / m[there]).tolist()
    inside, elsewhere = (rounded(float(losses[rows].mean())) if rows.any() else 0.0 for rows in (member, other))
    segment = Segment(
        conditions=tuple(features.says(feature, part) for feature, part in candidate.parts),
        rows=int(member.sum()),
        share=rounded(float(member.sum()) / max(1, int(late.sum()))),
        inside=inside,
        elsewhere=elsewhere,
        difference=rounded(float(np.mean(differences))) if differences else 0.0,
        low=None,
        blocks=len(differences),
        confirmed=False,
    )
    return _Test(segment, differences)


def _confirmed(tests: list[_Test]) -> list[Segment]:
    """Holm's step-down: all at α / K; where some hold, the others again at α / (K less those), until none is added."""
    done: dict[int, Segment] = {}
    while True:
        left = [i for i in range(len(tests)) if i not in done]
        bounds = {i: _low(tests[i].differences, ALPHA / len(left)) for i in left}
        new = [i for i in left if bounds[i] > 0]
        for i in new or left:
            low = bounds[i]
            done[i] = msgspec.structs.replace(
                tests[i].segment, low=rounded(low) if np.isfinite(low) else None, confirmed=low > 0
            )
        if not new:
            return sorted((done[i] for i in range(len(tests))), key=lambda s: not s.confirmed)


def _low(differences: list[float], alpha: float) -> float:
    found = t_interval(differences, alpha_low=alpha, alpha_high=ALPHA)
    return -np.inf if found.problem else found.low
