"""``SegmentLog``: the port ``EventLog`` on a local folder, for many threads, tasks and processes at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from plimsoll.errors import Damaged, PlimsollError
from plimsoll.kernel.columns import Columns, Written, in_columns, one_by_one, rows_in
from plimsoll.kernel.ports import Position
from plimsoll.kernel.records import Record
from plimsoll.store.events import compaction
from plimsoll.store.events.frames import encode
from plimsoll.store.events.group import GroupCommit, closed, own_copy
from plimsoll.store.events.reading import Places, ahead, framed_records, parse_position, position_of
from plimsoll.store.events.segments import Segment, legal_writer, listing, repair
from plimsoll.store.events.turns import Then, Turns
from plimsoll.store.events.writing import OpenSegment

Durability = Literal["process", "disk"]


class SegmentLog:
    """Append-only records in segments of about ``segment_bytes``.

    ``durability="disk"``: an append returns when the disk has it (``fdatasync``, shared by all who wait at the same
    time): it survives a power cut. ``"process"``: when the operating system has it: it survives ``kill -9``.
    ``writer`` names this process among those that write to the folder; each needs a name of its own, and keeps it
    over restarts. Reading needs none, and a log that only reads creates nothing.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        durability: Durability = "disk",
        segment_bytes: int = 64 * 1024 * 1024,
        writer: str = "w0",
    ) -> None:
        self._folder = Path(folder)
        self._durable = durability == "disk"
        self._open = OpenSegment(self._folder, legal_writer(writer), segment_bytes, durable=self._durable)
        self._one_at_a_time = threading.Lock()
        self._group = GroupCommit(self._write)
        self._turns = Turns(self._group)
        self._closed = False
        self._intact: set[Path] = set()
        self._repairs = repair(self._folder) + compaction.clear(self._folder)

    def repairs(self) -> list[str]:
        """What dead writers left and opening put right: one sentence each."""
        return list(self._repairs)

    def append(self, records: Sequence[Written]) -> None:
        """All of ``records`` or none, durable on return. Raises Unavailable (disk full, closed): then none."""
        if not records:
            return
        if self._durable:
            self._group.commit(encode(records))
        else:
            self._write(encode(records))

    async def append_async(self, records: Sequence[Written]) -> None:
        """As ``append``, without blocking the event loop. What one turn of the loop appends shares one flush."""
        if not records:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.append_then(records, partial(_settle, future))
        await future

    def append_then(self, records: Sequence[Written], then: Then) -> None:
        """As ``append``, without blocking the event loop that it is called on: ``then`` is called on it with None once
        they are durable, or with why none of them was accepted; before this returns, where nobody waits for the disk."""
        if self._durable:
            self._turns.add(encode(records), then, asyncio.get_running_loop())
            return
        error: PlimsollError | None = None
        try:
            self._write(encode(records))
        except PlimsollError as refused:
            error = refused
        then(error)

    def read(self, after: Position | None = None, limit: int = 100_000) -> tuple[list[Record], Position]:
        """The next records in order of writing, and where to go on.

        What was appended at once is returned at once, so a single append larger than ``limit`` exceeds it. Several
        writers' segments come in the order in which they were begun. Raises Damaged when the damage comes next: what
        lies before it is returned first.
        """
        written, position = self._read(after, limit)
        return list(one_by_one(written)), position

    def read_columns(self, after: Position | None = None, limit: int = 100_000) -> tuple[list[Columns], Position]:
        """As ``read``, in columns: what was written so as it is, the rest put together."""
        written, position = self._read(after, limit)
        return in_columns(written), position

    def verify(self) -> Iterator[str]:
        """One sentence for each damaged segment: the first damage in it."""
        for segment in listing(self._folder):
            try:
                for _ in self._frames(segment, 0):
                    pass
            except Damaged as error:
                yield error.message

    def compact(self) -> list[str]:
        """Turn sealed segments into Parquet, and say which files were made. Safe to be killed at any moment."""
        return compaction.compact(self._folder)

    def parquet(self) -> list[Path]:
        """The Parquet files there are, for SQL over past traffic; each holds one sealed segment."""
        return [segment.path for segment in listing(self._folder) if segment.state == "parquet"]

    def close(self) -> None:
        """Write what is pending and seal the segment. Idempotent; later appends raise Unavailable."""
        self._turns.close()
        with self._one_at_a_time:
            self._closed = True
            self._open.close()

    def _write(self, data: bytes) -> None:
        with self._one_at_a_time:
            if self._closed:
                raise closed()
            self._open.add(data)

    def _read(self, after: Position | None, limit: int) -> tuple[list[Written], Position]:
        places = parse_position(after)
        written: list[Written] = []
        try:
            self._gather(places, written, limit)
        except Damaged:
            if not written:
                raise
        except FileNotFoundError:  # a segment was sealed or compacted between the listing and its opening
            if not written:
                return self._read(after, limit)
        return written, position_of(places)

    def _gather(self, places: Places, written: list[Written], limit: int) -> None:
        """Fill ``written`` and move ``places`` on, frame by frame."""
        count = 0
        for segment, offset in ahead(listing(self._folder), places):
            for framed, end in self._frames(segment, offset):
                count += sum(map(rows_in, framed))
                if written and count > limit:
                    return
                written += framed
                places[segment.writer] = (segment.number, end)

    def _frames(self, segment: Segment, offset: int) -> Iterator[tuple[list[Written], int]]:
        if segment.state != "parquet":
            return framed_records(segment, offset)
        if segment.path not in self._intact:
            compaction.check(segment)
            self._intact.add(segment.path)
        return compaction.compacted_records(segment, offset)


def _settle(future: asyncio.Future[None], error: PlimsollError | None) -> None:
    if future.done():  # its task was cancelled; the record is in the log all the same
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(own_copy(error))
