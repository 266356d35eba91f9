"""kill -9 in the middle of appends, commits, compactions and puts: what was acknowledged is there, once.

A child works in a loop and prints what was acknowledged to it; the parent kills it at a random moment, opens what is
left, and compares. The random moments come from a fixed seed.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from plimsoll.kernel.chain import faults
from plimsoll.kernel.records import Event
from plimsoll.store import Checkpoints, LocalObjects, SegmentLog, SqlCatalog, ledger_faults

ROUNDS = 6

PRELUDE = """
import sys, itertools, threading
from datetime import UTC, datetime
from plimsoll.kernel.records import Answer, Event
NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
folder, round_ = sys.argv[1], sys.argv[2]
def event(name):
    served = Answer(release="r", role="live", score=0.5)
    return Event(id=name, capability="late", at=NOON, block="b", unit="u", inputs={}, served=served)
lock = threading.Lock()
def say(word):
    with lock:
        print(word, flush=True)
"""

APPENDS = """
from plimsoll.store import SegmentLog
log = SegmentLog(folder, durability=sys.argv[3], segment_bytes=4000)
def work(thread):
    for n in itertools.count():
        name = f"{round_}-{thread}-{n}"
        log.append([event(name), event(name + "b")])
        say(name)
for thread in range(3):
    threading.Thread(target=work, args=(thread,)).start()
"""

COMPACTIONS = """
from plimsoll.store import SegmentLog
log = SegmentLog(folder, segment_bytes=1500)
for n in itertools.count():
    log.append([event(f"{round_}-0-{n}"), event(f"{round_}-0-{n}b")])
    say(f"{round_}-0-{n}")
    if n % 10 == 9:
        log.compact()
"""

COMMITS = """
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.ports import Commit, IncidentRow
from plimsoll.store import Checkpoints, SqlCatalog
catalog = SqlCatalog(f"sqlite:///{folder}/catalog.db", checkpoints=Checkpoints(folder + "/marks"))
while True:
    now = catalog.deployment("late")
    text = f"version {now.version + 1}"
    entries = tuple(Entry(at=NOON, capability="late", kind="k", subject="", summary=text) for _ in range(2))
    incident = IncidentRow(id=text, capability="late", kind="k", summary=text, opened_at=NOON)
    say(catalog.commit(Commit(deployment=now, entries=entries, incidents=(incident,)), None).version)
"""

PUTS = """
from plimsoll.store import LocalObjects
objects = LocalObjects(folder)
for n in itertools.count():
    say(objects.put(f"{round_} {n} ".encode() * 5_000))
"""


def killed(script: str, folder: Path, round_: int, pause_s: float, *arguments: str, after: int = 1) -> list[str]:
    """Run ``script``, kill it ``pause_s`` after ``after`` acknowledgements, and return every whole one."""
    command = [sys.executable, "-c", textwrap.dedent(PRELUDE) + script, str(folder), str(round_), *arguments]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(after)]
    try:
        child.wait(pause_s)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
    said += child.stdout.readlines()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    return [line.strip() for line in said if line.endswith("\n")]


def pauses(seed: int, most_s: float) -> list[float]:
    return [random.Random(seed + n).uniform(0.0, most_s) for n in range(ROUNDS)]


def check_events(folder: Path, acknowledged: list[str]) -> None:
    log = SegmentLog(folder)
    records, _ = log.read(limit=10**9)
    names = [record.id for record in records if isinstance(record, Event)]
    assert len(names) == len(set(names)), "an event is there twice"
    assert set(acknowledged) <= set(names), "an acknowledged event is gone"
    assert {f"{name}b" for name in names if not name.endswith("b")} == {n for n in names if n.endswith("b")}
    assert list(log.verify()) == []
    assert SegmentLog(folder).repairs() == []


def test_killed_while_appending(tmp_path: Path) -> None:
    """With several threads, in both durabilities: all acknowledged pairs are there, none is halved or doubled."""
    acknowledged: list[str] = []
    for round_, pause_s in enumerate(pauses(1, 0.25)):
        durability = ("disk", "process")[round_ % 2]
        acknowledged += killed(APPENDS, tmp_path, round_, pause_s, durability)
        check_events(tmp_path, acknowledged)


def test_killed_while_compacting(tmp_path: Path) -> None:
    """Between any two steps of a compaction: nothing is lost and nothing is double."""
    acknowledged: list[str] = []
    for round_, pause_s in enumerate(pauses(2, 0.1)):
        acknowledged += killed(COMPACTIONS, tmp_path, round_, pause_s, after=8 + 2 * round_)
        check_events(tmp_path, acknowledged)
    assert SegmentLog(tmp_path).parquet()


def test_killed_while_committing(tmp_path: Path) -> None:
    """The deployment, its ledger lines and its incident are all there or all missing; the marks may lag by one."""
    for round_, pause_s in enumerate(pauses(3, 0.3)):
        acknowledged = killed(COMMITS, tmp_path, round_, pause_s)
        marks = Checkpoints(tmp_path / "marks")
        catalog = SqlCatalog(f"sqlite:///{tmp_path}/catalog.db")
        version = catalog.deployment("late").version
        assert version >= int(acknowledged[-1])
        assert len(list(catalog.ledger())) == 2 * version == 2 * len(catalog.incidents("late"))
        assert list(faults(catalog.ledger())) == list(ledger_faults(catalog, marks)) == []
        assert marks.read()[0][-1].seq >= 2 * (version - 1)
        catalog.close()


def test_killed_while_putting_objects(tmp_path: Path) -> None:
    """Every acknowledged object is whole; what was half written is gone, and said."""
    acknowledged: list[str] = []
    for round_, pause_s in enumerate(pauses(4, 0.1)):
        acknowledged += killed(PUTS, tmp_path, round_, pause_s)
        left = len(list((tmp_path / "aside").iterdir()))
        objects = LocalObjects(tmp_path)
        assert len(objects.repairs()) == left and not list((tmp_path / "aside").iterdir())
        assert set(acknowledged) <= set(objects.digests())
        assert list(objects.verify()) == []
