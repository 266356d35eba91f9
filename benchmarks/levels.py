"""The shipped bets on a rate whose level moves, for many rollouts at once; ``check`` holds them to ``moving_rate``'s own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.bounds import Bools, Floats
from plimsoll.errors import Broken
from plimsoll.stats import moving_rate as shipped
from plimsoll.stats.dependence import MOST_RHO, PRIOR_BLOCKS, PRIOR_RHO
from plimsoll.stats.onset import SHARE, starts

Ints = NDArray[np.int64]
UPWARDS = shipped.OVER_BLOCKS
DOWNWARDS = tuple(1.0 / many for many in (*UPWARDS, shipped.NONE_AT_ALL))


def convicted(hits: Ints, n: Ints, limit: float, alpha: float, chance: Floats) -> tuple[Bools, Bools]:
    """Whether each rollout fails at this look, as the kernel has it, from the beginning or since a later block; and whether it
    does so by blocks whose rate is not above the limit.

    ``hits``, ``chance``: (rollouts, blocks); ``n``: events of each block."""
    found, wrongly = (np.zeros(len(hits), dtype=bool) for _ in range(2))
    for j, share in ((0, 1.0 - SHARE), *starts(len(n))):
        log = above_since(hits, n, j, limit) if j else above(hits, n, limit)
        fails = log >= -math.log(share * alpha)
        found |= fails
        wrongly |= fails & (chance[:, j:] @ n[j:] <= limit * n[j:].sum())
    return found, wrongly


def convicted_within(
    closed: Ints, running: Ints, n: int, limit: float, alpha: float, chance: Floats
) -> Iterator[tuple[Bools, Bools]]:
    """``convicted`` at each of some looks within a block, equally far apart: its hits by then are ``running`` (rollouts, looks),
    those of the blocks before it, of ``n`` events each, ``closed``. What closed blocks say of a later start is counted once."""
    blocks, looks = closed.shape[1], running.shape[1]
    later = {j: _since(closed, n, j, limit) for j, _ in starts(blocks + 1)}
    for look in range(looks):
        sizes = np.array([n] * blocks + [n * (look + 1) // looks])
        hits = np.concatenate([closed, running[:, look, None]], axis=1)
        found, wrongly = (np.zeros(len(hits), dtype=bool) for _ in range(2))
        for j, share in ((0, 1.0 - SHARE), *starts(blocks + 1)):
            log = above(hits, sizes, limit) if not j else later[j](running[:, look], sizes[-1])
            fails = log >= -math.log(share * alpha)
            found |= fails
            wrongly |= fails & (chance[:, j:] @ sizes[j:] <= limit * sizes[j:].sum())
        yield found, wrongly


def _since(closed: Ints, n: int, j: int, limit: float) -> Callable[[Ints, int], Floats]:
    """``above_since`` of the closed blocks from the ``j``-th on and of one more, given its hits and events."""
    sizes = np.full(closed.shape[1], n)
    seen = np.maximum(variance(closed[:, :0], sizes[:0], limit), variance(closed[:, :j], sizes[:j], limit))
    before = [_bet(closed[:, j:], sizes[j:], limit, seen, m) for m in UPWARDS]

    def log(hits: Ints, events: int) -> Floats:
        now = [_bet(hits[:, None], np.array([events]), limit, seen, m) for m in UPWARDS]
        return np.asarray(
            np.logaddexp.reduce([a + b for a, b in zip(before, now, strict=True)]) - math.log(len(UPWARDS))
        )

    return log


def shown_below(hits: Ints, n: Ints, limit: float, alpha: float) -> Bools:
    """Whether each rollout passes at this look."""
    return np.asarray(_over_blocks(hits, n, limit, variance(hits, n, limit), DOWNWARDS) >= -math.log(alpha))


def above(hits: Ints, n: Ints, limit: float) -> Floats:
    """``log_evidence_above`` of all blocks."""
    total, events = hits.sum(1), n.sum()
    odds = shipped.odds_at_once(limit)
    parts = sum(part for _, part in shipped.AT_ONCE)
    at_once = np.full(len(hits), -np.inf)
    for many, part in shipped.AT_ONCE:
        bet = total * math.log(odds * many) - events * math.log1p((odds * many - 1.0) * limit)
        np.logaddexp(at_once, math.log(part / parts) + bet, out=at_once)
    waits = _over_blocks(hits, n, limit, variance(hits, n, limit), UPWARDS)
    share = shipped.AT_ONCE_SHARE
    return np.asarray(np.logaddexp(math.log(share) + at_once, math.log(1.0 - share) + waits))


def above_since(hits: Ints, n: Ints, j: int, limit: float) -> Floats:
    """``log_evidence_above`` of the blocks from the ``j``-th on, with those before it."""
    calm = variance(hits[:, :0], n[:0], limit)
    seen = np.maximum(calm, variance(hits[:, :j], n[:j], limit))
    return _over_blocks(hits[:, j:], n[j:], limit, seen, UPWARDS)


def variance(hits: Ints, n: Ints, rate: float) -> Floats:
    """``level_variance``."""
    usual, blocks = shipped.usual_variation(rate) ** 2, len(n)
    without = usual * (1.0 + PRIOR_RHO) / (1.0 - PRIOR_RHO)
    if blocks < 2:
        return np.full(len(hits), without)
    events, rates = n.sum(), hits / n
    mean = hits.sum(1) / events
    between = (n * (rates - mean[:, None]) ** 2).sum(1) - (blocks - 1) * mean * (1.0 - mean)
    found = between / (events - (n * n).sum() / events) / np.maximum(mean * mean, 1e-300)
    told = usual * mean * events / blocks
    weight = (blocks - 1) * (told / (1.0 + told)) ** 2
    prior = shipped.PRIOR_BLOCKS
    shrunk = (prior * usual + weight * np.minimum(shipped.MOST_VARIANCE, found)) / (prior + weight)
    return np.where(hits.any(1), np.maximum(0.0, shrunk) * _inflation(rates), without)


def _inflation(values: Floats) -> Floats:
    """``dependence.inflation`` of each row."""
    n = values.shape[1]
    centred = values - values.mean(1, keepdims=True)
    total = (centred * centred).sum(1)
    plain = np.where(total > 0, (centred[:, 1:] * centred[:, :-1]).sum(1) / np.maximum(total, 1e-300), 0.0)
    lag1 = np.where((total > 0) & (n >= 4), np.clip(plain + (1 + 3 * plain) / n, -1, 1), 0.0)
    rho = np.clip((PRIOR_BLOCKS * PRIOR_RHO + n * lag1) / (PRIOR_BLOCKS + n), 0.0, MOST_RHO)
    return np.asarray((1 + rho) / (1 - rho))


def _over_blocks(hits: Ints, n: Ints, rate: float, spread: Floats, many: Sequence[float]) -> Floats:
    bets = [_bet(hits, n, rate, spread, m) for m in many]
    return np.asarray(np.logaddexp.reduce(bets) - math.log(len(many)))


def _bet(hits: Ints, n: Ints, rate: float, spread: Floats, m: float) -> Floats:
    k, means = 1.0 / np.maximum(shipped.LEAST_VARIANCE, spread)[:, None], n * rate
    return np.asarray(hits.sum(1) * math.log(m) - ((hits + k) * np.log1p((m - 1.0) * means / (k + means))).sum(1))


def check(hits: Ints, n: Ints, limit: float) -> None:
    """Raise Broken where the shipped evidence is another."""
    ours = (above(hits, n, limit), above_since(hits, n, len(n) // 2, limit))
    for i, row in enumerate(hits.tolist()):
        counts = list(zip(row, n.tolist(), strict=True))
        half = len(n) // 2
        theirs = (
            shipped.log_evidence_above(counts, limit),
            shipped.log_evidence_above(counts[half:], limit, before=counts[:half]),
        )
        for a, b in zip((float(o[i]) for o in ours), theirs, strict=True):
            if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9):
                raise Broken(f"the benchmark's evidence of {counts} is {a:.12g}, the shipped one's {b:.12g}")
