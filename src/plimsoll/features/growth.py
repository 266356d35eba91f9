"""A timeline that grows: rows that were pushed change a part of it, and that part alone is compiled again.

What ``grown`` gives is bit for bit what compiling all rows gives, if the view keeps its declared ``reach``: of the rows
of the timeline only those can have changed that a pushed row reaches, and what they are now rests on the source's rows
that reach them. ``keeps_reach`` checks it where both are there. Late rows, rows out of order and rows that come twice
need no rule of their own: the timeline depends on which rows there are, not on when they came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plimsoll.features.columns import read_columns
from plimsoll.features.compilation import Span, compile
from plimsoll.features.timeline import Timeline, timeline_of_rows
from plimsoll.features.view import Reach, View

NEWEST = 0.05
"""The share of the rows that a declared reach is tried with."""
EVER_US = 2**62


def grown(view: View, timeline: Timeline, rows: Sequence[Path], added: Sequence[Path]) -> Timeline:
    """The timeline over ``rows``, ``added`` among them, from the one over all the others.

    Compiles everything where the view has no reach.
    """
    if view.reach is None:
        return compile(view, rows)
    span = _span(added, view.reach)
    return timeline if span is None else _respliced(view, view.reach, timeline, rows, *span)


def keeps_reach(view: View, timeline: Timeline, rows: Sequence[Path]) -> bool:
    """Whether the newest rows, had they been pushed, would have led to ``timeline``, which was compiled from all.

    Finds a reach that is too short for the newest rows, not every one that ever could be.
    """
    if view.reach is None:
        return True
    at = _times(rows, view.reach)
    if len(at) < 2:
        return True
    at.sort()
    until_us, last_us = int(at[int(len(at) * (1 - NEWEST)) - 1]), int(at[-1])
    begin_us = until_us - view.reach.back_us  # from here on the timeline before must be right, too
    before = compile(view, rows, span=Span(view.reach.column, begin_us - view.reach.back_us, until_us))
    after = _respliced(view, view.reach, before, rows, until_us + 1, last_us)
    whole, pushed = (_joined(_inside(t, begin_us, EVER_US), _NONE, timeline) for t in (timeline, after))
    return whole.digest == pushed.digest


def _span(rows: Sequence[Path], reach: Reach) -> tuple[int, int] | None:
    """The first and the last time of the rows; None where none has one: nobody will ever know them."""
    at = _times(rows, reach)
    return (int(at.min()), int(at.max())) if len(at) else None


def _times(rows: Sequence[Path], reach: Reach) -> NDArray[np.int64]:
    at = read_columns(rows, [reach.column])[reach.column].astype("datetime64[us]")
    known: NDArray[np.int64] = at[~np.isnat(at)].astype(np.int64)
    return known


def _respliced(
    view: View, reach: Reach, timeline: Timeline, rows: Sequence[Path], first_us: int, last_us: int
) -> Timeline:
    """The timeline with everything that rows from ``first_us`` to ``last_us`` reach compiled again."""
    until_us = last_us + reach.back_us
    part = compile(view, rows, span=Span(reach.column, first_us - reach.back_us, until_us))
    return _joined(_outside(timeline, first_us, until_us), _inside(part, first_us, until_us), timeline)


class _Rows(NamedTuple):
    """Rows of a timeline: their entities' codes, and the entities."""

    entities: tuple[str, ...]
    codes: NDArray[np.int64]
    known_at_us: NDArray[np.int64]
    values: NDArray[np.float32]


_NONE = _Rows((), np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 0), np.float32))


def _inside(timeline: Timeline, first_us: int, until_us: int) -> _Rows:
    return _some(timeline, (timeline.known_at_us >= first_us) & (timeline.known_at_us <= until_us))


def _outside(timeline: Timeline, first_us: int, until_us: int) -> _Rows:
    return _some(timeline, (timeline.known_at_us < first_us) | (timeline.known_at_us > until_us))


def _some(timeline: Timeline, keep: NDArray[np.bool_]) -> _Rows:
    codes = np.repeat(np.arange(len(timeline.entities)), np.diff(timeline.starts))
    return _Rows(timeline.entities, codes[keep], timeline.known_at_us[keep], timeline.values[keep])


def _joined(one: _Rows, other: _Rows, like: Timeline) -> Timeline:
    """No moment of an entity is in both."""
    names = sorted({*one.entities, *other.entities})
    place = {name: i for i, name in enumerate(names)}
    codes = np.concatenate([_recoded(rows, place) for rows in (one, other)])
    known_at_us = np.concatenate([one.known_at_us, other.known_at_us])
    values = np.concatenate([one.values, other.values.reshape(len(other.codes), one.values.shape[1])])
    order = np.lexsort((known_at_us, codes))
    present, codes = np.unique(codes[order], return_inverse=True)
    return timeline_of_rows(
        view=like.view,
        names=like.names,
        age=like.age,
        codes=codes,
        entities=[names[i] for i in present.tolist()],
        known_at_us=known_at_us[order],
        values=values[order],
    )


def _recoded(rows: _Rows, place: dict[str, int]) -> NDArray[np.int64]:
    return np.array([place[name] for name in rows.entities], dtype=np.int64)[rows.codes]


class Changes(NamedTuple):
    """What an online store has to do: hold these rows, and none of ``gone``."""

    rows: list[tuple[str, int, bytes]]
    gone: list[str]


def changes(before: Timeline | None, before_us: int, after: Timeline, after_us: int) -> Changes:
    """From ``before`` as it was at ``before_us`` to ``after`` as of ``after_us``. No ``before``: from nothing."""
    rows = after.rows_as_of(after_us)
    if before is None:
        return Changes(list(rows), [])
    entities = after.entities
    now = after.find(entities, np.full(len(entities), after_us, dtype=np.int64))
    then = before.find(entities, np.full(len(entities), before_us, dtype=np.int64))
    same = (now >= 0) & (then >= 0)
    same[same] = before.known_at_us[then[same]] == after.known_at_us[now[same]]
    a, b = before.values[then[same]], after.values[now[same]]
    same[same] = (a.view(np.uint32) == b.view(np.uint32)).all(axis=1)
    changed = now[(now >= 0) & ~same]
    left = [entity for entity, row in zip(entities, now.tolist(), strict=True) if row < 0]
    left += sorted({*before.entities} - {*entities})
    held = before.find(left, np.full(len(left), before_us, dtype=np.int64))
    return Changes(
        list(after.rows_at(changed)), [entity for entity, row in zip(left, held.tolist(), strict=True) if row >= 0]
    )


def differences(held: Iterator[tuple[str, int, bytes]], after: Timeline, after_us: int) -> Changes:
    """From whatever is held to ``after`` as of ``after_us``."""
    there = {entity: (known_at_us, packed) for entity, known_at_us, packed in held}
    wanted = {entity: (known_at_us, packed) for entity, known_at_us, packed in after.rows_as_of(after_us)}
    rows = [(entity, *row) for entity, row in wanted.items() if there.get(entity) != row]
    return Changes(rows, [entity for entity in there if entity not in wanted])
