"""kill -9 at every step of a restore and of a deletion of events: a home is whole, or it is refused with what mends it.

A child's audit hook (PEP 578) counts what it does to the file system and kills it at one step; every step has its turn.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from homes import NOON, event, events_in, make_home
from msgspec.structs import replace
from processes import run, scaffold

from plimsoll.store import REVISION, Retention, SegmentLog, back_up, restore, unfinished
from plimsoll.store.events.retention import PATIENCE_S

STEPS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.link"})


def dies_at(step: int, work: Callable[[], object]) -> bool:
    """Whether ``work`` was killed at its ``step``-th step; False where it was done before."""
    pid = os.fork()
    if pid == 0:
        left = [step]

        def hook(event: str, _: object) -> None:
            if event in STEPS:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), 9)

        sys.addaudithook(hook)
        work()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -9)
    return os.WIFSIGNALED(status)


def steps(work: Callable[[int], Callable[[], object]]) -> Iterator[int]:
    """Every step, until one is never reached; ``work`` makes what is done, for each of them."""
    step = 1
    while dies_at(step, work(step)):
        yield step
        step += 1


def test_a_restore_that_is_killed_anywhere_leaves_no_home_or_a_whole_one(tmp_path: Path) -> None:
    """Where there is none, nobody begins an empty one in its place, and restoring again makes it."""
    back_up(make_home(tmp_path / "home"), tmp_path / "b.tar", at=NOON, revision=REVISION, secrets=True)
    with tarfile.open(tmp_path / "b.tar") as archive:
        names = set(archive.getnames()) - {"manifest.json"}

    def work(step: int) -> Callable[[], object]:
        return lambda: restore(tmp_path / "b.tar", tmp_path / f"again-{step}", revision=REVISION)

    refused = whole = 0
    for step in steps(work):
        home = tmp_path / f"again-{step}"
        if home.exists():
            whole += 1
        elif (why := unfinished(home)) is not None:
            assert "plimsoll restore FILE --home" in why.hint
            refused += 1
            work(step)()
        else:  # it had not begun
            work(step)()
        assert {p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()} == names
        assert events_in(home) == ["e0", "e1"] and unfinished(home) is None
    assert refused > 2 * len(names) and whole >= 1


def test_a_restore_into_a_volume_that_is_killed_anywhere_is_done_again(tmp_path: Path) -> None:
    """A container's home cannot be renamed to: half moved in, it is refused, and the next restore makes it whole."""
    home = tmp_path / "volume"
    home.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "none", str(home)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        back_up(make_home(tmp_path / "home"), tmp_path / "b.tar", at=NOON, revision=REVISION, secrets=True)
        with tarfile.open(tmp_path / "b.tar") as archive:
            names = set(archive.getnames()) - {"manifest.json"}

        def work(step: int) -> Callable[[], object]:
            for path in home.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            return lambda: restore(tmp_path / "b.tar", home, revision=REVISION)

        refused = 0
        for _ in steps(work):
            if (why := unfinished(home)) is not None:
                assert "plimsoll restore FILE --home" in why.hint
                refused += 1
            if why is not None or not any(home.iterdir()):
                restore(tmp_path / "b.tar", home, revision=REVISION)
            assert {p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()} == names
            assert events_in(home) == ["e0", "e1"] and unfinished(home) is None
        assert refused > 2 * len(names)
    finally:
        subprocess.run(["umount", str(home)], check=True)


@pytest.mark.parametrize("words", [["status"], ["up"], ["up", "--workers", "2"], ["release"]])
def test_who_would_begin_an_empty_home_instead_is_told_what_to_do(tmp_path: Path, words: list[str]) -> None:
    """Nothing is made, so that the restore can be done again; the doctor knows, too."""
    folder = scaffold(tmp_path / "orders")
    (folder / ".plimsoll.restoring").mkdir()
    code, said = run(folder, *words)
    assert code == 1 and "is not finished" in said["error"] and "plimsoll restore FILE --home" in said["hint"]
    assert not (folder / ".plimsoll").exists()
    findings = run(folder, "doctor")[1]["findings"]
    assert [f["state"] for f in findings if f["what"] == "home"] == ["fault"]


def test_a_deletion_that_is_killed_anywhere_leaves_whole_segments(tmp_path: Path) -> None:
    """Each segment is there with all that it held or gone, the oldest first, and the next one goes on."""

    def work(step: int) -> Callable[[], object]:
        folder = tmp_path / f"events-{step}"
        log = SegmentLog(folder, segment_bytes=1)
        for n in range(4):
            log.append([replace(event(f"d{n}"), at=NOON + timedelta(days=n))])
            if n == 1:
                log.compact()
        log.close()
        clock = [0.0]
        retention = Retention(folder, keep_days=1, keep_gb=0, monotonic=lambda: clock[0])

        def sweep() -> None:
            for _ in range(2):
                retention.sweep(NOON + timedelta(days=100), datetime.max.replace(tzinfo=UTC))
                clock[0] += PATIENCE_S

        return sweep

    names = [f"d{n}" for n in range(4)]
    for step in steps(work):
        folder = tmp_path / f"events-{step}"
        log = SegmentLog(folder, writer="reader")
        left = [record.id for record in log.read()[0]]
        assert left == names[len(names) - len(left) :] and list(log.verify()) == []
        log.close()
