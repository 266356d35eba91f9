"""A home as an archive and back: whole while it is written to, checked to the byte, never over anything; its schema upgraded."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest

from plimsoll.errors import Damaged, Refused, UsageError
from plimsoll.kernel.chain import Entry, faults
from plimsoll.kernel.records import Event
from plimsoll.store import (
    REVISION,
    Checkpoints,
    LocalObjects,
    SegmentLog,
    SqlCatalog,
    back_up,
    ledger_faults,
    restore,
    upgraded,
)

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
FIRST = Path(__file__).parent / "fixtures" / "first_home"


@pytest.fixture
def home(tmp_path: Path, entry: Callable[..., Entry], event: Callable[..., Event]) -> Path:
    """A catalog with a line, an object, events in every state, keys, and what can be made again."""
    home = tmp_path / "home"
    catalog = SqlCatalog(f"sqlite:///{home}/catalog.db", checkpoints=Checkpoints(home / "checkpoints"))
    catalog.append([entry("first")])
    catalog.close()
    LocalObjects(home / "objects").put(b"a model")
    for n in range(2):
        log = SegmentLog(home / "events")
        log.append([event(f"e{n}")])
        log.close()
        if n == 0:
            log.compact()
    for alive in ("scratch", "run"):
        (home / alive).mkdir()
        (home / alive / "large").write_bytes(b"x" * 1000)
    (home / "recording").mkdir()
    (home / "recording" / "recording.key").write_bytes(b"secret")
    return home


def taken(home: Path, target: Path, **options: bool) -> set[str]:
    back_up(home, target, at=NOON, revision=REVISION, **options)
    with tarfile.open(target) as archive:
        return set(archive.getnames())


def test_there_and_back(home: Path, tmp_path: Path) -> None:
    """Ledger, marks, objects and events are what they were."""
    names = taken(home, tmp_path / "b.tar", secrets=True)
    made = restore(tmp_path / "b.tar", tmp_path / "again", revision=REVISION)
    assert names == {*made.files, "manifest.json"} and made.at == NOON
    catalog = SqlCatalog(f"sqlite:///{tmp_path}/again/catalog.db")
    assert [line.entry.summary for line in catalog.ledger()] == ["first"]
    assert list(ledger_faults(catalog, Checkpoints(tmp_path / "again" / "checkpoints"))) == []
    catalog.close()
    log = SegmentLog(tmp_path / "again" / "events")
    assert [r.id for r in log.read()[0] if isinstance(r, Event)] == ["e0", "e1"] and list(log.verify()) == []
    assert (
        LocalObjects(tmp_path / "again" / "objects").get(next(LocalObjects(home / "objects").digests())) == b"a model"
    )


def test_secrets_are_in_it_only_if_asked_for(home: Path, tmp_path: Path) -> None:
    """And what can be made again never is."""
    without, with_secrets = taken(home, tmp_path / "a.tar"), taken(home, tmp_path / "b.tar", secrets=True)
    assert with_secrets - without == {"checkpoints/checkpoints.key", "recording/recording.key"}
    assert not any(name.startswith(("scratch", "run", "writers")) for name in with_secrets)
    assert (tmp_path / "a.tar").stat().st_mode & 0o077 == 0


def test_a_backup_of_a_home_that_serves_is_whole(
    home: Path, tmp_path: Path, entry: Callable[..., Entry], event: Callable[..., Event]
) -> None:
    """Whatever was acknowledged before it began is in it, and the ledger, its marks and the segments verify."""
    stop = threading.Event()
    catalog = SqlCatalog(f"sqlite:///{home}/catalog.db", checkpoints=Checkpoints(home / "checkpoints"))
    log = SegmentLog(home / "events", segment_bytes=2_000, durability="process")

    def serve() -> None:
        n = 0
        while not stop.wait(0.001):
            log.append([event(f"live {n}")])
            catalog.append([entry(f"live {n}")])
            n += 1
            if n % 20 == 0:
                log.compact()

    log.append([event("before")])
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        for n in range(5):
            taken(home, tmp_path / f"{n}.tar", secrets=True)
    finally:
        stop.set()
        thread.join()
        log.close()
        catalog.close()
    for n in range(5):
        again = tmp_path / f"again {n}"
        restore(tmp_path / f"{n}.tar", again, revision=REVISION)
        kept = SqlCatalog(f"sqlite:///{again}/catalog.db")
        assert list(ledger_faults(kept, Checkpoints(again / "checkpoints"))) == []
        kept.close()
        found = SegmentLog(again / "events")
        names = [r.id for r in found.read()[0] if isinstance(r, Event)]
        assert "before" in names and len(names) == len(set(names)) and list(found.verify()) == []


def test_nothing_is_written_over(home: Path, tmp_path: Path) -> None:
    """Neither a backup nor a home."""
    taken(home, tmp_path / "b.tar")
    with pytest.raises(UsageError, match="is there already"):
        taken(home, tmp_path / "b.tar")
    with pytest.raises(Refused, match="is not empty"):
        restore(tmp_path / "b.tar", home, revision=REVISION)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_flipped_byte_is_found(home: Path, tmp_path: Path, place: float) -> None:
    """And no home is made."""
    made = back_up(home, tmp_path / "b.tar", at=NOON, revision=REVISION)
    data = bytearray((tmp_path / "b.tar").read_bytes())
    start = data.find(b"SQLite format 3") + int(place * made.files["catalog.db"].size_bytes)
    data[start] ^= 1
    (tmp_path / "b.tar").write_bytes(data)
    with pytest.raises(Damaged, match=r"catalog\.db is not what was backed up"):
        restore(tmp_path / "b.tar", tmp_path / "again", revision=REVISION)
    assert not (tmp_path / "again").exists() and not list(tmp_path.glob("*.restoring"))


def test_a_cut_archive_is_found(home: Path, tmp_path: Path) -> None:
    """Its manifest is at its end."""
    taken(home, tmp_path / "b.tar")
    data = (tmp_path / "b.tar").read_bytes()
    (tmp_path / "b.tar").write_bytes(data[: len(data) // 2])
    with pytest.raises(Damaged, match="cut"):
        restore(tmp_path / "b.tar", tmp_path / "again", revision=REVISION)


def test_a_newer_archive_is_refused(home: Path, tmp_path: Path) -> None:
    """With what to do."""
    back_up(home, tmp_path / "b.tar", at=NOON, revision="9999")
    with pytest.raises(Refused, match="has the schema 9999"):
        restore(tmp_path / "b.tar", tmp_path / "again", revision=REVISION)


def test_an_archive_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    """No name leaves the home."""
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("../escaped"))
    with pytest.raises(Damaged, match="no backup of ours"):
        restore(tmp_path / "b.tar", tmp_path / "home" / "again", revision=REVISION)
    assert not (tmp_path / "home" / "escaped").exists()


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
import plimsoll.store.backup as backup
before = backup._Writing._file
def dies(self, path, name):
    before(self, path, name)
    if len(self.files) == int(sys.argv[3]):
        os.kill(os.getpid(), 9)
backup._Writing._file = dies
backup.back_up(Path(sys.argv[1]), Path(sys.argv[2]), at=datetime.now(UTC), revision="1")
"""


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_killed_backup_is_no_backup(home: Path, tmp_path: Path, after: int) -> None:
    """And the next one is not disturbed by what it left."""
    words = [sys.executable, "-c", KILLED, str(home), str(tmp_path / "b.tar"), str(after)]
    assert subprocess.run(words, check=False).returncode == -9
    assert not (tmp_path / "b.tar").exists()
    taken(home, tmp_path / "b.tar")
    restore(tmp_path / "b.tar", tmp_path / "again", revision=REVISION)


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A home that the first migration made."""
    return Path(shutil.copytree(FIRST, tmp_path / "first"))


def test_a_home_of_the_first_schema_is_upgraded(first: Path) -> None:
    """Its ledger is what it was; it is only looked at before, and it is backed up."""
    url = f"sqlite:///{first}/catalog.db"
    with pytest.raises(UsageError, match="plimsoll upgrade"):
        SqlCatalog(url)
    planned = upgraded(url, first / "backups", dry_run=True)
    assert planned.before == "0001" and planned.after == REVISION and planned.steps[0].startswith("0002: ")
    assert not (first / "backups").exists()
    done = upgraded(url, first / "backups")
    catalog = SqlCatalog(url)
    assert [line.entry.summary for line in catalog.ledger()] == ["line 0", "line 1", "line 2"]
    assert list(faults(catalog.ledger())) == [] and catalog.release("late", "first").label == "first"
    catalog.close()
    with sqlite3.connect(done.backup) as kept:
        assert kept.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
    kept.close()
    assert upgraded(url, first / "backups").steps == ()


def upgrade_and_read(home: Path) -> int:
    url = f"sqlite:///{home}/catalog.db"
    upgraded(url, home / "backups")
    catalog = SqlCatalog(url)
    try:
        return catalog.ledger_head()[0]
    finally:
        catalog.close()


def test_many_processes_may_upgrade_at_once(first: Path) -> None:
    """One of them does it."""
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(upgrade_and_read, [first] * 6)) == [3] * 6


def test_a_newer_home_is_refused(first: Path) -> None:
    """By opening and by upgrading."""
    with sqlite3.connect(first / "catalog.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    url = f"sqlite:///{first}/catalog.db"
    for refuse in (lambda: SqlCatalog(url), lambda: upgraded(url, first / "backups")):
        with pytest.raises(UsageError, match="a newer Plimsoll wrote it"):
            refuse()


def test_a_catalog_elsewhere_is_dumped_first(home: Path, tmp_path: Path) -> None:
    """The archive has the rest, and says so; there is nothing to upgrade where there is no catalog."""
    made = back_up(home, tmp_path / "b.tar", at=NOON, revision=REVISION, elsewhere="postgresql")
    assert "catalog.db" not in made.files and made.catalog == "postgresql"
    with pytest.raises(UsageError, match="there is no catalog at"):
        upgraded(f"sqlite:///{tmp_path}/none.db", tmp_path)
