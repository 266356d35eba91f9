"""The reading end: whole frames from a place on, over all segments of all writers, while others write.

A place is kept for each writer, because several write at once: ``00000007-w1:512,00000012-w0`` and the offset in the
last of them. With one writer it is that writer's segment and offset.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from plimsoll.errors import Damaged, UsageError
from plimsoll.kernel.columns import Written
from plimsoll.kernel.ports import Position
from plimsoll.store.events.frames import Frame, decode, length_needed, next_whole, whole
from plimsoll.store.events.segments import Segment, segment_name

_CHUNK = 4 * 1024 * 1024
Places = dict[str, tuple[int, int]]
"""Writer → (number of its segment, offset in it): everything before was read."""


def parse_position(position: Position | None) -> Places:
    if position is None or not position.segment:
        return {}
    try:
        *others, last = position.segment.split(",")
        pairs = [(name, int(offset)) for name, offset in (other.split(":") for other in others)]
        return dict(_place(name, offset) for name, offset in [*pairs, (last, position.offset)])
    except ValueError:
        raise UsageError(f"{position} is no position in an event log") from None


def _place(name: str, offset: int) -> tuple[str, tuple[int, int]]:
    number, _, writer = name.partition("-")
    return writer, (int(number), offset)


def position_of(places: Places) -> Position:
    ordered = sorted((number, writer, offset) for writer, (number, offset) in places.items())
    if not ordered:
        return Position("", 0)
    *others, (number, writer, offset) = ordered
    before = [f"{segment_name(n, w)}:{o}," for n, w, o in others]
    return Position("".join(before) + segment_name(number, writer), offset)


def ahead(segments: list[Segment], places: Places) -> Iterator[tuple[Segment, int]]:
    """The segments that may hold something unread, and from which offset."""
    for segment in segments:
        number, offset = places.get(segment.writer, (0, 0))
        if segment.number == number:
            yield segment, offset
        elif segment.number > number:
            yield segment, 0


def framed_records(segment: Segment, offset: int) -> Iterator[tuple[list[Written], int]]:
    """The records of each whole frame from ``offset`` on, as they were written, and where it ends.

    In an open segment the end is the first frame that is not whole *yet*. Raises Damaged where a frame is bad though
    whole ones follow it, or though its segment is sealed.
    """
    for frame in frames(segment, offset):
        yield decode(frame), frame.end


def frames(segment: Segment, offset: int) -> Iterator[Frame]:
    end = offset
    for frame in _readable(segment.path, offset):
        yield frame
        end = frame.end
    resume = _damage(segment, end)
    if resume is not None:
        raise damaged(segment, end, resume)


def _readable(path: Path, offset: int) -> Iterator[Frame]:
    """Whole frames from ``offset`` to the first that is not, a chunk at a time."""
    want = _CHUNK
    with path.open("rb") as file:
        while True:
            file.seek(offset)
            data = file.read(want)
            begin = offset
            for frame in whole(data, base=begin):
                yield frame
                offset = frame.end
            needed = length_needed(data, offset - begin)
            if len(data) < want or (offset == begin and needed <= len(data)):
                return
            left = os.fstat(file.fileno()).st_size - offset
            want = max(_CHUNK, min(needed, left + 1))  # a damaged length may claim gigabytes


def _damage(segment: Segment, end: int) -> int | None:
    """Where reading could resume if what lies at ``end`` is damage; None if it is just the end."""
    with segment.path.open("rb") as file:
        file.seek(end)
        rest = file.read()
    if not rest or next(whole(rest), None):  # the writer went on meanwhile
        return None
    behind = next_whole(rest, 0)
    if behind is not None:
        return end + behind
    return end + len(rest) if segment.state == "sealed" else None


def damaged(segment: Segment, offset: int, resume: int) -> Damaged:
    return Damaged(
        f"segment {segment.name} is damaged at offset {offset}: {resume - offset} bytes are not what was written "
        f"({segment.path})",
        hint=f"restore {segment.path.name} from a backup; reading can go on at offset {resume}",
        details={"segment": segment.name, "offset": offset, "resume": resume},
    )
