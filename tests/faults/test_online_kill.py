"""kill -9 while online features are loaded and written: the rows before serve, whole, and what was left is removed."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

from plimsoll.store import SqliteOnline

ROUNDS = 6

LOADS = textwrap.dedent("""
    import sys, itertools
    from plimsoll.kernel.ports import Step
    from plimsoll.store import SqliteOnline
    online = SqliteOnline(sys.argv[1])
    first = int(online.mark("v") or 0) + 1
    print("begun", flush=True)
    for n in itertools.count(first):
        online.replace("v", ((f"e{i}", n, b"%d" % n) for i in range(12_000)), mark=str(n))
        before = online.mark("pushed")
        online.correct("pushed", [(f"p{i}", n, b"%d" % n) for i in range(50)], step=Step(before, str(n)))
        print(n, flush=True)
""")


def test_a_killed_load_leaves_the_rows_before_it(tmp_path: Path) -> None:
    """Each time one load's rows and their mark, none of another, and everything that was said to be there."""
    chance, removed = random.Random(7), 0
    for _ in range(ROUNDS):
        child = subprocess.Popen(
            [sys.executable, "-c", LOADS, str(tmp_path / "online.db")], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        said = int(child.stdout.readline())
        try:
            child.wait(timeout=chance.uniform(0.0, 0.15))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split()
        child.wait()
        child.stdout.close()
        said = int(rest[-1]) if rest else said
        online = SqliteOnline(tmp_path / "online.db")
        removed += len(online.repairs())
        served = int(online.mark("v") or 0)
        assert said <= served <= said + 1
        assert {(at, packed) for _, at, packed in online.rows("v")} == {(served, b"%d" % served)}
        assert len(list(online.rows("v"))) == 12_000
        pushed = int(online.mark("pushed") or 0)
        assert said <= pushed and {at for _, at, _ in online.rows("pushed")} == {pushed}
        with sqlite3.connect(tmp_path / "online.db") as db:
            assert db.execute("SELECT count(DISTINCT gen) FROM rows").fetchone() == (2,)
        db.close()
        online.close()
    assert removed, "it was never killed in the middle of a load"
