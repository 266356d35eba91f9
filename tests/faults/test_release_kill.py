"""kill -9 in the middle of a release and of a rollout's step, and two releases started at once.

The child counts what it does to the world (statements, commits, objects) and kills itself at the one that was drawn;
so every round dies somewhere else, and the same rounds die at the same places every time.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from processes import catalog_of, command, run, scaffold

from plimsoll.kernel.chain import faults
from plimsoll.store import LocalObjects, SegmentLog

TESTS = Path(__file__).parents[1]
FUSE = """
import os, signal, sys
from sqlalchemy import Engine, event
from plimsoll.store.objects import LocalObjects
left = [int(sys.argv[1])]
def step(*_):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
event.listen(Engine, "before_cursor_execute", step)
event.listen(Engine, "commit", step)
put = LocalObjects.put
def counted(self, data):
    step()
    return put(self, data)
LocalObjects.put = counted
"""
RELEASE = """
from plimsoll.cli import main
main(["release", sys.argv[2], "--home", sys.argv[2] + "/.plimsoll"])
print("steps", -left[0])
"""
ROLLOUT = """
from pathlib import Path
from operations.given import DAY, T0, a_day, knows, loop_of, parcels
from operations.conftest import make_place
from plimsoll.kernel.records import Event
place = make_place(Path(sys.argv[2]))
loop = loop_of(parcels(), place.catalog, place.log, place.clock, place.notes, holder=str(os.getpid()), lease_ttl=DAY / 2)
begun = max((r.at for r in place.log.read(limit=10**6)[0] if isinstance(r, Event)), default=None)
first = 0 if not begun else round((begun - T0) / DAY + 0.49)
for day in range(first, 18):
    place.clock.move_to(T0 + (day + 1) * DAY)
    if day > first or not begun:
        place.log.append(a_day(day, knows("r1")))
    loop.settle()
print("steps", -left[0])
"""


def killed_at(script: str, step: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``script`` on ``folder``; step 0 lets it live."""
    done = subprocess.run(
        [sys.executable, "-c", FUSE + script, str(step), str(folder)],
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        timeout=60,
    )
    assert done.returncode in (0, -9), done.stderr
    return done


def whole(catalog: Any) -> bool:
    """The chain is, and the deployment's version has its line."""
    return not list(faults(catalog.ledger()))


def test_a_release_that_is_killed_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    """Whatever is left by halves is used or ignored: one release, judged once, the same as without a kill."""
    folder, chance, died = scaffold(tmp_path / "orders"), random.Random(4), 0
    for low in (1, 14, 28, 40):
        died += killed_at(RELEASE, chance.randrange(low, low + 12), folder).returncode == -9
        catalog = catalog_of(folder)
        assert whole(catalog) and len(catalog.deployment("orders").states) <= 1
        assert list(LocalObjects(folder / ".plimsoll/objects").verify()) == []
        catalog.close()
    code, said = run(folder, "release")
    assert code == 0 and said["state"] == "gated" and said["label"].startswith("v") and died >= 3
    clean = scaffold(tmp_path / "clean" / "orders")
    assert run(clean, "release")[1]["release"] == said["release"]
    catalog = catalog_of(folder)
    assert [line.entry.kind for line in catalog.ledger()].count("gate") == 1
    assert [(r.label, r.gate["ruling"]) for r in catalog.releases("orders")] == [("v1", "pass")]
    catalog.close()
    assert run(folder, "log", "--verify")[0] == 0


def test_a_rollout_that_is_killed_anywhere_goes_its_way(tmp_path: Path, monkeypatch: Any) -> None:
    """Kills between any two statements on the way to live: each step is taken once, and the ledger explains it."""
    monkeypatch.syspath_prepend(str(TESTS))
    from operations.conftest import make_place
    from operations.given import deploy, queued

    place, chance = make_place(tmp_path), random.Random(11)
    deploy(place.catalog, queued("r1"))
    place.log.close()
    died = 0
    for _ in range(8):
        died += killed_at(ROLLOUT, chance.randrange(10, 40), tmp_path).returncode == -9
        assert whole(place.catalog)
        assert place.catalog.ledger_head()[0] == place.catalog.deployment("late").version
    assert killed_at(ROLLOUT, 0, tmp_path).returncode == 0
    kinds = [line.entry.kind for line in place.catalog.ledger()]
    assert [k for k in kinds if k in ("started", "advanced", "live")] == ["started", "advanced", "live"] and died >= 5
    assert place.catalog.deployment("late").live == "r1"
    log = SegmentLog(tmp_path / "events", writer="reader")
    assert list(log.verify()) == []
    log.close()
    place.catalog.close()


def test_two_releases_started_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    """The same one twice is one release; two that differ both queue. The rows are taken in once."""
    folder = scaffold(tmp_path / "orders")
    text = (folder / "capability.py").read_text()
    other = scaffold(tmp_path / "other" / "orders")
    (other / "capability.py").write_text(text.replace("owner=", "seed=5,\n    owner="))
    home = str(folder / ".plimsoll")
    three = [command(where, "release", "--json", "--home", home) for where in (folder, folder, other)]
    outs = [process.communicate(timeout=90) for process in three]
    assert [process.returncode for process in three] == [0, 0, 0], outs
    catalog = catalog_of(folder)
    d = catalog.deployment("orders")
    kinds = [line.entry.kind for line in catalog.ledger()]
    assert len(d.queue) == 2 and kinds.count("gate") == 2 and kinds.count("snapshot") == 1 and whole(catalog)
    assert len(catalog.snapshots("orders")) == 1
    catalog.close()
