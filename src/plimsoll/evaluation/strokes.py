"""Plots of characters: what a pull request, a job's log and a mail show alike, where no picture is allowed in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

WIDTH = 25
_LEVELS = "▁▂▃▄▅▆▇█"
_MOST = 60


def whisker(
    low: float | None, middle: float | None, high: float | None, limit: float | None, ends: tuple[float, float]
) -> str:
    """An interval on an axis from ``ends[0]`` to ``ends[1]``: ━ what is possible, ● the estimate, ┃ the limit, ◉ both in one
    place. A bound that is not known runs to the edge. Empty where there is no estimate.

    >>> whisker(0.2, 0.4, 0.6, 0.8, (0.0, 1.0))
    '─────━━━━━●━━━━────┃─────'
    """
    if middle is None:
        return ""
    first = 0 if low is None else _place(low, ends)
    last = WIDTH - 1 if high is None else _place(high, ends)
    drawn = ["━" if first <= i <= last else "─" for i in range(WIDTH)]
    if limit is not None:
        drawn[_place(limit, ends)] = "┃"
    drawn[_place(middle, ends)] = "◉" if drawn[_place(middle, ends)] == "┃" else "●"
    return "".join(drawn)


def ends_of(*values: float | None) -> tuple[float, float]:
    """An axis on which all ``values`` lie."""
    known = [v for v in values if v is not None] or [0.0]
    return min(known), max(known)


def sparkline(values: Sequence[float]) -> str:
    """One character a value, the least ▁ and the largest █; more than sixty are averaged by neighbours. Equal ones are flat.

    >>> sparkline([1.0, 2.0, 3.0, 8.0])
    '▁▂▃█'
    """
    shown = _thinned(values)
    low, high = ends_of(*shown)
    room = high - low
    top = len(_LEVELS) - 1
    return "".join(_LEVELS[round((v - low) / room * top) if room else top // 2] for v in shown)


def bar(share: float, width: int = 20) -> str:
    """A share of the whole as a bar: at least a mark where there is anything at all."""
    filled = max(int(share > 0), min(width, round(share * width)))
    return "█" * filled + "░" * (width - filled)


def _place(value: float, ends: tuple[float, float]) -> int:
    room = ends[1] - ends[0]
    share = (value - ends[0]) / room if room else 0.5
    return min(WIDTH - 1, max(0, round(share * (WIDTH - 1))))


def _thinned(values: Sequence[float]) -> list[float]:
    if len(values) <= _MOST:
        return list(values)
    edges = [round(i * len(values) / _MOST) for i in range(_MOST + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
