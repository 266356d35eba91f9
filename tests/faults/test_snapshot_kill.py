"""kill -9 in the middle of a snapshot: what was acknowledged is there, and nothing is there by halves."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from plimsoll.data import Snapshots
from plimsoll.data.rows import connection
from plimsoll.store import LocalObjects, SqlCatalog

ROUNDS = 8
CHILD = """
import sys
from datetime import datetime, timedelta, UTC
from pathlib import Path
from plimsoll.data import Snapshots
from plimsoll.data.rows import connection
from plimsoll.store import LocalObjects, SqlCatalog

home, start = Path(sys.argv[1]), int(sys.argv[2])
snapshots = Snapshots(LocalObjects(home / "objects"), SqlCatalog(f"sqlite:///{home / 'catalog.db'}"))
for n in range(start, start + 10_000):
    source = home / "rows.parquet"
    with connection(threads=1) as db:
        db.execute(f"COPY (SELECT {n} AS batch, range AS i FROM range(1000)) TO '{source}' (FORMAT parquet)")
    row = snapshots.append("t", source, at=datetime(2013, 1, 1, tzinfo=UTC) + timedelta(seconds=n))
    print(n, row.version, flush=True)
"""


def _killed_after(home: Path, start: int, acknowledged: int, delay_s: float) -> list[int]:
    """Run the child until it acknowledged that many appends and ``delay_s`` more, kill it; what it acknowledged."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(home), str(start)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = [int(child.stdout.readline().split()[0]) for _ in range(acknowledged)]
    timer = threading.Timer(delay_s, child.kill)
    timer.start()
    rest, _ = child.communicate()
    timer.join()
    assert child.returncode == -9
    return said + [int(line.split()[0]) for line in rest.splitlines() if line.count(" ") == 1]


def test_a_killed_append_leaves_a_whole_version_or_none(tmp_path: Path) -> None:
    """Eight kills at other moments of an append: every acknowledged batch is there once, whole, with its version."""
    acknowledged: list[int] = []
    for round_ in range(ROUNDS):
        start = round_ * 10_000
        acknowledged += _killed_after(tmp_path, start, 2, 0.011 * round_)

        objects = LocalObjects(tmp_path / "objects")
        catalog = SqlCatalog(f"sqlite:///{tmp_path / 'catalog.db'}")
        snapshots = Snapshots(objects, catalog)
        last = snapshots.read("t")
        assert list(objects.verify()) == []
        paths = snapshots.materialise(last, tmp_path / "here")
        with connection(threads=1) as db:
            listed = ", ".join(f"'{p}'" for p in paths)
            found = db.execute(
                f"SELECT batch, count(*), count(DISTINCT i) FROM read_parquet([{listed}]) GROUP BY batch ORDER BY batch"
            ).fetchall()
        batches = [batch for batch, _, _ in found]
        assert all(n == distinct == 1000 for _, n, distinct in found)
        assert len(paths) == len(batches) == last.version
        assert last.rows == 1000 * len(batches)
        assert set(acknowledged) <= set(batches)
        assert len(set(batches) - set(acknowledged)) <= round_ + 1
        catalog.close()
