"""The parts of an output that is being made: ``OUT.parts/`` with a manifest of what is done, and a file a chunk.

A part is written aside, flushed and renamed before its line is appended to the manifest; so a line speaks of a part that
is there, and a torn last line of one that is made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from plimsoll.errors import Unavailable, UsageError
from plimsoll.operations.scoring.job import Done, Job
from plimsoll.store import append_line, unavailable


class Parts:
    """The folder beside ``out``."""

    def __init__(self, out: Path) -> None:
        self.folder = out.with_name(out.name + ".parts")
        self._manifest = self.folder / "manifest.jsonl"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else works on the same output meanwhile. Raises Unavailable where somebody does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise Unavailable(f"another process is making this output ({self.folder})") from error
        finally:
            os.close(fd)

    def part(self, n: int) -> Path:
        return self.folder / f"{n:06d}.arrow"

    def begun(self, job: Job) -> tuple[Job, dict[int, Done]]:
        """``job`` as it was begun, and its chunks that are done. Raises UsageError if another job was begun here."""
        lines = self._lines()
        if not lines:
            self.append(job)
            return job, {}
        first = msgspec.json.decode(lines[0], type=Job)
        if first.identity != job.identity:
            raise UsageError(
                f"{self.folder} holds parts of another job: its release, inputs or options were not these",
                hint=f"give that command again to go on with it, or begin anew: rm -r {self.folder}",
            )
        done = (msgspec.json.decode(line, type=Done) for line in lines[1:])
        return first, {part.n: part for part in done if self._is_whole(part)}

    def append(self, entry: Job | Done) -> None:
        try:
            append_line(self._manifest, msgspec.json.encode(entry))
        except OSError as error:
            raise unavailable("noting what is scored", self._manifest, error) from error

    def clear(self) -> None:
        shutil.rmtree(self.folder)

    def _lines(self) -> list[bytes]:
        try:
            return self._manifest.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []

    def _is_whole(self, done: Done) -> bool:
        try:
            return digest_of(self.part(done.n)) == done.digest
        except FileNotFoundError:
            return False


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
