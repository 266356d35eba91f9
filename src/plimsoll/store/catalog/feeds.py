"""``SqlFeeds``: rows that were pushed into a dataset and are not in a snapshot yet, and who has been here already.

A batch is an object (a Parquet file) and a number; numbers of a dataset only grow. Folding adds a snapshot and takes
the batches that it holds away, in one transaction, so that a row is always in exactly one of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from plimsoll.errors import Conflict
from plimsoll.kernel.ports import FeedState, PushedBatch, SnapshotRow
from plimsoll.store.catalog.codec import to_us
from plimsoll.store.catalog.engine import Database
from plimsoll.store.catalog.rows import add_snapshot, find_snapshot
from plimsoll.store.catalog.tables import feeds, pushed, pushed_ids

REMEMBERED = timedelta(days=30)
"""How long the id of a row that is in a snapshot is remembered. (A contract's key protects it for ever.)"""
AT_ONCE = 500
"""Ids in one statement."""


class SqlFeeds:
    """The port ``Feeds`` on the catalog's database. One transaction per call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self, dataset: str) -> FeedState:
        with self._database.reading() as connection:
            snapshot = find_snapshot(connection, dataset, version=None, digest=None, at=None)
            seq = connection.execute(select(feeds.c.seq).where(feeds.c.dataset == dataset)).scalar() or 0
            found = connection.execute(select(pushed).where(pushed.c.dataset == dataset).order_by(pushed.c.seq))
            batches = tuple(PushedBatch(row.seq, row.file, row._mapping["rows"]) for row in found)
        return FeedState(snapshot, batches, seq)

    def datasets(self) -> list[str]:
        with self._database.reading() as connection:
            return sorted(connection.execute(select(pushed.c.dataset).distinct()).scalars())

    def known(self, dataset: str, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        with self._database.reading() as connection:
            for i in range(0, len(ids), AT_ONCE):
                some = ids[i : i + AT_ONCE]
                query = select(pushed_ids.c.id).where(pushed_ids.c.dataset == dataset, pushed_ids.c.id.in_(some))
                found.update(connection.execute(query).scalars())
        return found

    def push(self, dataset: str, file: str, rows: int, ids: Sequence[str], *, at: datetime) -> int:
        with self._database.writing() as connection:
            here = feeds.c.dataset == dataset
            seq = (connection.execute(select(feeds.c.seq).where(here)).scalar() or 0) + 1
            if seq == 1:
                connection.execute(insert(feeds).values(dataset=dataset, seq=seq))
            else:
                connection.execute(update(feeds).where(here).values(seq=seq))
            connection.execute(insert(pushed).values(dataset=dataset, seq=seq, file=file, rows=rows))
            connection.execute(insert(pushed_ids), [{"dataset": dataset, "id": id, "at": to_us(at)} for id in ids])
        return seq

    def fold(
        self,
        dataset: str,
        files: Sequence[str],
        rows: int,
        *,
        until_seq: int,
        at: datetime,
        note: Mapping[str, Any],
        expected_version: int,
    ) -> SnapshotRow:
        with self._database.writing() as connection:
            folded = (pushed.c.dataset == dataset) & (pushed.c.seq <= until_seq)
            newest = connection.execute(select(func.max(pushed.c.seq)).where(folded)).scalar()
            if newest != until_seq:
                raise Conflict(f"the rows pushed into {dataset} up to {until_seq} were folded by somebody else")
            row = add_snapshot(connection, dataset, files, rows, at=at, note=note, expected_version=expected_version)
            connection.execute(delete(pushed).where(folded))
            old = pushed_ids.c.at < to_us(at - REMEMBERED)
            connection.execute(delete(pushed_ids).where((pushed_ids.c.dataset == dataset) & old))
        return row
