"""Batch scoring: Parquet to Parquet, 20 numbers a row and a model of 100 trees, on two processes.

The peer is what people write: pandas reads the file a row group at a time, scikit-learn's ``predict_proba`` scores it,
pandas writes it, in two processes of half the file each. Set ``SCORE_ROWS`` for another size; the target is
promised for ten million.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.table import Row, at_least, at_most
from benchmarks.timing import once_s

ROWS = 2_000_000
PEER_ROWS = 200_000
GROUP_ROWS = 250_000
FEATURES = 20
TREES = 100
PROCESSES = 2
UNIT = "rows/s"

CAPABILITY = """
from plimsoll import BinaryClassification, Capability, Inputs, Source, at_least, at_most, number

capability = Capability(
    name="scored", owner="bench", task=BinaryClassification(label="y"), train=lambda rows, params: None,
    source=Source(name="rows", contract="rows.odcs.yaml", rows="rows.parquet", asked_at="at", unit="id"),
    features=[Inputs(*(number(f"f{n}") for n in range(20)))],
    gate=[at_least("auc", 0.6)], keep=[at_most("error_rate", 0.01)],
)
"""
CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: rows
version: 1.0.0
schema:
  - name: rows
    properties:
      - {name: id, logicalType: integer}
      - {name: at, logicalType: timestamp}
      - {name: y, logicalType: boolean}
"""


def run() -> list[Row]:
    """A few minutes at ten million rows."""
    rows = int(os.environ.get("SCORE_ROWS", ROWS))
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as name:
        folder = Path(name)
        model = _prepare(folder)
        given = _file(folder, rows)
        _file(folder, PEER_ROWS)
        ours = rows / once_s(lambda: _ours(folder, given, folder / "out.parquet"))
        half_mb = _memory_mb(folder, rows // 2)
        whole_mb = _memory_mb(folder, rows)
        peer = PEER_ROWS / once_s(lambda: _peer(folder, model))
    return [
        at_least(
            f"{rows / 1e6:g} million rows × {FEATURES}, {TREES} trees, {PROCESSES} processes",
            ours,
            500_000,
            UNIT,
            peer="pandas and predict_proba, 2 processes",
            peer_value=peer,
        ),
        at_most("memory of a process, twice the rows", whole_mb / half_mb, 1.1, "×", note=f"{whole_mb:.0f} MB"),
    ]


def _prepare(folder: Path) -> Any:
    """A capability, and a home with its release; the scikit-learn model."""
    import numpy as np
    from sklearn.ensemble import GradientBoostingClassifier

    rng = np.random.default_rng(7)
    x = rng.normal(size=(5_000, FEATURES)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=len(x)) > 0).astype(int)
    model = GradientBoostingClassifier(n_estimators=TREES, max_depth=3, random_state=7).fit(x, y)
    (folder / "capability.py").write_text(CAPABILITY)
    columns = "".join(f"      - {{name: f{n}, logicalType: number}}\n" for n in range(FEATURES))
    (folder / "rows.odcs.yaml").write_text(CONTRACT + columns)
    _release(folder, model, x)
    return model


def _release(folder: Path, model: Any, sample: Any) -> None:
    from datetime import UTC, datetime

    from plimsoll.app import open_home
    from plimsoll.capability import load
    from plimsoll.features import FeatureSchema
    from plimsoll.kernel.manifest import Manifest
    from plimsoll.kernel.ports import ReleaseRow
    from plimsoll.models import package
    from plimsoll.settings import read_settings

    capability = load(folder)
    schema = FeatureSchema.of(capability.features)
    packed = package(model, names=list(schema.names), task="binary", sample=sample[:500])
    with open_home(read_settings(folder, environment={})) as home:
        artifacts = {"model": home.objects.put(packed.model), "golden": home.objects.put(packed.golden)}
        manifest = Manifest(capability="scored", artifacts=artifacts, settings={"schema": schema.to_plain()})
        home.catalog.add_release(
            ReleaseRow(
                digest=manifest.digest,
                capability="scored",
                manifest=manifest,
                label="first",
                created_at=datetime.now(UTC),
            )
        )


def _file(folder: Path, rows: int) -> Path:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as parquet

    path = folder / f"in-{rows}.parquet"
    if path.exists():
        return path
    rng = np.random.default_rng(1)
    schema = pa.schema([("id", pa.int64()), *((f"f{n}", pa.float64()) for n in range(FEATURES))])
    with parquet.ParquetWriter(path, schema, compression="snappy") as writer:
        for start in range(0, rows, GROUP_ROWS):
            count = min(GROUP_ROWS, rows - start)
            columns = [pa.array(np.arange(start, start + count))]
            columns += [pa.array(rng.normal(size=count)) for _ in range(FEATURES)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    return path


def _ours(folder: Path, given: Path, out: Path) -> None:
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "plimsoll.cli", "score", "first", "--in", str(given), "--out", str(out)]
    subprocess.run(
        [*command, "--processes", str(PROCESSES), "--json"], cwd=folder, check=True, stdout=subprocess.DEVNULL
    )


def _memory_mb(folder: Path, rows: int) -> float:
    """The most that any process of one scoring had."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:  # or earlier children would count
        return pool.submit(_most_mb, folder, _file(folder, rows), folder / "out.parquet").result()


def _most_mb(folder: Path, given: Path, out: Path) -> float:
    _ours(folder, given, out)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _peer(folder: Path, model: Any) -> None:
    given = _file(folder, PEER_ROWS)
    halves = [(0, PEER_ROWS // 2), (PEER_ROWS // 2, PEER_ROWS)]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(_peer_half, given, model, low, high, folder) for low, high in halves]:
            done.result()


def _peer_half(given: Path, model: Any, low: int, high: int, folder: Path) -> None:
    import pandas as pd

    frame = pd.read_parquet(given).iloc[low:high]
    names = [f"f{n}" for n in range(FEATURES)]
    frame["score"] = model.predict_proba(frame[names].to_numpy("float32"))[:, 1]
    frame[["id", "score"]].to_parquet(folder / f"peer-{low}.parquet")
