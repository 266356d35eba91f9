"""Does a view tell something before it was known? Found by forgetting, not by reading its code.

Compile the view from all rows, and from the rows as they stood at a time T (columns that were not known by then set
to null). If the view's ``known_at`` is honest, both timelines are the same until T. A row that differs used something
that came later.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.features.timeline import Timeline


class Leak(msgspec.Struct, frozen=True, kw_only=True):
    """``rows`` of the ``of`` rows that a view claims to have known by T differ from what it could have known.

    ``values`` are the names of those that do; ``lead`` is how long before T the earliest of them was claimed.
    """

    view: str
    values: tuple[str, ...]
    rows: int
    of: int
    lead: timedelta

    def __str__(self) -> str:
        return (
            f"{self.view} ({', '.join(self.values)}): {self.rows} of {self.of} rows rest on what was not known yet, "
            f"up to {self.lead} ahead"
        )


def leak(whole: Timeline, then: Timeline, until_us: int) -> Leak | None:
    """Compare the timeline of all rows with that of the rows as they stood at ``until_us``; None if nothing leaks.

    A row that knowing more takes away counts as well: its absence tells something.
    """
    said, could = whole.until(until_us), then.until(until_us)
    if said.digest == could.digest:
        return None
    equal, gone = _equal_values(said, could), ~_equal_values(could, said).all(axis=1)
    wrong = ~equal.all(axis=1)
    earliest = min(rows.min(initial=until_us) for rows in (said.known_at_us[wrong], could.known_at_us[gone]))
    return Leak(
        view=whole.view,
        values=tuple(n for n, column in zip(whole.names, equal.T, strict=True) if not column.all()) or whole.names,
        rows=int(max(wrong.sum(), gone.sum())),
        of=len(said),
        lead=timedelta(microseconds=int(until_us - earliest)),
    )


def _equal_values(these: Timeline, others: Timeline) -> NDArray[np.bool_]:
    """For each row and value of ``these``: whether ``others`` has the same at the same moment."""
    same = np.zeros(these.values.shape, dtype=bool)
    if len(others) == 0:
        return same
    found = others.find(these.entities_of_rows(), these.known_at_us)
    there = (found >= 0) & (others.known_at_us[found] == these.known_at_us)
    a, b = these.values[there], others.values[found[there]]
    same[there] = (a == b) | (np.isnan(a) & np.isnan(b))
    return same
