"""What the worst errors have in common, and which rows to look at.

The worst rows are covered greedily by conditions of one or two features: the condition with the largest weighted
relative accuracy (Lavrač, Flach & Zupan 1999, *Rule evaluation measures*), P(condition | worst) − P(condition), takes
its rows away and the next one is looked for. Groups that were found by looking are for people; nothing is judged by them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.evaluation.suite.bins import Binned
from plimsoll.kernel.digest import rounded
from plimsoll.kernel.figure import figure

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
SHARE, FEWEST, MOST = 0.02, 30, 2_000
"""Of the labelled rows, the worst 2 %: at least 30, at most 2,000."""
LEAST_GAIN = 0.1
"""A condition that holds for the worst no more than this much oftener than for all rows explains nothing."""
SURE = 4.0
"""Standard errors of a share of the worst (at most ½ / √worst) that a gain must be: the best of many is sought."""
LEAST_SHARE = 0.05
"""Of the worst: a smaller group is left to the rest."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One row: who, when, what was said (by the release, and by whom it is compared with) and what happened. ``place``: its
    number among the gate's rows. ``because``: the features that moved the answer most, and by how much."""

    place: int
    unit: str
    asked_at: str
    said: float
    happened: str
    loss: float
    others: dict[str, float] = {}
    because: tuple[tuple[str, float], ...] = ()


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Worst rows that share ``conditions`` (none: the rest). ``lift``: how much oftener the worst have them."""

    conditions: tuple[str, ...]
    rows: int
    share: float
    share_of_all: float
    lift: float | None
    cases: tuple[Case, ...]


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """``rows`` worst of ``of`` labelled rows, whose loss (``unit``) is ``from_loss`` or more, and makes up
    ``share_of_loss`` of all loss; ``worst`` are the very worst, ``groups`` what they share. ``parts_in``: the unit of what
    moved the answers, where it is known."""

    rows: int
    of: int
    from_loss: float
    share_of_loss: float
    unit: str
    worst: tuple[Case, ...]
    groups: tuple[Group, ...]
    parts_in: str = ""


class Rows(NamedTuple):
    """What a case is told by; ``units`` are empty texts where they may not be shown."""

    units: Sequence[str]
    asked_at: NDArray[np.datetime64]
    scores: Floats
    labels: Floats
    others: Mapping[str, Floats]
    classes: Sequence[str] = ()


def failures(
    losses: Floats, unit: str, features: Binned, rows: Rows, *, shown: int = 10, each: int = 3
) -> Failures | None:
    """The worst rows and what they share; None where no row has a loss (NaN: no label yet)."""
    known = np.flatnonzero(np.isfinite(losses))
    if not len(known):
        return None
    count = min(len(known), MOST, max(FEWEST, round(SHARE * len(known))))
    order = known[np.argsort(-losses[known], kind="stable")][:count]
    total = float(losses[known].sum())
    return Failures(
        rows=count,
        of=len(known),
        from_loss=rounded(float(losses[order[-1]])),
        share_of_loss=rounded(float(losses[order].sum()) / total) if total > 0 else 0.0,
        unit=unit,
        worst=tuple(_case(i, losses, rows) for i in order[:shown].tolist()),
        groups=tuple(_groups(order, known, losses, features, rows, each)),
    )


def places(found: Failures) -> list[int]:
    """The rows that are shown, by their number among the gate's."""
    return sorted({case.place for cases in (found.worst, *(g.cases for g in found.groups)) for case in cases})


def because(found: Failures, parts: Mapping[int, tuple[tuple[str, float], ...]], unit: str) -> Failures:
    """With what moved each answer most, by the row's number; ``unit``: of these parts."""

    def told(cases: tuple[Case, ...]) -> tuple[Case, ...]:
        return tuple(msgspec.structs.replace(case, because=parts.get(case.place, ())) for case in cases)

    groups = tuple(msgspec.structs.replace(group, cases=told(group.cases)) for group in found.groups)
    return msgspec.structs.replace(found, worst=told(found.worst), groups=groups, parts_in=unit)


def _groups(order: Any, known: Any, losses: Floats, features: Binned, rows: Rows, each: int) -> list[Group]:
    """At most four groups, the largest gain first, then the rest. A row that one group has is no other's."""
    made: list[Group] = []
    left, others = order, known
    while len(left) and len(made) < 4:
        found = _condition(features, left, others)
        if found is None:
            break
        conditions, member = found
        inside, every = left[member[left]], float(member[others].sum()) / len(known)
        if len(inside) < LEAST_SHARE * len(order):
            break
        made.append(_group(conditions, inside, len(order), every, losses, rows, each))
        left, others = left[~member[left]], others[~member[others]]
    if len(left):
        made.append(_group((), left, len(order), len(others) / len(known), losses, rows, each))
    return made


def _group(
    conditions: tuple[str, ...], inside: Any, worst: int, every: float, losses: Floats, rows: Rows, each: int
) -> Group:
    share = len(inside) / worst
    return Group(
        conditions=conditions,
        rows=len(inside),
        share=rounded(share),
        share_of_all=rounded(every),
        lift=rounded(share / every) if conditions and every else None,
        cases=tuple(_case(i, losses, rows) for i in inside[:each].tolist()),
    )


def _condition(features: Binned, worst: Any, known: Any) -> tuple[tuple[str, ...], Mask] | None:
    """The best single condition, and a second one where it gains."""
    everywhere: Mask = np.ones(len(features), dtype=np.bool_)
    first = _best(features, worst, known, everywhere)
    if first is None or first[0] < max(LEAST_GAIN, SURE / (2 * math.sqrt(len(worst)))):
        return None
    gain, feature, part = first
    member = features.rows(feature, part)
    said = (features.says(feature, part),)
    second = _best(features, worst, known, member)
    if second is None or second[0] <= gain or second[1] == feature:
        return said, member
    return (*said, features.says(second[1], second[2])), member & features.rows(second[1], second[2])


def _best(features: Binned, worst: Any, known: Any, within: Mask) -> tuple[float, int, int] | None:
    """(gain, feature, part) of the condition that, with ``within``, has the largest weighted relative accuracy."""
    found: list[tuple[float, int, int]] = []
    for feature, parts in enumerate(features.parts):
        column = features.codes[:, feature]
        hits = np.bincount(column[worst], weights=within[worst], minlength=len(parts)) / len(worst)
        base = np.bincount(column[known], weights=within[known], minlength=len(parts)) / len(known)
        part = int((hits - base).argmax())
        found.append((float((hits - base)[part]), feature, part))
    return max(found, key=lambda f: (f[0], -f[1])) if found else None


def _case(i: int, losses: Floats, rows: Rows) -> Case:
    label = float(rows.labels[i])
    if rows.scores.ndim == 2:
        happened = rows.classes[int(label)] if rows.classes else f"class {label:.0f}"
    else:
        happened = figure(label)
    return Case(
        place=i,
        unit=rows.units[i],
        asked_at=str(rows.asked_at[i].astype("datetime64[m]")).replace("T", " "),
        said=_said(rows.scores, i, label),
        happened=happened,
        loss=rounded(float(losses[i])),
        others={who: _said(scores, i, label) for who, scores in rows.others.items()},
    )


def _said(scores: Floats, i: int, label: float) -> float:
    """The score; with more than two classes, the probability that what happened was given."""
    return rounded(float(scores[i] if scores.ndim == 1 else scores[i, int(label)]))
