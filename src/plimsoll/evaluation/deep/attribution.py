"""What the answers rest on: the size of each feature's part in them, and of each view's.

*Shapley values* say how much a feature moves one answer from the mean answer; their mean size says how much it moves the
answers, whether rightly or not. *Permutation importance* (Breiman 2001, *Random forests*; Fisher, Rudin & Dominici 2019,
JMLR 20:177) says what the metric loses when the feature's values are dealt to other rows: it stands in where a model is
not made of trees. The two answer different questions, and are never mixed in one table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.evaluation.deep.loss import ERROR, Loss
from plimsoll.evaluation.measurement import finite
from plimsoll.kernel.digest import rounded
from plimsoll.stats import t_interval
from plimsoll.stats.resample import placed
from plimsoll.stats.scoring import midranks

Floats = NDArray[np.float64]
POINTS = 200
"""Rows of a feature that are drawn."""


class Attributed(msgspec.Struct, frozen=True, kw_only=True):
    """One feature's (or view's) part. ``size``: the mean size of its Shapley values in ``unit`` (over outputs, the sum), or
    what the metric loses, with its 95 % interval over blocks. ``points``: (place of the value among all, 0 to 1, None
    where it is missing, has no order or may not be shown; its part in that row's answer). ``why``: why it is no Shapley value."""

    name: str
    of: Literal["feature", "view"]
    method: Literal["shapley", "permutation"]
    unit: str
    size: float | None
    low: float | None
    high: float | None
    points: tuple[tuple[float | None, float], ...] = ()
    note: str = ""
    why: str = ""


def shapley_parts(
    values: Floats,
    X: NDArray[np.float32],
    blocks: Sequence[Any],
    names: Sequence[str],
    views: Mapping[str, Sequence[int]],
    *,
    unit: str,
    unordered: frozenset[str],
) -> tuple[Attributed, ...]:
    """Each feature's part and each view's, of ``values`` (rows, outputs, features). ``views``: name → its places;
    ``unordered``: features whose values are not to be told by."""
    shown = np.unique(np.linspace(0, len(X) - 1, min(POINTS, len(X))).astype(np.int64))
    made = []
    for place, name in enumerate(names):
        part = values[:, :, place]
        drawn = _points(X[:, place], part, shown, ordered=name not in unordered)
        made.append(_attributed(name, "feature", part, blocks, unit, drawn))
    for name, places in views.items():
        made.append(_attributed(name, "view", values[:, :, list(places)].sum(axis=2), blocks, unit, ()))
    return tuple(made)


def permuted(name: str, lost: Loss, why: str) -> Attributed:
    """What the metric loses with the feature's values dealt to other rows; ``why`` there is nothing better."""
    return Attributed(
        name=name,
        of="feature",
        method="permutation",
        unit=f"{lost.metric} lost, {lost.unit}",
        size=lost.worse_by,
        low=lost.low,
        high=lost.high,
        note=lost.note,
        why=why,
    )


def _attributed(
    name: str,
    of: Literal["feature", "view"],
    part: Floats,
    blocks: Sequence[Any],
    unit: str,
    points: tuple[tuple[float | None, float], ...],
) -> Attributed:
    size = np.abs(part).sum(axis=1)
    low, high = _bounds(size, blocks)
    return Attributed(
        name=name,
        of=of,
        method="shapley",
        unit=unit,
        size=rounded(float(size.mean())),
        low=low,
        high=high,
        points=points,
    )


def _bounds(values: Floats, blocks: Sequence[Any]) -> tuple[float | None, float | None]:
    _, codes, n = placed(np.asarray(blocks).astype(str))
    means = np.bincount(codes, weights=values) / n
    found = t_interval(means.tolist(), alpha_low=ERROR, alpha_high=ERROR)
    return finite(found.low), finite(found.high)


def _points(
    column: NDArray[np.float32], part: Floats, shown: NDArray[np.int64], *, ordered: bool
) -> tuple[tuple[float | None, float], ...]:
    """Of several outputs the last: of two or more classes the picture is of that one."""
    there = np.isfinite(column) & ordered
    places = np.full(len(column), np.nan)
    if there.any():
        places[there] = (midranks(column[there].astype(np.float64)) - 0.5) / there.sum()
    return tuple(
        (None if math.isnan(places[i]) else rounded(float(places[i])), rounded(float(part[i, -1])))
        for i in shown.tolist()
    )
