"""Known times: which columns were not known yet when a question was asked, and by how much.

A value that is known only after the question would teach a model the future. That is found from the contract's
``knownAt``, row by row; never from a list of suspicious names. A column whose known time is NULL in a row was never
known there, not even that it is missing: a cancelled flight's empty departure gives the label away.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from plimsoll.data.contract import ASKED_AT, Contract, KnownAt
from plimsoll.data.rows import Paths, Source, connection, first_line, listed, literal, opened_typed, quoted
from plimsoll.errors import UsageError, nearest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MICROSECOND = timedelta(microseconds=1)


class KnownFault(msgspec.Struct, frozen=True, kw_only=True):
    """A column that was not known when asked. ``lead`` is the median time by which the question came too early, over
    the rows whose known time there is; None where there is none."""

    column: str
    share: float  # of all rows, in (0, 1]
    rows: int
    lead: timedelta | None

    @property
    def sentence(self) -> str:
        early = f", by {self.lead} in the median" if self.lead is not None else ", or never"
        return f"{self.column!r} becomes known after the question in {self.share:.1%} of rows ({self.rows:,}){early}"


def unknown_at_question(
    rows: Paths, contract: Contract, asked_at_column: str, columns: Sequence[str]
) -> list[KnownFault]:
    """Which of ``columns`` were not known in every row of ``rows`` at the time in ``asked_at_column``, in that order.

    A row without a time of question counts against every column. Raises InvalidDeclaration for a column that the
    contract does not declare or whose known time it does not give. One scan.
    """
    moments = {name: contract.known_at(name) for name in columns}
    distinct = [known for known in dict.fromkeys(moments.values()) if not known.published]
    if not distinct:
        return []
    with connection() as db:
        source = opened_typed(db, "rows", rows)
        total, faults = _scan(db, source, distinct, asked_at_column)
    found = []
    for name in dict.fromkeys(columns):
        late, lead_us = faults.get(moments[name], (0, None))
        if late:
            lead = None if lead_us is None else lead_us * _MICROSECOND
            found.append(KnownFault(column=name, share=late / total, rows=late, lead=lead))
    return found


def _scan(
    db: DuckDBPyConnection, source: Source, moments: Sequence[KnownAt], asked_at_column: str
) -> tuple[int, dict[KnownAt, tuple[int, float | None]]]:
    """How many rows there are, and per known time: how many were asked before it, and the median lead in µs."""
    import duckdb

    asked = f"epoch_us({_column(source, asked_at_column)})"
    parts = ["count(*)"]
    for known in moments:
        at = _known_us(source, known, asked_at_column)
        parts.append(f"count_if(coalesce({at} > {asked}, true))")
        parts.append(f"median({at} - {asked}) FILTER ({at} > {asked})")
    try:
        row = db.execute(f"SELECT {', '.join(parts)} FROM {source.relation}").fetchone() or (0,)
    except duckdb.BinderException as error:
        hint = "the time of the question and every known time are timestamps"
        raise UsageError(
            f"the known times of {source.paths[0]} cannot be read: {first_line(error)}", hint=hint
        ) from error
    return int(row[0]), {known: (row[1 + 2 * i], row[2 + 2 * i]) for i, known in enumerate(moments)}


def masked_as_of(contract: Contract, rows: Paths, at: datetime, *, asked_at_column: str = "") -> str:
    """A DuckDB SELECT of what was known of ``rows`` at ``at``: columns not known yet are NULL, and a row of which
    nothing was known yet is not there.

    ``asked_at_column`` is needed where a column's known time is the question's. Columns without a known time are
    left out: nobody may see them. Times in the rows are UTC.
    """
    with connection() as db:
        source = opened_typed(db, "rows", rows)
    moment_us = round((at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / _MICROSECOND)
    selected, seen = [], []
    for column in contract.columns:
        if column.known_at is None:
            continue
        name = _column(source, column.name)
        if column.known_at.published:
            selected.append(name)
            seen.append("true")
            continue
        known = f"{_known_us(source, column.known_at, asked_at_column)} <= {moment_us}"
        selected.append(f"CASE WHEN {known} THEN {name} END AS {name}")
        seen.append(known)
    if not selected:
        raise UsageError(f"the contract {contract.name!r} gives no column a known time")
    files = ", ".join(literal(str(path)) for path in listed(rows))
    visible = " OR ".join(dict.fromkeys(seen))
    return f"SELECT {', '.join(selected)} FROM read_parquet([{files}], union_by_name=true) WHERE {visible}"


def _known_us(source: Source, known: KnownAt, asked_at_column: str) -> str:
    """When a column became known, in µs since the epoch (UTC), as SQL."""
    name = asked_at_column if known.column == ASKED_AT else known.column
    if not name:
        raise UsageError("a column is known when asked, but no column holds the time of the question")
    offset_us = known.offset // _MICROSECOND
    return f"(epoch_us({_column(source, name)}) + {offset_us})"


def _column(source: Source, name: str) -> str:
    if name not in source.types:
        files = ", ".join(str(p) for p in source.paths)
        raise UsageError(f"the rows in {files} have no column {name!r}", hint=nearest(name, source.types))
    return quoted(name)
