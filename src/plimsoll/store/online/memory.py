"""Online features in the process: dictionaries of packed rows."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from plimsoll.errors import Conflict
from plimsoll.kernel.ports import OnlineRow, OnlineView, Step

Row = tuple[int, bytes]
"""(known_at in µs since the epoch, packed float32 values)."""


@dataclass(slots=True)
class _View:
    """A view's rows; while new ones are loaded aside, those too."""

    rows: dict[str, Row] = field(default_factory=dict)
    replaced: dict[str, list[Row]] = field(default_factory=dict)
    mark: str = ""
    loading: dict[str, Row] | None = None
    touched: bool = False


class MemoryOnline:
    """The port ``OnlineFeatures`` in the process. A batch becomes visible row by row, each of them whole; rows that
    replace all others become visible at once.

    ``history_us``: rows that a newer one replaced are kept that long behind it, for questions asked before it was
    known: questions answered together, an hour's in a rehearsal, each see what was known when they were asked.
    """

    far = False

    def __init__(self, *, history_us: int = 0) -> None:
        self._views: dict[str, _View] = {}
        self._history_us = history_us
        self._writing = threading.Lock()
        self._loading = threading.Lock()

    def apply(self, view: str, rows: Iterable[OnlineRow], *, step: Step | None = None) -> int:
        with self._writing:
            held = self._stepped(view, step)
            applied = 0
            for entity, known_at, packed in rows:
                now = held.rows.get(entity)
                if now is None or now[0] <= known_at:
                    held.rows[entity] = (known_at, packed)
                    applied += 1
                    if self._history_us and now is not None:
                        _keep(held.replaced.setdefault(entity, []), now, known_at - self._history_us)
                if held.loading is not None:
                    _newer(held.loading, entity, known_at, packed)
                    held.touched = True
        return applied

    def correct(
        self, view: str, rows: Iterable[OnlineRow], *, gone: Iterable[str] = (), step: Step | None = None
    ) -> int:
        with self._writing:
            held, missing = self._stepped(view, step), list(gone)
            given = {entity: (known_at, packed) for entity, known_at, packed in rows}
            for target in (held.rows, held.loading):
                if target is not None:
                    target.update(given)
                    for entity in missing:
                        target.pop(entity, None)
            held.touched = held.touched or held.loading is not None
        return len(given)

    def replace(self, view: str, rows: Iterable[OnlineRow], *, mark: str = "") -> int:
        with self._loading:
            if mark and self.mark(view) == mark:
                return 0
            with self._writing:
                held = self._views.setdefault(view, _View())
                loading = held.loading = {}
                held.touched = False
            try:
                for entity, known_at, packed in rows:
                    with self._writing:  # whoever writes meanwhile may have put a newer one there
                        _newer(loading, entity, known_at, packed)
                with self._writing:
                    held.rows, held.replaced = loading, {}
                    held.mark = "" if held.touched else mark
            finally:
                held.loading = None
        return len(loading)

    def get(self, view: str, entity: str, as_of_us: int | None = None) -> Row | None:
        held = self._views.get(view)
        row = held.rows.get(entity) if held else None
        if as_of_us is None or row is None or row[0] <= as_of_us or not self._history_us:
            return row
        return self._earlier(view, entity, as_of_us)

    def get_many(self, view: str, entities: Sequence[str], as_of_us: Sequence[int] | None = None) -> list[Row | None]:
        held = self._views.get(view)
        if held is None:
            return [None] * len(entities)
        rows = list(map(held.rows.get, entities))
        if as_of_us is None or not self._history_us:
            return rows
        return [
            row if row is None or row[0] <= at else self._earlier(view, entity, at)
            for row, entity, at in zip(rows, entities, as_of_us, strict=True)
        ]

    def mark(self, view: str) -> str | None:
        held = self._views.get(view)
        return held.mark if held else None

    def rows(self, view: str) -> Iterator[OnlineRow]:
        with self._writing:
            held = self._views.get(view)
            found = list(held.rows.items()) if held else []
        for entity, (known_at, packed) in found:
            yield entity, known_at, packed

    def views(self) -> list[OnlineView]:
        with self._writing:
            return [
                OnlineView(name, held.mark, len(held.rows), max((at for at, _ in held.rows.values()), default=None))
                for name, held in sorted(self._views.items())
            ]

    def forget(self, view: str) -> None:
        with self._writing:
            self._views.pop(view, None)

    def repairs(self) -> list[str]:
        return []

    def close(self) -> None:
        """Nothing is open."""

    def _stepped(self, view: str, step: Step | None) -> _View:
        """The view with its mark moved on. Raises Conflict if it is another than the writer knows."""
        if step is not None and self.mark(view) != step.before:
            raise moved(view, step, self.mark(view))
        held = self._views.setdefault(view, _View())
        held.mark = step.after if step else ""
        return held

    def _earlier(self, view: str, entity: str, as_of_us: int) -> Row | None:
        """Of the rows that were replaced the last one known by then."""
        replaced = self._views[view].replaced.get(entity, ())
        return next((row for row in reversed(replaced) if row[0] <= as_of_us), None)


def moved(view: str, step: Step, found: str | None) -> Conflict:
    """Somebody else wrote the view's rows first."""
    return Conflict(
        f"the online rows of {view} are in the state {found!r}, not {step.before!r}: somebody else wrote them",
        hint="read the mark again, and write from there",
    )


def _newer(rows: dict[str, Row], entity: str, known_at: int, packed: bytes) -> None:
    now = rows.get(entity)
    if now is None or now[0] <= known_at:
        rows[entity] = (known_at, packed)


def _keep(rows: list[Row], row: Row, since_us: int) -> None:
    """Keep a replaced row, and of the older ones those that were valid after ``since_us``."""
    if row[0] <= since_us:  # it was the last word then: nobody asks for an older one
        rows[:] = (row,)
        return
    rows.append(row)
    while len(rows) > 1 and rows[1][0] <= since_us:
        del rows[0]
