"""How much two arms of a canary would differ by chance: the recorded rows, divided as the canary will divide its units.

Both arms were answered alike, so this is an A/A of the very units: their number, how they differ, and that they come back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.kernel.requirement import Requirement
from plimsoll.operations.planning.history import FEWEST, Spread, spread_of
from plimsoll.serving import position
from plimsoll.stats.two_arms import cells, difference

Floats = NDArray[np.float64]


def share_of(capability: Capability, r: Requirement) -> float | None:
    """The share of the first canary that compares two arms by ``r``; None where that is not how it is compared."""
    if not (capability.influences_outcome and r.compares and not r.operational):
        return None
    return next((s.share for s in capability.stages if s.kind == "canary" and r in s.requires), None)


def spread_of_arms(
    capability: Capability,
    r: Requirement,
    share: float,
    columns: Mapping[str, NDArray[Any]],
    scores: Floats,
    labels: Floats,
    codes: NDArray[np.int64],
) -> Spread | None:
    """Of ``r`` between the two shares of recorded rows; None where a column that it reads is not there, or too few blocks."""
    metric = capability.definition(r.metric)
    if not set(metric.reads) <= {"label", *columns}:
        return None
    if metric.reads:
        x, *rest = (labels if name == "label" else columns[name].astype(np.float64) for name in metric.reads)
        y = rest[0] if rest else np.ones(len(x))
    elif metric.rows is not None:
        x, y = metric.rows(scores, labels), np.ones(len(labels))
    names, units = np.unique(
        columns[capability.source.sticky or capability.source.unit].astype(str), return_inverse=True
    )
    places = np.array([position(capability.name, unit) for unit in names.tolist()])[units.reshape(-1)]
    known = np.isfinite(x + y)
    arms = [
        cells(codes[rows], units.reshape(-1)[rows], x[rows], y[rows])
        for rows in (known & (places < share), known & (places >= share))
    ]
    found = difference(arms[0], arms[1], int(codes.max(initial=-1)) + 1)
    if len(found.values) < FEWEST or not np.isfinite(found.values).all():
        return None
    said = f"assumed: recorded rows divided as a canary of {share:.0%} will divide them, on {len(found.values)} blocks"
    return spread_of(found.values, said, assumed=True, hidden=found.hidden)
