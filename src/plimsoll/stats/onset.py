"""Since when? A fault that begins in the canary is diluted by a clean shadow, if one sequence runs through both.

So a part of the error of failing, ``SHARE``, is kept for sequences that begin later. Each start has its part of it, laid down
before anything is seen: the j-th has SHARE / (j(j + 1)), which adds up to SHARE however long it goes on. Whoever fails by one
of them fails by one that was wrong with at most that part, so that all of them together are wrong with at most the whole:
an e-detector with its error spent over the starts, instead of a run length (Shin, Ramdas & Rinaldo 2024, *E-detectors: a
nonparametric framework for sequential change detection*). At each look a few starts are looked at, the last two multiples of
1, 2, 4, 8, …: one of them is never more than twice as far back as the onset, and a look costs no more than four sequences.
"""

from __future__ import annotations

from collections.abc import Iterator

SHARE = 0.1


def starts(n: int) -> Iterator[tuple[int, float]]:
    """(j, its part of the error) of the later starts to look at when there are ``n`` steps; the first step has number 0."""
    step, seen = 1, set()
    while step < n:
        last = (n - 1) // step * step
        seen |= {j for j in (last, last - step) if j > 0}
        step *= 2
    for j in sorted(seen):
        yield j, SHARE * part(j)


def part(j: int) -> float:
    """Of the ``j``-th of endlessly many, from 1 on: they add up to one."""
    return 1.0 / (j * (j + 1))
