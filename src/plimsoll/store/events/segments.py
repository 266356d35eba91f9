"""The folder of segments: their names, who writes them, and what is done with what a killed writer left.

``00000012-w0.open`` is being written by the process that holds ``w0.lock``; ``.seg`` is sealed: complete, and never
written again; ``.<digest>.parquet`` is the same records, compacted. Names change under the folder's lock only, so
that a reader's listing never misses a segment that is just being renamed.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from plimsoll.errors import UsageError
from plimsoll.store.durable import make_folder, replace_file, sync_folder
from plimsoll.store.events.frames import next_whole, whole

WRITER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FILE = re.compile(r"(\d{8})-([A-Za-z0-9_-]{1,64})\.(open|seg|([0-9a-f]{16})\.parquet)")
_RANK = {"open": 0, "sealed": 1, "parquet": 2}
LOCK = "segments.lock"


class Segment(NamedTuple):
    """One segment as it lies in the folder. Order: by number, which counts creations in the folder."""

    number: int
    writer: str
    state: str  # open, sealed or parquet
    path: Path
    digest: str = ""  # of a Parquet file's bytes: the first 16 digits of its SHA-256

    @property
    def name(self) -> str:
        return segment_name(self.number, self.writer)


def segment_name(number: int, writer: str) -> str:
    return f"{number:08d}-{writer}"


def legal_writer(writer: str) -> str:
    """``writer`` itself. Raises UsageError if it cannot be part of a file's name."""
    if not WRITER.fullmatch(writer):
        raise UsageError(f"{writer!r} cannot name a writer of events: letters, digits, _ and - only, at most 64")
    return writer


def listing(folder: Path) -> list[Segment]:
    """The segments, oldest first. Where a segment lies there in two states, the later state counts."""
    try:
        with _folder_lock(folder, fcntl.LOCK_SH):
            return _listing(folder)
    except FileNotFoundError:
        return []


def has_sealed(folder: Path) -> bool:
    """Whether there is a closed segment that is not compacted yet."""
    return any(segment.state == "sealed" for segment in listing(folder))


@contextmanager
def changing(folder: Path) -> Iterator[list[Segment]]:
    """The listing, under the folder's lock: names may be made, changed and removed inside."""
    make_folder(folder)
    (folder / LOCK).touch()
    with _folder_lock(folder, fcntl.LOCK_EX):
        yield _listing(folder)


def _listing(folder: Path) -> list[Segment]:
    found: dict[str, Segment] = {}
    for entry in sorted(folder.iterdir()):
        segment = _parsed(entry)
        if segment is None:
            continue
        known = found.get(segment.name)
        if known is None or _RANK[known.state] < _RANK[segment.state]:
            found[segment.name] = segment
    return sorted(found.values())


def _parsed(entry: Path) -> Segment | None:
    match = _FILE.fullmatch(entry.name)
    if match is None:
        return None
    number, writer, kind, digest = match.groups()
    state = {"open": "open", "seg": "sealed"}.get(kind, "parquet")
    return Segment(int(number), writer, state, entry, digest or "")


@contextmanager
def _folder_lock(folder: Path, how: int) -> Iterator[None]:
    fd = os.open(folder / LOCK, os.O_RDONLY)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)


def new_segment(folder: Path, writer: str, *, durable: bool) -> tuple[Segment, int]:
    """Make the next segment and open it for appending.

    ``durable``: a write returns when it is on the disk, as if ``fdatasync`` followed it (O_DSYNC, open(2)). One call
    instead of two means that the writing thread has to win the interpreter's lock back once, not twice.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | (os.O_DSYNC if durable else 0)
    with changing(folder) as there:
        number = max((s.number for s in there), default=0) + 1
        path = folder / f"{segment_name(number, writer)}.open"
        fd = os.open(path, flags, 0o666)
        sync_folder(folder)
    return Segment(number, writer, "open", path), fd


def seal(segment: Segment) -> None:
    """Nothing will be written to ``segment`` any more. An empty one is removed."""
    folder = segment.path.parent
    with changing(folder), suppress(FileNotFoundError):
        if segment.path.stat().st_size == 0:
            segment.path.unlink()
        else:
            segment.path.rename(segment.path.with_suffix(".seg"))
        sync_folder(folder)


def claim(folder: Path, writer: str) -> int | None:
    """The lock that says ``writer`` is alive, or None while another process (or log) holds it."""
    make_folder(folder)
    fd = os.open(folder / f"{writer}.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def repair(folder: Path) -> list[str]:
    """Seal what dead writers left open, cut their torn tails (kept in ``.torn``), and say so: one sentence each."""
    said: list[str] = []
    for segment in listing(folder):
        if segment.state == "open":
            said += _repair_if_abandoned(segment)
    said += _remove_superseded(folder)
    return said


def _repair_if_abandoned(segment: Segment) -> list[str]:
    lock = claim(segment.path.parent, segment.writer)
    if lock is None:
        return []
    try:
        return _repair_abandoned(segment)
    finally:
        os.close(lock)


def _repair_abandoned(segment: Segment) -> list[str]:
    try:
        data = segment.path.read_bytes()
    except FileNotFoundError:  # another process has just repaired it
        return []
    end = max((frame.end for frame in whole(data)), default=0)
    said = _torn_or_damaged(segment, data, end) if end < len(data) else []
    _flush(segment.path)
    seal(segment)
    return said


def _torn_or_damaged(segment: Segment, data: bytes, end: int) -> list[str]:
    if next_whole(data, end) is None:
        return [_cut(segment, data, end)]
    return [f"segment {segment.name} is damaged at offset {end}, with whole records behind it: kept as it is"]


def _cut(segment: Segment, data: bytes, end: int) -> str:
    kept = segment.path.with_suffix(".torn")
    replace_file(kept, data[end:])
    os.truncate(segment.path, end)
    lost = len(data) - end
    return (
        f"segment {segment.name}: cut a torn tail of {lost} bytes at offset {end}, which was never acknowledged "
        f"(kept in {kept.name})"
    )


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _remove_superseded(folder: Path) -> list[str]:
    """Frames whose Parquet is durable but which a killed compaction did not remove any more."""
    if not folder.is_dir():
        return []
    done = {s.name for s in listing(folder) if s.state == "parquet"}
    left = [p for name in sorted(done) if (p := folder / f"{name}.seg").exists()]
    for path in left:
        path.unlink(missing_ok=True)
    return [f"removed {path.name}: its Parquet file is complete" for path in left]
