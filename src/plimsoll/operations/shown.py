"""Who was shown whose answer, and what came of it: kept where answers change what happens, or where that alone is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from plimsoll.kernel.columns import Events, decoded, spread
from plimsoll.operations.flat import Bools, Codes, Floats, Integers

NOBODY = -1


class Shown(NamedTuple):
    """Of a block, row by row. ``rows``: each row's release, as its place in ``releases``. Whose turn it was counts, also where
    something else had to stand in: units were divided, not answers. ``values``: NaN where none came, and what the answers
    cost under COST."""

    releases: Mapping[str, int]
    rows: Codes
    units: Integers
    values: Mapping[str, Floats]

    def by(self, release: str) -> Bools:
        """The rows that ``release`` was to answer."""
        return np.asarray(self.rows == self.releases.get(release, NOBODY))


def numbered(records: Sequence[Events]) -> Integers:
    """A number for the unit of each row, which is the same for the same unit in every process; 64 bits, so that two are one
    in 10⁹ units with a chance of 3 %."""
    units = [unit for e in records for unit in spread(decoded(e.units), len(e), "")]
    return np.array([_number(unit) for unit in units], np.int64)


def _number(unit: str) -> int:
    return int.from_bytes(blake2b(unit.encode(), digest_size=8).digest(), signed=True)
