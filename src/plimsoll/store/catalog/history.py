"""The ledger in SQL: lines are only ever added, each linked to the one before, under the write lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, insert, literal_column, select

from plimsoll.kernel.chain import GENESIS, Entry, Line, link
from plimsoll.store.catalog.codec import document, from_us, line_of, mapping, to_us
from plimsoll.store.catalog.engine import Database
from plimsoll.store.catalog.tables import ledger

_PAGE = 100
"""Lines a transaction: with their evidence some megabytes."""


def append(connection: Connection, entries: Sequence[Entry]) -> list[Line]:
    """Write ``entries`` behind the last line. The caller holds the write lock."""
    seq, previous = head(connection)
    lines: list[Line] = []
    for entry in entries:
        line = _linked(previous, seq + 1, entry)
        lines.append(line)
        seq, previous = line.seq, line.digest
    if lines:
        connection.execute(insert(ledger), [_row(line) for line in lines])
    return lines


def head(connection: Connection) -> tuple[int, str]:
    last = connection.execute(select(ledger.c.seq, ledger.c.digest).order_by(ledger.c.seq.desc()).limit(1)).first()
    return (last.seq, last.digest) if last else (0, GENESIS)


def selection(
    *,
    after: int = 0,
    until: datetime | None = None,
    capability: str | None = None,
    subject: str | None = None,
    bodies: bool = True,
) -> Select[Any]:
    """The lines that satisfy every condition given; without ``bodies`` the database does not even read them."""
    query = select(ledger).where(ledger.c.seq > after)
    if not bodies:
        light = [column for column in ledger.c if column is not ledger.c.body]
        query = query.with_only_columns(*light, literal_column("'{}'").label("body"))
    if until is not None:
        query = query.where(ledger.c.at <= to_us(until))
    if capability is not None:
        query = query.where(ledger.c.capability == capability)
    if subject is not None:
        query = query.where(ledger.c.subject == subject)
    return query


def lines(
    database: Database, wanted: Select[Any], *, newest_first: bool = False, lenient: bool = False
) -> Iterator[Line]:
    """The lines of ``wanted``, a page a transaction, so that a slow reader holds nobody up.

    Raises Damaged at a line that cannot be read; with ``lenient`` it comes with what was found as its body, and then
    does not have its digest.
    """
    seq = ledger.c.seq
    ordered = wanted.order_by(seq.desc() if newest_first else seq).limit(_PAGE)
    page = _page(database, ordered)
    while page:
        yield from (line_of(row, lenient=lenient) for row in page)
        last = page[-1].seq
        page = _page(database, ordered.where(seq < last if newest_first else seq > last))


def _page(database: Database, query: Select[Any]) -> Sequence[Row[Any]]:
    with database.reading() as connection:
        return connection.execute(query).all()


def _linked(previous: str, seq: int, entry: Entry) -> Line:
    """The line as it will be read again: its body in canonical JSON's types and precision."""
    body = mapping(document(entry.body))
    return link(previous, seq, msgspec.structs.replace(entry, at=from_us(to_us(entry.at)), body=body))


def _row(line: Line) -> dict[str, Any]:
    columns = msgspec.structs.asdict(line.entry)
    columns |= {"seq": line.seq, "previous": line.previous, "digest": line.digest}
    return columns | {"at": to_us(line.entry.at), "body": document(line.entry.body)}
