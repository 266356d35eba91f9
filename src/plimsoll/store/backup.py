"""A home as one archive, taken while it serves: what it says holds together, and every byte is checked on the way back.

The order makes it whole. The ledger's marks come first: a mark that lags behind its ledger is legal. Then the catalog, at
one moment, by SQLite's own backup (https://sqlite.org/backup.html). Then the objects, which are never changed and were put
before the catalog spoke of them. Then the events, each segment up to its last whole frame; they may know more than the
catalog does, as after a crash. What can be made again is left out, and so are secrets, unless they are asked for.
"""

from __future__ import annotations

import hashlib
import io
import os
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

import msgspec

from plimsoll.errors import Unavailable, UsageError
from plimsoll.store.durable import sync_folder, unavailable
from plimsoll.store.events.frames import whole
from plimsoll.store.events.segments import LOCK, Segment, listing

MANIFEST = "manifest.json"
CATALOG = "catalog.db"
_EVENTS = "events"
_FIRST = "checkpoints"
_LEFT_OUT = frozenset(
    {"scratch", "writers", "run", "online.db", "online.db-wal", "online.db-shm", "backups", "rehearsals"}
)
"""Made again by whoever needs it, or alive only while a process is."""
_SECRET_FOLDERS = frozenset({"access", "recording"})


class Kept(msgspec.Struct, frozen=True):
    """One file of an archive."""

    size_bytes: int
    sha256: str
    mode: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in an archive. ``catalog``: ``sqlite``, or where else it is, and then it is not in here."""

    format: int = 1
    at: datetime
    revision: str
    catalog: str
    secrets: bool
    files: dict[str, Kept]


def back_up(
    home: Path, target: Path, *, at: datetime, revision: str, secrets: bool = False, elsewhere: str = ""
) -> Manifest:
    """Write ``home`` into the new file ``target``. ``elsewhere``: where the catalog is, if it is not in the home.

    Raises UsageError if ``target`` is there already or the home is not, Unavailable where there is no room.
    """
    if target.exists():
        raise UsageError(f"{target} is there already", hint="a backup never replaces another one: name a new file")
    if not home.is_dir() or (not elsewhere and not (home / CATALOG).is_file()):
        raise UsageError(f"there is no Plimsoll home at {home}", hint="name it with --home")
    aside = target.with_name(target.name + ".aside")
    try:
        with aside.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            with tarfile.open(fileobj=file, mode="w") as archive:
                writing = _Writing(archive, home, secrets)
                writing.everything(with_catalog=not elsewhere)
                manifest = Manifest(
                    at=at,
                    revision=revision,
                    catalog=elsewhere or "sqlite",
                    secrets=secrets,
                    files=writing.files,
                )
                _add_bytes(archive, MANIFEST, msgspec.json.encode(manifest), 0o600)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise unavailable("backing up the home", target, error) from error
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return manifest


def copy_catalog(source: Path, target: Path) -> None:
    """The catalog as of one moment, whoever writes to it meanwhile. Raises Unavailable where it cannot be read."""
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=20.0)) as given,
            closing(sqlite3.connect(target)) as kept,
        ):
            given.backup(kept)
            kept.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise Unavailable(f"the catalog cannot be backed up: {error} ({source})", hint="is the disk full?") from error


class _Writing:
    """An archive that is being written, and what is in it so far."""

    def __init__(self, archive: tarfile.TarFile, home: Path, secrets: bool) -> None:
        self._archive, self._home, self._secrets = archive, home, secrets
        self.files: dict[str, Kept] = {}

    def everything(self, *, with_catalog: bool) -> None:
        self._folder(self._home / _FIRST)
        if with_catalog:
            with TemporaryDirectory(prefix="plimsoll-backup-") as folder:
                copy_catalog(self._home / CATALOG, Path(folder) / CATALOG)
                self._file(Path(folder) / CATALOG, CATALOG)
        for entry in sorted(self._home.iterdir()):
            if entry.name not in _LEFT_OUT | {_FIRST, _EVENTS} and not entry.name.startswith(CATALOG):
                self._folder(entry)
        self._events(self._home / _EVENTS)

    def _folder(self, path: Path) -> None:
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            name = file.relative_to(self._home)
            if file.is_symlink() or not file.is_file() or file.suffix in (".lock", ".aside"):
                continue
            if self._secrets or not is_secret(PurePosixPath(name)):
                self._file(file, name.as_posix())

    def _events(self, folder: Path) -> None:
        """Each segment, up to what was acknowledged when it was looked at; one that is sealed or compacted meanwhile is
        looked for under its new name."""
        if folder.is_dir():  # a folder without its lock is no log yet
            self._add(f"{_EVENTS}/{LOCK}", io.BytesIO(), 0, 0o644)
        done: set[str] = set()
        while left := [segment for segment in listing(folder) if segment.name not in done]:
            for segment in left:
                try:
                    self._segment(segment)
                except FileNotFoundError:
                    break  # it has another name now, or retention took it: look again
                done.add(segment.name)

    def _segment(self, segment: Segment) -> None:
        name = f"{_EVENTS}/{segment.path.name}"
        if segment.state != "open":
            self._file(segment.path, name)
            return
        data = segment.path.read_bytes()
        end = max((frame.end for frame in whole(data)), default=0)
        self._add(name, io.BytesIO(data[:end]), end, 0o644)

    def _file(self, path: Path, name: str) -> None:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            self._add(name, file, found.st_size, found.st_mode & 0o777)

    def _add(self, name: str, file: IO[bytes], size: int, mode: int) -> None:
        reading = Digesting(file)
        self._archive.addfile(_entry(name, size, mode), reading)
        self.files[name] = Kept(size, reading.hexdigest(), mode)


class Digesting(io.RawIOBase):
    """A file's bytes, digested as they are read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def is_secret(name: PurePosixPath) -> bool:
    """Whether a file of a home is a key or a pepper: what a copy of the home is not to have by accident."""
    return name.suffix in (".key", ".pem") or name.parts[0] in _SECRET_FOLDERS


def _entry(name: str, size: int, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, mode
    return entry


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    archive.addfile(_entry(name, len(data), mode), io.BytesIO(data))


@contextmanager
def opened(path: Path) -> Iterator[tarfile.TarFile]:
    """An archive, read from its beginning to its end. Raises UsageError if there is none."""
    try:
        with tarfile.open(path, mode="r:") as archive:
            yield archive
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
