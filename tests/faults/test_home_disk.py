"""A full disk while events are compacted, a home is backed up and one is restored: nothing half done, and said what to do.

The disk is a file system of a megabyte where this user may mount one; a limit on a file's size stands in for it anywhere.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import NOON, event, events_in, make_home

from plimsoll.errors import Unavailable
from plimsoll.store import REVISION, SegmentLog, back_up, restore

SMALL = 1_000_000
"""What is left to write to, in bytes."""
CHILD = """
import json, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_home_disk import WORK
limit = int(sys.argv[5])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
print(json.dumps(WORK[sys.argv[2]](Path(sys.argv[3]), Path(sys.argv[4]))))
"""


def said(work: object) -> list[str]:
    """What it was refused with."""
    try:
        work()  # type: ignore[operator]
    except Unavailable as error:
        return [error.message, error.hint]
    return []


def backing_up(source: Path, disk: Path) -> list[str]:
    return said(lambda: back_up(source, disk / "b.tar", at=NOON, revision=REVISION))


def restoring(source: Path, disk: Path) -> list[str]:
    return said(lambda: restore(source, disk / "home", revision=REVISION))


def compacting(source: Path, disk: Path) -> list[str]:
    log = SegmentLog(source, writer="compacting")
    try:
        return said(log.compact)
    finally:
        log.close()


WORK = {"backup": backing_up, "restore": restoring, "compact": compacting}


def done(what: str, source: Path, disk: Path, limit: int) -> list[str]:
    """Done in a child, where writing is limited."""
    words = [sys.executable, "-c", CHILD, str(Path(__file__).parent), what, str(source), str(disk), str(limit)]
    child = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100)
    assert child.returncode == 0, child.stderr
    found: list[str] = json.loads(child.stdout)
    return found


@pytest.fixture(params=["file system", "file size"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """(a folder, the limit on a file's size in it)."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "file size":
        yield folder, SMALL // 2
        return
    words = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "none", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    yield folder, 0
    subprocess.run(["umount", str(folder)], check=True)


def test_a_backup_without_room_is_none(tmp_path: Path, disk: tuple[Path, int]) -> None:
    """And the next one, where there is room, is whole."""
    folder, limit = disk
    home = make_home(tmp_path / "home", object_bytes=2 * SMALL)
    refused = done("backup", home, folder, limit)
    assert "backing up the home failed" in refused[0] and "free some space" in refused[1]
    assert list(folder.iterdir()) == []
    back_up(home, tmp_path / "b.tar", at=NOON, revision=REVISION)
    restore(tmp_path / "b.tar", tmp_path / "again", revision=REVISION)
    assert events_in(tmp_path / "again") == ["e0", "e1"]


def test_a_restore_without_room_makes_no_home(tmp_path: Path, disk: tuple[Path, int]) -> None:
    """And leaves nothing of what it had unpacked: the room is there again."""
    folder, limit = disk
    back_up(make_home(tmp_path / "home", object_bytes=2 * SMALL), tmp_path / "b.tar", at=NOON, revision=REVISION)
    refused = done("restore", tmp_path / "b.tar", folder, limit)
    assert "restoring the home failed" in refused[0] and "free some space" in refused[1]
    assert list(folder.iterdir()) == []


def test_a_compaction_without_room_leaves_the_frames(tmp_path: Path, disk: tuple[Path, int]) -> None:
    """Every event is where it was, nothing is left aside, and it is done when there is room."""
    folder, limit = disk
    log = SegmentLog(folder / "events", durability="process")
    events = [event(f"e{n}", note="y" * 200) for n in range(1_500)]  # 400 kB of frames, 600 kB of rows
    log.append(events)
    log.close()
    refused = done("compact", folder / "events", folder, limit)
    assert refused and "compacting segment" in refused[0] and "free some space" in refused[1]
    left = [path.suffix for path in (folder / "events").iterdir() if path.suffix not in (".lock", "")]
    assert left == [".seg"], "the frames, and nothing of what was begun"
    assert events_in(folder) == [each.id for each in events]
    again = tmp_path / "roomy"
    (folder / "events").rename(again) if limit else subprocess.run(["cp", "-r", folder / "events", again], check=True)
    log = SegmentLog(again, writer="again")
    assert len(log.compact()) == 1 and sum(1 for _ in log.read(limit=10**6)[0]) == len(events)
    log.close()
