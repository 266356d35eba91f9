"""A contract: what a source's rows must be, and when each column becomes known.

Read from an Open Data Contract Standard file (ODCS v3.2.0). Three custom properties carry what the standard has no
word for: ``tolerance`` (of the schema object: the share of bad rows accepted), ``recorded`` (of a column: ``plain``,
``hash`` or ``drop``, how an event keeps it) and ``knownAt`` (of a column, or of the schema object as the default for
all its columns)::

    customProperties:
      - {property: knownAt, value: published}                           # before anybody asks
      - {property: knownAt, value: asked_at}                            # comes with the question
      - {property: knownAt, value: {column: arr_at}}                    # a timestamp in the same row
      - {property: knownAt, value: {column: asked_at, offset: "-PT2H"}} # two hours before the question

A library metric that ``mustBe: 0`` is a rule on rows: those that break it are quarantined. With any other operator
it is a limit on the table: broken, the whole set is refused.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

from plimsoll.data import odcs
from plimsoll.errors import InvalidDeclaration, nearest

ASKED_AT = "asked_at"
"""In ``knownAt``: the time of the question, whatever column holds it."""

ENGINE = "plimsoll"
"""The ``engine`` of custom quality rules that are enforced here: a DuckDB condition over one row."""

Recorded = Literal["plain", "hash", "drop"]
"""How an event keeps a column's value: as it is, as a keyed hash (equal values stay equal), or not at all."""

Operator = Literal["=", "<>", ">", ">=", "<", "<=", "between", "not between"]


class KnownAt(msgspec.Struct, frozen=True):
    """When a column's value becomes known: the time in ``column`` plus ``offset``; no column means *published*."""

    column: str = ""
    offset: timedelta = timedelta(0)

    @property
    def published(self) -> bool:
        """Known before any question is asked."""
        return not self.column


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One declared column and what each of its values must be."""

    name: str
    type: odcs.LogicalType
    required: bool = False
    options: odcs.TypeOptions = odcs.TypeOptions()
    enum: tuple[Any, ...] = ()
    missing: tuple[Any, ...] = ()  # values that no row may have, because they mean "missing"
    valid: tuple[odcs.Arguments, ...] = ()  # further allowed values and patterns
    known_at: KnownAt | None = None
    recorded: Recorded = "plain"


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A foreign key: the values of ``columns`` occur in ``to`` of ``table``. A NULL refers to nothing and is fine."""

    columns: tuple[str, ...]
    table: str
    to: tuple[str, ...]


class Condition(msgspec.Struct, frozen=True):
    """A condition over several columns of one row: a DuckDB expression. NULL counts as fulfilled."""

    name: str
    sql: str


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A condition on the whole table: how many rows there are, or how many (or what percentage) are null, invalid, …"""

    metric: odcs.Metric
    columns: tuple[str, ...]
    operator: Operator
    bounds: tuple[float, ...]
    percent: bool = False
    arguments: odcs.Arguments = odcs.Arguments()

    def holds(self, count: int, rows: int) -> bool:
        """Whether ``count`` of ``rows`` is within the limit. No rows are 0 %."""
        value = (100.0 * count / rows if rows else 0.0) if self.percent else float(count)
        low, high = self.bounds[0], self.bounds[-1]
        return {
            "=": value == low,
            "<>": value != low,
            ">": value > low,
            ">=": value >= low,
            "<": value < low,
            "<=": value <= low,
            "between": low <= value <= high,
            "not between": not low <= value <= high,
        }[self.operator]

    @property
    def text(self) -> str:
        of = f" of {', '.join(self.columns)}" if self.columns else ""
        bounds = " and ".join(f"{bound:g}" for bound in self.bounds)
        return f"{self.metric}{of} {self.operator} {bounds}{' %' if self.percent else ''}"


class Freshness(msgspec.Struct, frozen=True):
    """The newest value of ``column`` may be at most ``max_age`` old."""

    column: str
    max_age: timedelta


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What a source's rows must be. ``digest`` is of the file's bytes.

    ``unenforced`` names what the file says but nobody checks here.
    """

    name: str
    version: str
    columns: tuple[Column, ...]
    tolerance: float = 0.0  # share of bad rows accepted, in [0, 1]
    keys: tuple[tuple[str, ...], ...] = ()
    references: tuple[Reference, ...] = ()
    conditions: tuple[Condition, ...] = ()
    limits: tuple[Limit, ...] = ()
    freshness: tuple[Freshness, ...] = ()
    unenforced: tuple[str, ...] = ()
    digest: str = ""
    path: str = ""

    @staticmethod
    def load(path: str | Path) -> Contract:
        """The contract in the ODCS file at ``path``. Raises InvalidDeclaration: file, line, nearest right name."""
        from plimsoll.data.declaration import declared

        return declared(Path(path))

    def column(self, name: str) -> Column:
        """The declared column ``name``. Raises InvalidDeclaration naming the nearest."""
        for column in self.columns:
            if column.name == name:
                return column
        raise InvalidDeclaration(
            f"the contract {self.name!r} has no column {name!r}",
            hint=nearest(name, [c.name for c in self.columns]),
        )

    @property
    def redacted(self) -> dict[str, Recorded]:
        """The columns that an event does not keep as they are, and how it keeps them."""
        return {column.name: column.recorded for column in self.columns if column.recorded != "plain"}

    def known_at(self, name: str) -> KnownAt:
        """When column ``name`` becomes known. Raises InvalidDeclaration if the contract does not say."""
        known = self.column(name).known_at
        if known is None:
            raise InvalidDeclaration(
                f"the contract {self.name!r} does not say when {name!r} becomes known, so it cannot be a feature",
                hint=f"add to the column in {self.path or 'its file'}: "
                "customProperties: [{property: knownAt, value: published}] (or asked_at, or {column: …})",
            )
        return known
