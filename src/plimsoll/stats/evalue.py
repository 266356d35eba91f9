"""E-values: evidence that adds up. An e-value is worth at most 1 on average while the null hypothesis holds.

Big is evidence against it: by Markov's inequality it reaches 1/α with probability at most α, and a capital that is one at
every time (a test martingale, an e-process) *ever* reaches 1/α with probability at most α (Ville 1939). How they are put
together is in Vovk & Wang 2021 (*E-values: calibration, combination and applications*, Ann. Statist. 49). All in logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from plimsoll.errors import UsageError


def log_mean(logs: Sequence[float], shares: Sequence[float] | None = None) -> float:
    """ln of the mean of e-values: an e-value again, however they depend on each other. ``shares`` sum to one and are
    chosen before looking."""
    if not logs:
        raise UsageError("the mean of no e-values is nothing to go by")
    most = max(logs)
    if math.isinf(most):
        return most
    each = shares or [1.0 / len(logs)] * len(logs)
    return most + math.log(math.fsum(share * math.exp(log - most) for share, log in zip(each, logs, strict=True)))


def log_product(logs: Sequence[float]) -> float:
    """ln of the product of e-values that are independent, or each an e-value given those before: an e-value again."""
    return math.fsum(logs)


def p_value(log: float) -> float:
    """The p-value that an e-value is worth, min(1, 1/e); of an e-process at any time, however often one looked."""
    return math.exp(-max(0.0, log))


def log_of_p(p: float) -> float:
    """ln of the e-value that a p-value is worth when nobody knows how it was made: ∫ κ p^(κ−1) dκ over κ from 0 to 1."""
    if not 0.0 <= p <= 1.0:
        raise UsageError(f"p={p!r}: a p-value lies from 0 to 1")
    if p == 0.0:
        return math.inf
    down = -math.log(p)
    if down < 1e-4:  # 1 − p + p ln p loses its digits beside p = 1
        return math.log(0.5 * (1.0 + down / 3.0))
    return math.log(max(0.0, 1.0 - p - p * down) / p) - 2.0 * math.log(down)


def discoveries(logs: Sequence[float], share: float) -> tuple[int, ...]:
    """Which of many hypotheses to reject so that at most ``share`` of the rejected ones are true on average, however they
    depend on each other: the k largest e-values, for the largest k at which the smallest is ≥ n / (k · share)
    (Wang & Ramdas 2022, *False discovery rate control with e-values*, JRSS B 84). Places, in the order given."""
    if not 0.0 < share < 1.0:
        raise UsageError(f"share={share!r}: the share of false discoveries lies between 0 and 1")
    order = sorted(range(len(logs)), key=lambda i: -logs[i])
    kept = [k for k, i in enumerate(order, 1) if logs[i] >= math.log(len(logs) / (k * share))]
    return tuple(sorted(order[: max(kept, default=0)]))
