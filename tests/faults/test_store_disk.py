"""A full disk: nothing is half accepted, and work goes on when there is space again.

The limit on a file's size stands in for the disk: a child may not write beyond it (``EFBIG`` in place of ``ENOSPC``).
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from plimsoll.errors import Unavailable
from plimsoll.store import LocalObjects
from plimsoll.store.durable import write_all

PRELUDE = """
import json, resource, signal, sys
from datetime import UTC, datetime
from plimsoll.errors import Unavailable
from plimsoll.kernel.records import Answer, Event
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder, durability = sys.argv[1], sys.argv[2]
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
def event(name):
    served = Answer(release="r", role="live", score=0.5)
    at = datetime(2013, 2, 1, tzinfo=UTC)
    return Event(id=name, capability="late", at=at, block="b", unit="u", inputs={"x": "y" * 100}, served=served)
"""

EVENTS = """
from plimsoll.store import SegmentLog
log = SegmentLog(folder, durability=durability)
accepted, refused = [], []
def append(names):
    try:
        log.append([event(name) for name in names])
        accepted.extend(names)
    except Unavailable as error:
        refused.append(str(error))
limit(2000)
for n in range(15):
    append([f"small {n}"])
append([f"large {n}" for n in range(50)])
live = [record.id for record in log.read()[0]]
limit(resource.RLIM_INFINITY)
append(["after"])
log.close()
kept = [record.id for record in SegmentLog(folder).read()[0]]
faults = list(SegmentLog(folder).verify()) + SegmentLog(folder).repairs()
print(json.dumps({"accepted": accepted, "refused": refused, "live": live, "kept": kept, "faults": faults}))
"""

CATALOG = """
from plimsoll.kernel.chain import Entry, faults
from plimsoll.store import SqlCatalog
catalog = SqlCatalog(f"sqlite:///{folder}/catalog.db")
entry = Entry(at=datetime(2013, 2, 1, tzinfo=UTC), capability="c", kind="k", subject="", summary="s" * 5000)
limit(200_000)
refused, accepted = [], 0
for _ in range(100):
    try:
        accepted += len(catalog.append([entry]))
    except Unavailable as error:
        refused.append(str(error))
        break
limit(resource.RLIM_INFINITY)
accepted += len(catalog.append([entry]))
lines = list(catalog.ledger())
print(json.dumps({"accepted": accepted, "kept": len(lines), "refused": refused, "faults": list(faults(lines))}))
"""


def answer(script: str, folder: Path, durability: str = "disk") -> dict[str, list[str]]:
    command = [sys.executable, "-c", textwrap.dedent(PRELUDE) + script, str(folder), durability]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("durability", ["disk", "process"])
def test_a_full_disk_refuses_events_whole(tmp_path: Path, durability: str) -> None:
    """What was accepted is there, what was refused is not, and the error says what to do."""
    found = answer(EVENTS, tmp_path / "events", durability)
    assert any("recording events failed" in said and "free some space" in said for said in found["refused"])
    assert found["kept"] == found["accepted"] and found["kept"][-1] == "after"
    assert found["live"] == found["accepted"][:-1]
    assert found["faults"] == []


def test_a_full_disk_refuses_a_ledger_line_whole(tmp_path: Path) -> None:
    """The chain goes on where it was."""
    found = answer(CATALOG, tmp_path)
    assert found["kept"] == found["accepted"] and found["faults"] == []
    assert len(found["refused"]) == 1 and "cannot be used now" in found["refused"][0]


def test_a_write_to_a_full_device_is_an_error() -> None:
    """The kernel's own full disk."""
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        write_all(full.fileno(), b"x")


def test_an_object_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    """And leaves nothing behind."""
    (tmp_path / "objects").write_bytes(b"a file where the folder should be")
    with pytest.raises(Unavailable, match="keeping the object"):
        LocalObjects(tmp_path / "objects").put(b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["objects"]
