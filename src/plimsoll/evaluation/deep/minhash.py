"""Texts that are nearly the same, found without comparing every two.

A text is the set of its runs of five letters. Two sets resemble each other by their Jaccard similarity, the shared part of all
that either has; the least of a random hash over a set is the same for two sets with just that probability, so the share of
hashes that agree estimates it (Broder 1997, *On the resemblance and containment of documents*). Pairs that agree in all
hashes of one of several bands are looked at (locality-sensitive hashing: Indyk & Motwani 1998): with 16 bands of 6, a pair
of 0.8 is missed once in 150 times, one of 0.5 is looked at once in five. What is looked at is compared exactly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plimsoll.evaluation.deep.perturbation import chance

Hashes = NDArray[np.uint64]
RUN = 5
BANDS, EACH = 16, 6
ALIKE = 0.8
"""Jaccard similarity from which two texts are nearly the same."""
MOST = 50
"""Texts of a bucket that are looked at, the newest: boilerplate that thousands share would be compared with all of them."""


class Twin(NamedTuple):
    """The most similar of the earlier texts; the newest of equals. ``place`` is −1 where none is alike."""

    place: int
    alike: float


def twins(earlier: Sequence[str | None], later: Sequence[str | None]) -> list[Twin]:
    """For each of the ``later`` texts the ``earlier`` one that it is nearly the same as. O(letters × hashes)."""
    before, after = ([shingles(text) for text in texts] for texts in (earlier, later))
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, runs in enumerate(before):
        for band in _bands(runs):
            buckets[band].append(place)
    return [_twin(runs, before, buckets) for runs in after]


def shingles(text: str | None) -> Hashes:
    """The hashes of the text's runs of letters, each once; case and white space do not count. None has none."""
    letters = np.frombuffer(" ".join((text or "").casefold().split()).encode("utf-32-le"), dtype=np.uint32)
    if not len(letters):
        return np.zeros(0, dtype=np.uint64)
    if len(letters) < RUN:
        letters = np.pad(letters, (0, RUN - len(letters)))
    runs = np.lib.stride_tricks.sliding_window_view(letters, RUN).astype(np.uint64)
    return np.unique(mixed((runs * _POWERS).sum(axis=1, dtype=np.uint64)))


def jaccard(a: Hashes, b: Hashes) -> float:
    """The shared part of all that either has; 0 where one is empty."""
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared) if len(a) and len(b) else 0.0


def signature(runs: Hashes) -> Hashes:
    """The least of each hash over the set."""
    least = np.empty(len(_FACTORS), dtype=np.uint64)
    for i, (factor, shift) in enumerate(zip(_FACTORS, _SHIFTS, strict=True)):
        least[i] = mixed(runs * factor + shift).min()
    return least


def _twin(runs: Hashes, before: Sequence[Hashes], buckets: dict[tuple[int, int], list[int]]) -> Twin:
    near = {place for band in _bands(runs) for place in buckets.get(band, ())[-MOST:]}
    best = Twin(-1, 0.0)
    for place in sorted(near):
        alike = jaccard(runs, before[place])
        if alike >= max(ALIKE, best.alike):
            best = Twin(place, alike)
    return best


def _bands(runs: Hashes) -> Iterator[tuple[int, int]]:
    """(band, what its hashes come to)."""
    if len(runs):
        rows = signature(runs).reshape(BANDS, EACH)
        for band, row in enumerate(rows):
            yield band, int.from_bytes(row.tobytes(), "little")


def mixed(x: Hashes) -> Hashes:
    """Every bit of it depends on every one (the finaliser of SplitMix64: Steele, Lea & Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


_POWERS = np.array([pow(1_000_003, i, 2**64) for i in range(RUN)], dtype=np.uint64)
_DRAWS = chance("minhash").integers(0, 2**63, size=(2, BANDS * EACH), dtype=np.uint64)
_FACTORS, _SHIFTS = _DRAWS[0] | np.uint64(1), _DRAWS[1]
