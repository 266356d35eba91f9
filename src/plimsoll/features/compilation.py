"""From a view and its source's rows to a timeline: the one place where Ibis and DuckDB run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from plimsoll.errors import InvalidDeclaration, UsageError, nearest
from plimsoll.features.timeline import Timeline, timeline_of_rows
from plimsoll.features.view import View

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

if TYPE_CHECKING:
    from ibis.expr.types import Table  # type: ignore[import-untyped]


class Span(NamedTuple):
    """Of a column's times, both ends included, in µs since the epoch."""

    column: str
    first_us: int
    last_us: int


def compile(view: View, rows: Sequence[Path], *, span: Span | None = None) -> Timeline:
    """The timeline of ``view`` over the rows in these Parquet (or CSV) files; over those in ``span`` only, if given.

    Rows whose entity or ``known_at`` is null are left out: nobody asks for the first, and the second was never known.
    Of two rows of an entity at the same moment the one with the greater values stays, so that the result does not
    depend on the order of the rows. Raises InvalidDeclaration where the view does not give what it declares. Runs on
    one thread: two would add up floats in another order each time.
    """
    import duckdb
    import ibis  # type: ignore[import-untyped]

    connection = ibis.duckdb.connect(threads=1)
    try:
        connection.raw_sql("SET TimeZone = 'UTC'")
        expression = _declared(view, _built(view, _within(_read(connection, view, rows), view, span)))
        found = connection.to_pyarrow(expression)
    except duckdb.Error as error:
        raise InvalidDeclaration(f"view {view.name!r}: the engine could not compute it: {error}") from error
    finally:
        connection.disconnect()
    return _timeline(view, found)


def _read(connection: Any, view: View, rows: Sequence[Path]) -> Table:
    if not rows:
        raise UsageError(f"view {view.name!r}: there are no rows of {view.feed or view.source!r} to compile from")
    paths = [str(path) for path in rows]
    kinds = {Path(path).suffix.lower() for path in paths}
    if kinds == {".csv"}:
        return connection.read_csv(paths, table_name=view.source)
    return connection.read_parquet(paths, table_name=view.source)


def _within(table: Table, view: View, span: Span | None) -> Table:
    if span is None:
        return table
    import ibis

    if span.column not in table.columns:
        raise InvalidDeclaration(
            f"view {view.name!r}: its reach names the column {span.column!r}, which {view.feed or view.source!r} has not",
            hint=nearest(span.column, table.columns),
        )
    first, last = (_EPOCH + timedelta(microseconds=us) for us in (span.first_us, span.last_us))
    at = table[span.column]
    if at.type().timezone is None:
        first, last = first.replace(tzinfo=None), last.replace(tzinfo=None)
    return table.filter(at.between(ibis.literal(first, at.type()), ibis.literal(last, at.type())))


def _built(view: View, table: Table) -> Table:
    from ibis.common.exceptions import IbisError  # type: ignore[import-untyped]

    try:
        return view.build(table)
    except (AttributeError, IbisError) as error:
        raise InvalidDeclaration(
            f"view {view.name!r} could not be built: {error}",
            hint=f"the rows of {view.feed or view.source!r} have the columns {', '.join(table.columns)}",
        ) from error


def _declared(view: View, table: Table) -> Table:
    """The view's columns in order and of one type each, sorted, without what was never known."""
    for name in ("entity", "known_at", *view.values):
        if name not in table.columns:
            raise InvalidDeclaration(
                f"view {view.name!r} gives no column {name!r}; it gives {', '.join(table.columns)}",
                hint=nearest(name, table.columns),
            )
    if not table.known_at.type().is_timestamp():
        raise InvalidDeclaration(
            f"view {view.name!r}: known_at is of type {table.known_at.type()}; it must be a timestamp in UTC"
        )
    chosen = table.select(
        table.entity.cast("string").name("entity"),
        "known_at",
        *(table[value].cast("float32").name(value) for value in view.values),
    )
    return chosen.drop_null(["entity", "known_at"]).order_by("entity", "known_at", *view.values)


def _timeline(view: View, found: Any) -> Timeline:
    import pyarrow as pa  # type: ignore[import-untyped]

    known_at = found.column("known_at")
    moment = pa.timestamp("us", known_at.type.tz)
    entity = found.column("entity").combine_chunks().dictionary_encode()
    if isinstance(entity, pa.ChunkedArray):
        entity = entity.combine_chunks()
    values = [found.column(value).to_numpy().astype(np.float32) for value in view.values]
    return timeline_of_rows(
        view=view.name,
        names=view.values,
        age=view.age,
        codes=entity.indices.to_numpy(),
        entities=entity.dictionary.to_pylist(),
        known_at_us=known_at.cast(moment).cast(pa.int64()).to_numpy(),
        values=np.column_stack(values),
    )
