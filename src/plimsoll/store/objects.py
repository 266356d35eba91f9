"""Content-addressed bytes in a local folder: ``ab/cd/abcd…``, written once, checked at every read."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from plimsoll.errors import Damaged, Unavailable, UsageError
from plimsoll.kernel.digest import digest_bytes, short
from plimsoll.kernel.ports import Objects
from plimsoll.store.durable import aside, clear_leftovers, make_folder, sync_folder, unavailable, write_all

_DIGEST = re.compile(r"[0-9a-f]{64}")


class LocalObjects:
    """The port ``Objects`` on a local folder. Durable on return; safe for many processes at once.

    Opening removes what killed writers left aside; ``repairs()`` says what that was.
    """

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)
        self._aside = self._folder / "aside"
        self._repairs = clear_leftovers(self._aside)

    def repairs(self) -> list[str]:
        """What was found and put right at opening: one sentence each."""
        return list(self._repairs)

    def put(self, data: bytes) -> str:
        digest = digest_bytes(data)
        path = self._path(digest)
        try:
            if not self._kept(path, data):
                self._write(path, data)
        except OSError as error:
            raise unavailable(f"keeping the object {short(digest)}", path, error) from error
        return digest

    def get(self, digest: str) -> bytes:
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise missing(digest, str(self._folder)) from None
        except OSError as error:
            raise unavailable(f"reading the object {short(digest)}", path, error) from error
        return checked(digest, data, str(path))

    def has(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def digests(self) -> Iterator[str]:
        for path in sorted(self._folder.glob("??/??/*")):
            if _DIGEST.fullmatch(path.name):
                yield path.name

    def delete(self, digest: str) -> None:
        self._path(digest).unlink(missing_ok=True)

    def verify(self) -> Iterator[str]:
        yield from faults_of(self, self.digests())

    def written_since(self, moment: datetime) -> frozenset[str]:
        """Objects put (again) since ``moment``: a collection spares them, as nothing may refer to them yet."""
        return frozenset(d for d in self.digests() if self._path(d).stat().st_mtime >= moment.timestamp())

    def _kept(self, path: Path, data: bytes) -> bool:
        """Whether ``path`` already holds ``data``; it then counts as written now. A damaged copy does not count."""
        try:
            if path.read_bytes() != data:
                return False
        except FileNotFoundError:
            return False
        os.utime(path, (time.time(), time.time()))
        return True

    def _write(self, path: Path, data: bytes) -> None:
        make_folder(path.parent)
        make_folder(self._aside)
        with aside(self._aside) as (fd, temporary):
            write_all(fd, data)
            os.fsync(fd)
            temporary.rename(path)
        sync_folder(path.parent)

    def _path(self, digest: str) -> Path:
        legal_digest(digest)
        return self._folder / digest[:2] / digest[2:4] / digest


def legal_digest(digest: str) -> str:
    """``digest`` itself. Raises UsageError for anything but 64 hex digits: no path is ever taken from a caller."""
    if not _DIGEST.fullmatch(digest):
        raise UsageError(f"{digest!r} names no object: a digest is 64 lower-case hex digits")
    return digest


def checked(digest: str, data: bytes, where: str) -> bytes:
    """``data``, if it has ``digest``. Raises Damaged otherwise: damaged bytes are never returned."""
    found = digest_bytes(data)
    if found != digest:
        raise Damaged(
            f"the object {short(digest)} is damaged: its {len(data)} bytes have the digest {short(found)} ({where})",
            hint="restore it from a backup, or build it again: plimsoll reproduce",
            details={"digest": digest, "found": found, "where": where},
        )
    return data


def missing(digest: str, where: str) -> Unavailable:
    return Unavailable(f"there is no object {short(digest)} in {where}", details={"digest": digest})


def faults_of(objects: Objects, digests: Iterator[str]) -> Iterator[str]:
    """One sentence for each of ``digests`` that is damaged or cannot be read."""
    for digest in digests:
        try:
            objects.get(digest)
        except (Damaged, Unavailable) as error:
            yield error.message
