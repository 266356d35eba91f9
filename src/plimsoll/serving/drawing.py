"""Drawing a share of the requests at the price of a subtraction each.

A coin for each request is the same as drawing how many requests there are until the next hit, which has the geometric
distribution (Devroye 1986, *Non-uniform random variate generation*, chapter X.2: inversion).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable


class Drawn:
    """Hits ``share`` (0–1) of the requests, each independently. One thread's."""

    def __init__(self, share: float, draw: Callable[[], float] = random.random) -> None:
        self._share, self._draw = share, draw
        self._left = self._gap()

    def hit(self, requests: int = 1) -> bool:
        """Whether one of the next ``requests`` is hit."""
        self._left -= requests
        if self._left > 0:
            return False
        self._left = self._gap()
        return True

    def _gap(self) -> float:
        if self._share <= 0.0:
            return math.inf
        if self._share >= 1.0:
            return 1.0
        return 1.0 + math.floor(math.log(1.0 - self._draw()) / math.log1p(-self._share))
