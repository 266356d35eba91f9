"""Who was shown whose answer, and what came of it: kept where answers change what happens, or where that alone is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from plimsoll.kernel.records import Event, Outcome
from plimsoll.stats.metrics import COST

Floats = NDArray[np.float64]
NOBODY = -1


class OpenShown:
    """Of a block that still waits, row by row. ``reads``: the numbers of outcomes that are kept, besides the label."""

    __slots__ = ("costs_usd", "releases", "rows", "units", "values")

    def __init__(self, reads: Iterable[str]) -> None:
        self.releases: dict[str, int] = {}
        self.rows: list[int] = []
        self.units: list[int] = []
        self.costs_usd: list[float] = []
        self.values: dict[str, dict[int, float]] = {name: {} for name in reads}

    def add(self, event: Event) -> None:
        """The next row. Whose turn it was counts, also where something else had to stand in: units were divided, not answers."""
        self.rows.append(self.releases.setdefault(event.served.release, len(self.releases)))
        self.units.append(_number(event.unit))
        self.costs_usd.append(event.cost_usd)

    def told(self, row: int, outcome: Outcome) -> None:
        for name, by_row in self.values.items():
            if name in outcome.values:
                by_row[row] = outcome.values[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Of a closed block. ``rows``: each row's release, as its place in ``releases``; ``values``: NaN where none came, and what
    the answers cost under COST."""

    releases: Mapping[str, int]
    rows: NDArray[np.int64]
    units: NDArray[np.int64]
    values: Mapping[str, Floats]

    def by(self, release: str) -> NDArray[np.bool_]:
        """The rows that ``release`` was to answer."""
        return np.asarray(self.rows == self.releases.get(release, NOBODY))


def closed(found: OpenShown) -> Shown:
    """``found`` as columns."""
    size = len(found.rows)
    return Shown(
        releases=found.releases,
        rows=np.array(found.rows, dtype=np.int64),
        units=np.array(found.units, dtype=np.int64),
        values={name: _column(by_row, size) for name, by_row in found.values.items()}
        | {COST: np.array(found.costs_usd, dtype=np.float64)},
    )


def _column(by_row: Mapping[int, float], size: int) -> Floats:
    column = np.full(size, np.nan)
    column[np.fromiter(by_row, np.int64, len(by_row))] = np.fromiter(by_row.values(), np.float64, len(by_row))
    return column


def _number(unit: str) -> int:
    """The same for the same unit in every process; 64 bits, so that two are one in 10⁹ units with a chance of 3 %."""
    return int.from_bytes(blake2b(unit.encode(), digest_size=8).digest(), signed=True)
