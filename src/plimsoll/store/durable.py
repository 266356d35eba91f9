"""Files that survive: written aside, flushed, renamed into place, and the folder flushed after them.

A crash at any point leaves the old file, the new file, or a file aside under an advisory lock that died with its
writer. Never half a file under its real name.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from plimsoll.errors import Unavailable

ASIDE = ".aside"
_BLOCK = 65_536
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unavailable(what: str, path: Path, error: OSError) -> Unavailable:
    """An operating system's error as ours: what was tried, where, and what a person can do."""
    full = error.errno in _FULL
    hint = f"free some space on the disk that holds {path}" if full else f"look after the disk that holds {path}"
    return Unavailable(f"{what} failed: {error.strerror} ({path})", hint=hint, details={"errno": error.errno})


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make ``folder`` and its parents, durably."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=mode, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable: a rename survives a power cut only after this."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """``os.write`` until everything is written; a short write means that the next one says why."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def replace_file(path: Path, data: bytes, mode: int = 0o666) -> None:
    """``path`` holds ``data``, durably, on return; before that it holds what it held."""
    with aside(path.parent, mode) as (fd, temporary):
        write_all(fd, data)
        os.fsync(fd)
        temporary.rename(path)
    sync_folder(path.parent)


def first_of(path: Path, data: bytes, mode: int) -> bool:
    """``path`` holds ``data`` unless it was there already (False), durably, however many processes try at once."""
    with aside(path.parent, mode) as (fd, temporary):
        write_all(fd, data)
        os.fsync(fd)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
    sync_folder(path.parent)
    return True


def append_line(path: Path, line: bytes, mode: int = 0o666) -> None:
    """``line`` is the last of ``path``, durably, on return. What a crash left of a line before it is cut."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, mode)
    try:
        with locked(path, wait=True):
            _cut_torn_line(fd)
            write_all(fd, line + b"\n")
            os.fsync(fd)
    finally:
        os.close(fd)


def _cut_torn_line(fd: int) -> None:
    """Cut everything after the last line's end."""
    end = os.fstat(fd).st_size
    while end:
        start = max(0, end - _BLOCK)
        place = os.pread(fd, end - start, start).rfind(b"\n")
        if place >= 0:
            end = start + place + 1
            break
        end = start
    os.ftruncate(fd, end)


@contextmanager
def aside(folder: Path, mode: int = 0o666) -> Iterator[tuple[int, Path]]:
    """A locked file in ``folder`` that is gone afterwards unless it was renamed. The lock says its writer lives."""
    path = folder / f"{uuid.uuid4().hex}{ASIDE}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd, path
    finally:
        path.unlink(missing_ok=True)
        os.close(fd)


def clear_leftovers(folder: Path) -> list[str]:
    """Remove what killed writers left aside in ``folder``; a sentence for each. Living writers keep theirs."""
    return [f"removed {path.name}, which a killed writer left half written" for path in _abandoned(folder)]


def _abandoned(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.glob(f"*{ASIDE}")):
        with suppress(FileNotFoundError), locked(path) as mine:
            if mine:
                path.unlink()
                yield path


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold the advisory lock of an existing ``path``; False where another process holds it and ``wait`` is not set."""
    fd = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            mine = True
        except BlockingIOError:
            mine = False
        yield mine
    finally:
        os.close(fd)


@contextmanager
def waited_for(path: Path, patience_s: float, what: str) -> Iterator[None]:
    """Hold the advisory lock of an existing ``path``. Raises Unavailable where another holds it longer than that."""
    until = time.monotonic() + patience_s
    while True:
        with locked(path) as mine:
            if mine:
                yield
                return
        if time.monotonic() > until:
            raise Unavailable(f"waited {patience_s:g} s for {what}")
        time.sleep(0.02)


def size_of(folder: Path) -> int:
    """Bytes of the files in ``folder`` and below it, as far as they are there while we look."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total
