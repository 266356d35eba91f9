"""An archive becomes a home again: beside the place first, every digest checked, then renamed; whole or not at all.

A restore that was killed leaves no home, and what it had unpacked beside the place. Whoever opened a home there now would
begin an empty one, and the restore could not be done again: so nobody does (``unfinished``) before it has been.

A home that is a volume of its own (a container's) cannot be renamed to. There the unpacked files lie in a folder of the
volume until they are checked, and are moved up one by one; while that folder is there the restore is not finished.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

import msgspec

from plimsoll.errors import Damaged, Refused, UsageError
from plimsoll.store.backup import CATALOG, MANIFEST, Digesting, Kept, Manifest, opened
from plimsoll.store.durable import make_folder, sync_folder, unavailable

_CHUNK = 1 << 20
_ASIDE = ".restoring"


def unfinished(home: Path) -> Refused | None:
    """Why nothing may be begun at ``home``: a restore to it was killed, or is still going on. None where all is well."""
    aside = _aside(home)
    if not aside.exists() or (aside.parent != home and _entries(home)):
        return None
    return Refused(
        f"a restore of {home} is not finished: there is {aside}, and no home yet",
        hint=f"plimsoll restore FILE --home {home} begins it again; rm -r {_given_up(home, aside)} gives it up",
    )


def restore(source: Path, home: Path, *, revision: str) -> Manifest:
    """Make ``home`` from the archive ``source``.

    Raises Refused if there is a home already or a newer Plimsoll wrote the archive (``revision``: the newest schema that
    this one knows), Damaged where a byte is not what was backed up (then nothing was made), Unavailable without room.
    """
    aside = _aside(home)
    if _entries(home) and not (aside.parent == home and aside.exists()):
        raise Refused(
            f"{home} is not empty, and a restore never writes over anything",
            hint=f"restore to another place with --home, or move it away first: mv {home} {home}.old",
        )
    _clear(home, aside)
    try:
        make_folder(aside)
        manifest = _checked(source, _extracted(source, aside), revision)
        (aside / MANIFEST).unlink()
        _sync(aside)
        _put_in_place(aside, home)
    except OSError as error:
        raise unavailable("restoring the home", home, error) from error
    finally:
        _clear(home, aside)
    return manifest


def _aside(home: Path) -> Path:
    return home / _ASIDE if home.is_mount() else home.with_name(home.name + _ASIDE)


def _entries(home: Path) -> list[Path]:
    """What is in ``home``, but for what a file system puts there itself."""
    return [path for path in home.iterdir() if path.name != "lost+found"] if home.exists() else []


def _given_up(home: Path, aside: Path) -> str:
    return f"{home}/* {aside}" if aside.parent == home else str(aside)


def _clear(home: Path, aside: Path) -> None:
    """Remove what a restore left that did not come to its end; the folder that says so goes last."""
    if not aside.exists():
        return
    for path in _entries(home) if aside.parent == home else ():
        if path == aside:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    shutil.rmtree(aside)


def _put_in_place(aside: Path, home: Path) -> None:
    if aside.parent != home:
        aside.rename(home)  # an empty folder that is there is replaced by it
        sync_folder(home.parent)
        return
    for path in sorted(aside.iterdir()):
        path.rename(home / path.name)
    sync_folder(home)
    aside.rmdir()
    sync_folder(home)


def _sync(folder: Path) -> None:
    """The names of all files, before the home's own name: a power cut must not leave a home with some of them."""
    for path in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        sync_folder(path)


def _extracted(source: Path, folder: Path) -> tuple[dict[str, Kept], bytes]:
    """What was found, file by file, and the manifest's bytes."""
    found: dict[str, Kept] = {}
    manifest = b""
    try:
        with opened(source) as archive:
            for entry in archive:
                found[entry.name] = _written(archive, entry, folder)
                if entry.name == MANIFEST:
                    manifest = (folder / MANIFEST).read_bytes()
    except tarfile.TarError as error:
        raise Damaged(f"{source} is no archive, or is cut: {error}", hint="take another backup") from error
    return found, manifest


def _written(archive: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> Kept:
    name = PurePosixPath(entry.name)
    file = archive.extractfile(entry) if entry.isreg() else None
    if file is None or name.is_absolute() or ".." in name.parts:
        raise Damaged(f"the archive holds {entry.name!r}, which no backup of ours has")
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if target.suffix == ".key" else 0o777)
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, entry.mode & 0o777)
    reading = Digesting(file)
    with os.fdopen(fd, "wb") as out:
        while data := reading.read(_CHUNK):
            out.write(data)
        out.flush()
        os.fsync(out.fileno())
    return Kept(target.stat().st_size, reading.hexdigest(), entry.mode & 0o777)


def _checked(source: Path, extracted: tuple[dict[str, Kept], bytes], revision: str) -> Manifest:
    found, data = extracted
    if not data:
        raise Damaged(f"{source} is cut: it has no manifest at its end", hint="take another backup")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise Damaged(f"the manifest of {source} cannot be read: {error}") from error
    if manifest.revision > revision:
        raise Refused(
            f"{source} has the schema {manifest.revision}, and this Plimsoll knows {revision} at most",
            hint="a newer Plimsoll wrote it: upgrade with pip install --upgrade plimsoll",
        )
    del found[MANIFEST]
    wrong = sorted(name for name in found.keys() | manifest.files.keys() if found.get(name) != manifest.files.get(name))
    if wrong:
        raise Damaged(
            f"{source} is damaged: {', '.join(wrong[:3])}{' …' if len(wrong) > 3 else ''} is not what was backed up",
            hint="restore an older backup",
            details={"files": wrong},
        )
    if manifest.catalog == "sqlite" and CATALOG not in found:
        raise UsageError(f"{source} holds no catalog")
    return manifest
