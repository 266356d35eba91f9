"""How long a fault of a live release goes on before its detector rings: the detectors of ``change`` themselves, run over drawn
blocks and hours until they do.

A detector begins here with nothing, as after a good past: what it has gathered since only makes it ring sooner. Drawn anew
with the same seed, so that a plan says the same twice.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from plimsoll.stats.change import mean_detector, rate_detector
from plimsoll.stats.power import check_blocks, check_rates

RUNS = 200
_SEED = 20130208
Step = TypeVar("Step")


class Delay(NamedTuple):
    """In steps: the ``mean`` (what never rang counts with all it ran), the step by which 9 in 10 have rung, and the share that
    has rung at all."""

    mean: float
    nine_in_ten: int
    caught: float


def mean_delay(
    *, effect: float, limit: float, sd: float, rho: float, floor: float, run_length: float, most: int
) -> Delay:
    """Blocks until ``mean_detector`` rings over blocks with the mean ``effect``, the spread ``sd`` and the autocorrelation
    ``rho``. ``floor``: the least that a block's loss could be, as the two predictions have it."""
    check_blocks(sd=sd, rho=rho)

    def blocks(rng: random.Random) -> Iterator[tuple[float, float]]:
        last = rng.gauss(0.0, 1.0)
        while True:
            x = effect + sd * last
            yield x, min(floor, x)
            last = rho * last + math.sqrt(1.0 - rho * rho) * rng.gauss(0.0, 1.0)

    def rings(state: tuple[float, ...], block: tuple[float, float]) -> tuple[bool, tuple[float, ...]]:
        found = mean_detector(state, [block], limit=limit, run_length=run_length)
        return found.alarm, found.state

    return _delay(blocks, rings, most)


def rate_delay(*, rate: float, limit: float, per_look: float, run_length: float, most: int) -> Delay:
    """Looks until ``rate_detector`` rings over looks at ``per_look`` events each, of which ``rate`` are hits."""
    check_rates(limit=limit, rate=rate)

    def looks(rng: random.Random) -> Iterator[tuple[int, int]]:
        room = 0.0
        while True:
            room += per_look
            n = int(room)
            room -= n
            yield _hits(rng, n, rate), n

    def rings(state: tuple[float, ...], look: tuple[int, int]) -> tuple[bool, tuple[float, ...]]:
        found = rate_detector(state, [look], limit=limit, run_length=run_length)
        return found.alarm, found.state

    return _delay(looks, rings, most)


def _delay(
    draw: Callable[[random.Random], Iterator[Step]],
    rings: Callable[[tuple[float, ...], Step], tuple[bool, tuple[float, ...]]],
    most: int,
) -> Delay:
    rng = random.Random(_SEED)
    waits, caught = [], 0
    for _ in range(RUNS):
        state: tuple[float, ...] = ()
        waited, alarm, steps = 0, False, draw(rng)
        while waited < most and not alarm:
            alarm, state = rings(state, next(steps))
            waited += 1
        caught += alarm
        waits.append(waited)
    return Delay(sum(waits) / RUNS, sorted(waits)[math.ceil(0.9 * RUNS) - 1], caught / RUNS)


def _hits(rng: random.Random, n: int, rate: float) -> int:
    """A binomial draw: the gaps between hits are geometric; of many hits, by the normal."""
    if n * rate > 500.0:
        drawn = rng.gauss(n * rate, math.sqrt(n * rate * (1.0 - rate)))
        return min(n, max(0, round(drawn)))
    if rate <= 0.0:
        return 0
    hits, at, scale = 0, 0, math.log1p(-min(rate, 1.0 - 1e-12))
    while (at := at + 1 + int(math.log(1.0 - rng.random()) / scale)) <= n:
        hits += 1
    return hits
