"""Our server with a model of 20 features and 100 trees, to be asked by ``benchmarks/serving.py``.

``python -m benchmarks.scripts.serving_ours build FOLDER`` makes a home with the release live in it;
``… serve FOLDER DURABILITY`` serves it and prints its port; ``… serve FOLDER DURABILITY grpc`` prints gRPC's address, too.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from plimsoll.capability import BinaryClassification, Capability, Source
from plimsoll.features import FeatureSchema, Inputs, number
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import Commit, ReleaseRow
from plimsoll.kernel.requirement import at_least, at_most
from plimsoll.kernel.rollout import Deployment
from plimsoll.serving import Server, ServerSettings
from plimsoll.store import LocalObjects, MemoryOnline, SegmentLog, SqlCatalog

NAME = "score"
FEATURES = tuple(f"f{i}" for i in range(20))
CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: questions
version: 1.0.0
status: active
name: questions
schema:
  - name: questions
    physicalType: table
    customProperties:
      - {property: knownAt, value: asked_at}
    properties:
      - {name: id, logicalType: string, required: true}
      - {name: asked, logicalType: timestamp, required: true}
"""


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def capability(folder: Path) -> Capability:
    """Twenty numbers, one probability."""
    lines = [f"      - {{name: {name}, logicalType: number}}\n" for name in FEATURES]
    label = (
        "      - name: label\n        logicalType: boolean\n"
        "        customProperties: [{property: knownAt, value: {column: asked_at, offset: PT5H}}]\n"
    )
    (folder / "questions.odcs.yaml").write_text(CONTRACT + "".join(lines) + label)
    return Capability(
        name=NAME,
        owner="benchmarks",
        task=BinaryClassification(label="label"),
        source=Source(
            name="questions", contract="questions.odcs.yaml", rows="questions.csv", asked_at="asked", unit="id"
        ),
        features=[Inputs(*(number(name) for name in FEATURES))],
        gate=[at_least("auc", 0.6)],
        keep=[at_most("error_rate", 0.01)],
        train=lambda training_set, params: None,
        folder=folder,
    )


def build(folder: Path) -> None:
    """Train, pack and deploy."""
    from sklearn.ensemble import GradientBoostingClassifier

    from plimsoll.models import package

    rng = np.random.default_rng(7)
    rows = rng.normal(size=(2_000, len(FEATURES))).astype(np.float32)
    model = GradientBoostingClassifier(n_estimators=100, random_state=7)
    model.fit(rows, rows[:, 0] + rows[:, 1] * rows[:, 2] + rng.normal(size=len(rows)) > 0)
    packed = package(model, names=FEATURES, task="binary", sample=rows[:200])
    declared, objects = capability(folder), LocalObjects(folder / "objects")
    manifest = Manifest(
        capability=NAME,
        artifacts={"model": objects.put(packed.model), "golden": objects.put(packed.golden)},
        settings={"schema": FeatureSchema.of(declared.features).to_plain()},
    )
    now = datetime.now(UTC)
    catalog = SqlCatalog(f"sqlite:///{folder / 'catalog.db'}")
    catalog.add_release(
        ReleaseRow(digest=manifest.digest, capability=NAME, manifest=manifest, label="1", created_at=now)
    )
    lease = Lease(release=manifest.digest, granted_at=now, keep=())
    catalog.commit(Commit(deployment=Deployment(capability=NAME, lease=lease, has_fallback=False), entries=()), None)
    catalog.close()


def serve(folder: Path, durability: Literal["disk", "process"], *, grpc: bool = False) -> None:
    log = SegmentLog(folder / "events", durability=durability)
    server = Server(
        capability=capability(folder),
        catalog=SqlCatalog(f"sqlite:///{folder / 'catalog.db'}"),
        objects=LocalObjects(folder / "objects"),
        log=log,
        online=MemoryOnline(),
        clock=WallClock(),
        settings=ServerSettings(port=0, grpc_port=0 if grpc else None),
    )
    listener = server.listen()
    print(listener.getsockname()[1], flush=True)
    if grpc:
        print(server.grpc_address, flush=True)
    server.serve(listener)
    log.close()


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build(Path(sys.argv[2]))
    else:
        serve(Path(sys.argv[2]), "disk" if sys.argv[3] == "disk" else "process", grpc="grpc" in sys.argv[4:])
