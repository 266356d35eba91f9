"""Answering only where one is sure enough: the threshold that keeps a promise about errors, from labelled rows.

Two promises, since "how often are we wrong" has two meanings.

*Error among the answered* (``error_among_answered``): of what is answered, a share of at most r is wrong, said with
confidence 1 − α (Geifman & El-Yaniv 2017, *Selective classification for deep neural networks*, NeurIPS 30, give it for
independent rows). The error among the answered need not fall as the threshold rises, so thresholds are tested, not
searched: on a grid fixed beforehand, from the surest down, each against the hypothesis that its error is above r. The
least threshold that is rejected is taken. All tests together err with probability α: the error is divided over a few
starts, and what a rejected threshold was tested with passes on to the next one below (fixed sequences with several
starts: Angelopoulos, Bates, Candès, Jordan & Lei 2021, *Learn then Test*, arXiv:2110.01052; that an error may pass on:
Wiens & Dmitrienko 2005, *The fallback procedure*, J. Biopharm. Stat. 15).

*Wrong answers per request* (``wrong_per_request``): of everything that is asked, a share of at most r is answered and
wrong, on average over calibrations. This falls as the threshold rises, so conformal risk control applies (Angelopoulos,
Bates, Fisch, Lei & Schuster 2022, arXiv:2208.02814, theorem 1): the least λ with n/(n+1) · R̂(λ) + B/(n+1) ≤ r.

Dependence: rows of one block are not independent, so blocks are what is counted. The first promise asks two tests of
each threshold and takes the sterner: the exact binomial bound over rows, and Student's t over each block's
Σ (wrong − r) over what it answers, widened for neighbouring blocks that resemble each other (``interval.t_interval``).
The second takes n and R̂ over blocks. Neither promises anything about a world that has changed since: the lease watches
that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from plimsoll.stats.interval import exact_rate, t_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

STEP = 0.01
STARTS = (0.8, 0.5, 0.2)
"""Where testing begins: how far up from the least possible confidence to 1."""
BLOCK_SHARE = 0.5
"""Of the error, what the test over blocks may use: Student's t over 14 days that resemble each other covers 93–96 % where
95 % is asked (``benchmarks/answers``), and half of the error brings the worst case back to what is promised."""
FEWEST_BLOCKS = 5
"""With an answer each: below it, Student's t has nothing to go by."""


class Level(NamedTuple):
    """One threshold and what it did on the rows: for each block, how many were answered, and how many of those wrong."""

    threshold: float
    answered: tuple[int, ...]
    wrong: tuple[int, ...]


class Risk(NamedTuple):
    """One threshold as a point of the risk-coverage curve. ``high`` is the upper bound of ``risk`` at α, for this
    threshold alone; NaN where nothing is answered."""

    threshold: float
    coverage: float
    risk: float
    high: float


class Choice(NamedTuple):
    """The threshold that keeps the promise; None where none does, and then ``why`` says what came nearest."""

    threshold: float | None
    why: str = ""


def levels(confidence: Floats, wrong: Floats, codes: Any, *, blocks: int, floor: float) -> tuple[Level, ...]:
    """Every threshold of the grid from 0.99 down to ``floor``, where everything is answered.

    ``codes``: each row's block, 0 to ``blocks`` − 1, in order of time. Costs O(rows) a threshold.
    """
    import numpy as np

    made = []
    for threshold in grid(floor):
        taken = confidence >= threshold
        answered = np.bincount(codes[taken], minlength=blocks)
        errors = np.bincount(codes[taken], weights=wrong[taken], minlength=blocks)
        made.append(Level(threshold, tuple(answered.tolist()), tuple(errors.astype(np.int64).tolist())))
    return tuple(made)


def grid(floor: float) -> tuple[float, ...]:
    """The thresholds, highest first: hundredths above ``floor``, and 0 for answering everything. Never from data."""
    first = math.floor(floor / STEP + 1e-9) + 1
    return (*(round(i * STEP, 2) for i in range(round(0.99 / STEP), first - 1, -1)), 0.0)


def error_among_answered(
    found: Sequence[Level], sizes: Sequence[int], *, at_most: float, alpha: float, floor: float
) -> Choice:
    """The least threshold whose error among the answered is at most ``at_most``, with confidence 1 − ``alpha``.

    ``sizes``: the rows of each block. Raises UsageError for an ``alpha`` outside (0, ½).
    """
    starts = sorted((floor + u * (1.0 - floor) for u in STARTS), reverse=True)
    kept: float | None = None
    error = 0.0
    for level in found:
        while starts and level.threshold <= starts[0] + 1e-9:
            starts.pop(0)
            error += alpha / len(STARTS)
        if error and _is_kept(level, at_most, error):
            kept = level.threshold
        else:
            error = 0.0
    return Choice(kept, "" if kept is not None else _nearest(risk_coverage(found, sizes, alpha), at_most))


def _is_kept(level: Level, at_most: float, alpha: float) -> bool:
    """Whether "the error is above the promise" is rejected at ``alpha``, counting rows and counting blocks."""
    n, errors = sum(level.answered), sum(level.wrong)
    if not n or errors >= at_most * n or sum(a > 0 for a in level.answered) < FEWEST_BLOCKS:
        return False
    blocks = BLOCK_SHARE * alpha
    over = t_interval(_excess(level, at_most), alpha_low=blocks, alpha_high=blocks)
    if over.problem or not over.high <= 0.0:
        return False
    return exact_rate(errors, n, alpha_low=alpha, alpha_high=alpha).high <= at_most


def _excess(level: Level, at_most: float) -> list[float]:
    """Each block's errors above what the promise allows for its answers; the mean is zero exactly at the promise."""
    return [w - at_most * a for a, w in zip(level.answered, level.wrong, strict=True)]


def risk_coverage(found: Sequence[Level], sizes: Sequence[int], alpha: float) -> tuple[Risk, ...]:
    """What each threshold answers and errs at, with its upper bound at ``alpha``: the sterner of rows and blocks."""
    return tuple(_risk(level, sizes, alpha) for level in found)


def _risk(level: Level, sizes: Sequence[int], alpha: float) -> Risk:
    n, errors = sum(level.answered), sum(level.wrong)
    coverage = n / max(1, sum(sizes))
    if not n:
        return Risk(level.threshold, coverage, math.nan, math.nan)
    share = errors / n
    exact = exact_rate(errors, n, alpha_low=alpha, alpha_high=alpha).high
    blocks = BLOCK_SHARE * alpha
    mean = t_interval(_excess(level, share), alpha_low=blocks, alpha_high=blocks)
    return Risk(level.threshold, coverage, share, min(1.0, max(exact, share + mean.high * len(sizes) / n)))


def wrong_per_request(found: Sequence[Level], sizes: Sequence[int], *, at_most: float) -> Choice:
    """The least threshold that keeps wrong answers at ``at_most`` of what a further block asks, on average.

    B is 1: in the worst block everything is answered, and wrong. With n blocks no promise below 1/(n + 1) can be kept.
    """
    asked = [(i, size) for i, size in enumerate(sizes) if size]
    n = len(asked)
    kept: float | None = None
    for level in found:
        mean = math.fsum(level.wrong[i] / size for i, size in asked) / max(1, n)
        if n / (n + 1) * mean + 1 / (n + 1) > at_most:
            break
        kept = level.threshold
    return Choice(kept, "" if kept is not None else _too_strict(n, at_most))


def _too_strict(n: int, at_most: float) -> str:
    if 1 / (n + 1) > at_most:
        return (
            f"with {n} blocks no promise below {1 / (n + 1):.3f} wrong per request can be kept; this one is {at_most:g}"
        )
    return f"even at the highest threshold more than {at_most:g} of what is asked is answered and wrong"


def _nearest(curve: Sequence[Risk], at_most: float) -> str:
    there = [point for point in curve if not math.isnan(point.high)]
    if not there:
        return "no row reaches a threshold"
    best = min(there, key=lambda point: (point.high, -point.coverage))
    return (
        f"no threshold keeps the error among the answered at {at_most:g}: the nearest is {best.threshold:g}, where "
        f"{best.coverage:.1%} are answered with {best.risk:.1%} wrong (up to {best.high:.1%})"
    )
