"""kill -9 while rows are pushed: what was said to be kept is there once, and online is offline after the next start."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyarrow import parquet

from plimsoll.capability import Table, load
from plimsoll.data import Snapshots
from plimsoll.features import FeatureSchema, compile, view
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.operations.feeding import Feed, files_of
from plimsoll.operations.materialise import Materialiser, microseconds_of
from plimsoll.scaffold import sample_plan, write
from plimsoll.store import LocalObjects, SqlCatalog, SqliteOnline

ROUNDS = 3
NOW = datetime(2025, 6, 1, tzinfo=UTC)
CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: demand
version: 1.0.0
status: active
name: demand
schema:
  - name: demand
    physicalType: table
    properties:
      - {name: channel, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: seen_at, logicalType: timestamp, required: true, primaryKey: true, primaryKeyPosition: 2}
      - {name: visitors, logicalType: number, required: true}
"""


@view(source="demand", entity="channel", values=["visitors"])
def demand_on_channel(t: Any) -> Any:
    return t.select("visitors", entity=t.channel, known_at=t.seen_at)


class Noon:
    def now(self) -> datetime:
        return NOW


class Home:
    """The parts that push and serve, on what is kept in ``folder``."""

    def __init__(self, folder: Path) -> None:
        declared = load(folder / "orders")
        table = Table(name="demand", contract="contracts/demand.odcs.yaml", rows="data/demand.parquet")
        self.capability = declared.variant(tables=[table], features=[*declared.features, demand_on_channel])
        self.schema = FeatureSchema.of([demand_on_channel])
        manifest = Manifest(capability="orders", artifacts={}, settings={"schema": self.schema.to_plain()})
        self.row = ReleaseRow(digest=manifest.digest, capability="orders", manifest=manifest, label="", created_at=NOW)
        self.folder = folder
        self.catalog, self.objects = SqlCatalog(f"sqlite:///{folder}/catalog.db"), LocalObjects(folder / "objects")
        self.online = SqliteOnline(folder / "online.db")
        scratch = folder / "scratch"
        self.materialiser = Materialiser(self.capability, self.catalog, self.objects, self.online, scratch)
        self.feed = Feed(self.capability, self.catalog, self.objects, Noon(), scratch, apply=self.bring)

    def bring(self) -> None:
        self.materialiser.bring([self.row], NOW)

    def files(self) -> list[Path]:
        snapshots = Snapshots(self.objects, self.catalog)
        return files_of(self.catalog.feeds.state("demand"), snapshots, self.folder / "looked")

    def close(self) -> None:
        self.online.close()
        self.catalog.close()


def row(n: int) -> dict[str, Any]:
    return {"channel": f"c{n % 7}", "seen_at": f"2025-05-{1 + n % 28:02}T{n % 24:02}:{n // 672:02}:00", "visitors": n}


PUSHES = textwrap.dedent("""
    import sys, itertools
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from test_push_kill import Home, row
    home = Home(Path(sys.argv[1]))
    for n in itertools.count(int(sys.argv[3]), 3):
        pushed = home.feed.push("demand", [row(i) for i in range(n, n + 3)])
        assert pushed.accepted + pushed.duplicate == 3
        print(n + 3, flush=True)
""")


def test_killed_pushes_lose_and_double_nothing(tmp_path: Path) -> None:
    """The last one may be there or not; sending it again makes it so."""
    write(sample_plan("orders", "binary"), tmp_path / "orders")
    (tmp_path / "orders/contracts/demand.odcs.yaml").write_text(CONTRACT)
    chance, said = random.Random(3), 0
    for _ in range(ROUNDS):
        words = [sys.executable, "-c", PUSHES, str(tmp_path), str(Path(__file__).parent), str(said)]
        child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        said = int(child.stdout.readline())
        try:
            child.wait(timeout=chance.uniform(0.0, 0.6))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split()
        child.wait()
        child.stdout.close()
        said = int(rest[-1]) if rest else said
        home = Home(tmp_path)
        home.bring()
        kept = sorted(r["visitors"] for path in home.files() for r in parquet.read_table(path).to_pylist())
        assert kept in (list(range(said)), list(range(said + 3)))
        whole = compile(demand_on_channel, home.files())
        held = sorted(home.online.rows(home.schema.views[0].online))
        assert held == sorted(whole.rows_as_of(microseconds_of(NOW)))
        home.close()
