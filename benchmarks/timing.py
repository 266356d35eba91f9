"""How the clock is read: the best of several, because noise only ever adds."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def best_s(work: Callable[[], object], *, repeats: int = 5) -> float:
    """Seconds of the fastest of ``repeats`` runs of ``work``, after one that is not counted."""
    work()
    return min(once_s(work) for _ in range(repeats))


def once_s(work: Callable[[], object]) -> float:
    """Seconds of one run, garbage collected before it."""
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
