"""The gate's rows beside the training set's: near copies by features, and by each column of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import Refused, UsageError
from plimsoll.evaluation.deep.duplicates import Copies, Pair, Partners, cells, partners
from plimsoll.evaluation.deep.loss import level, without
from plimsoll.evaluation.deep.minhash import twins
from plimsoll.kernel.digest import rounded
from plimsoll.kernel.figure import figure
from plimsoll.operations.deep.ground import Ground
from plimsoll.stats.resample import placed

FEATURES = "features"
MOST, MOST_TEXTS = 200_000, 50_000
"""Of the training set's rows, the last. A text takes a kilobyte or two while it is compared."""
LONG = 25
"""Letters of a text, on average, from which a column is prose and not a name."""
SHOWN = 8


def compared(ground: Ground) -> list[str]:
    """What rows are compared by: the features, and each column of prose. Raises Refused where the model is given (nobody
    here knows what it was trained on), UsageError where there are only categories."""
    if ground.capability.model:
        raise Refused(f"{ground.capability.name}: its model is given, and what it was trained on is not known here")
    columns = ground.again.parts.train.columns
    redacted = ground.again.taken[ground.capability.source.name].contract.redacted
    prose = [name for name, column in columns.items() if name not in redacted and _is_prose(column)]
    if all(name in ground.rows.categories for name in ground.rows.names):  # levels recur by nature, and say nothing
        if not prose:
            raise UsageError(f"{ground.capability.name}: all of its features are categories: rows recur by nature")
        return prose
    return [FEATURES, *prose]


def copies(ground: Ground, item: str) -> Copies:
    """Near copies by one of ``compared``."""
    return _by_features(ground) if item == FEATURES else _by_text(ground, item)


def _by_features(ground: Ground) -> Copies:
    rows, learnt = ground.rows, ground.learnt.take(np.arange(len(ground.learnt))[-MOST:])
    categories = [name in rows.categories for name in rows.names]
    train, gate = (cells(X, learnt.X, categories) for X in (learnt.X, rows.X))
    found = partners(train, gate)
    near = found.place >= 0
    usual = _usually(learnt.blocks, len(set(ground.answered.blocks)), train)
    shown = np.flatnonzero(near)[np.argsort(found.differs[near] >= 0, kind="stable")][:SHOWN]
    pairs = tuple(_pair(ground, found, learnt, i) for i in shown.tolist())
    exact = int((near & (found.differs < 0)).sum())
    return _copies(ground, FEATURES, near, exact=exact, usually=usual, pairs=pairs)


def _pair(ground: Ground, found: Partners, learnt: Any, i: int) -> Pair:
    rows, place, differs = ground.rows, int(found.place[i]), int(found.differs[i])
    return Pair(
        unit="" if ground.units_are_hidden else str(rows.units[i]),
        twin="" if ground.units_are_hidden else str(learnt.units[place]),
        twin_asked_at=_minute(learnt.asked_at[place]),
        alike=rounded(1.0 - (differs >= 0) / len(rows.names)),
        differs=rows.names[differs] if differs >= 0 else "",
        happened=_happened(ground, rows.y[i]),
        happened_then=_happened(ground, learnt.y[place]),
    )


def _usually(blocks: NDArray[Any], wanted: int, train: NDArray[np.int64]) -> float | None:
    """Of the training set's own last blocks, against those before them."""
    names, codes, _ = placed(blocks.astype(str))
    if len(names) < 2 * wanted:
        return None
    last = codes >= len(names) - wanted
    return rounded(float((partners(train[~last], train[last]).place >= 0).mean()))


def _by_text(ground: Ground, name: str) -> Copies:
    train = ground.again.parts.train
    train = train.take(np.arange(len(train)) >= len(train) - MOST_TEXTS)
    earlier, later = ([v if isinstance(v, str) else None for v in column.tolist()] for column in (
        train.columns[name], ground.columns[name]
    ))  # fmt: skip
    found = twins(earlier, later)
    near = np.array([twin.place >= 0 for twin in found])
    best = sorted(np.flatnonzero(near).tolist(), key=lambda i: -found[i].alike)[:SHOWN]
    units = train.columns[ground.capability.source.unit]
    pairs = tuple(
        Pair(
            unit="" if ground.units_are_hidden else str(ground.rows.units[i]),
            twin="" if ground.units_are_hidden else str(units[found[i].place]),
            twin_asked_at=_minute(train.asked_at[found[i].place]),
            alike=rounded(found[i].alike),
            happened=_happened(ground, ground.rows.y[i]),
        )
        for i in best
    )
    exact = sum(twin.alike == 1.0 for twin in found)
    return _copies(ground, name, near, exact=exact, usually=None, pairs=pairs)


def _copies(
    ground: Ground, name: str, near: NDArray[np.bool_], *, exact: int, usually: float | None, pairs: tuple[Pair, ...]
) -> Copies:
    some = 0 < near.sum() < len(near)
    answered = ground.answered
    return Copies(
        name=name,
        of="features" if name == FEATURES else "text",
        rows=len(near),
        near=int(near.sum()),
        exact=exact,
        usually=usually,
        pairs=pairs,
        without=tuple(without(metric, answered, near) for metric in ground.metrics) if some else (),
        among=tuple(level(metric, answered.take(near)) for metric in ground.metrics) if some else (),
    )


def _is_prose(column: NDArray[Any]) -> bool:
    texts: Sequence[str] = [v for v in column.tolist() if isinstance(v, str)]
    return bool(texts) and sum(map(len, texts)) >= LONG * len(texts)


def _happened(ground: Ground, label: float) -> str:
    """The outcome as a person calls it."""
    classes = ground.capability.task.classes
    return classes[int(label)] if classes else figure(float(label))


def _minute(at: np.datetime64) -> str:
    return str(at.astype("datetime64[m]")).replace("T", " ")
