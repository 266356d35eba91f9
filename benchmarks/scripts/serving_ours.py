"""Our server with a model of 20 features and 100 trees, to be asked by ``benchmarks/serving.py``.

``python -m benchmarks.scripts.serving_ours build FOLDER`` makes two homes in it, each with a release that is live:
``plain``, whose caller sends all features, and ``lookup``, where four more are looked up by the shop that is sent.
``… serve FOLDER POLICIES`` serves one of them with the policies that are named
(``key,limit,lookup,cache,trace,disk,redact``) and prints its port; ``OTLP`` in the environment is where traces go,
``WAIT_MS`` the longest wait. ``… serve FOLDER POLICIES GRPC_PORT`` speaks gRPC, too.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Set
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from plimsoll.capability import BinaryClassification, Caching, Capability, Source
from plimsoll.features import FeatureSchema, Inputs, number, view
from plimsoll.kernel.access import Scopes
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import Commit, ReleaseRow
from plimsoll.kernel.requirement import at_least, at_most
from plimsoll.kernel.rollout import Deployment
from plimsoll.serving import Counter, House, RequestLog, Server, ServerSettings, open_admission, open_cache, open_tracer
from plimsoll.settings import Access, Cache, Limits, Tracing
from plimsoll.store import GuardedOnline, LocalObjects, Pepper, SegmentLog, SqlCatalog, SqliteOnline

POLICIES = ("key", "limit", "lookup", "cache", "trace", "disk", "redact")
REDACTED = ("id", "f0", "f1")
"""What is recorded as a hash where the policy ``redact`` is on: the unit, and two numbers."""
SHOPS = 1_000
LOOKED_UP = ("orders", "returns", "spent", "age")
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
      - {name: asked, logicalType: timestamp, required: true}
"""


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@view(source="questions", entity="shop", values=LOOKED_UP)
def shop_history(t: Any) -> Any:
    return t.select(*LOOKED_UP, entity=t.shop, known_at=t.asked)


def capability(folder: Path, policies: Set[str] = frozenset()) -> Capability:
    """Twenty numbers, one probability."""
    looked_up = "lookup" in policies
    private = ", classification: confidential"
    kinds = {"id": "string, required: true", **dict.fromkeys((*FEATURES, *(("shop",) * looked_up)), "number")}
    lines = [
        f"      - {{name: {name}, logicalType: {kind}{private * ('redact' in policies and name in REDACTED)}}}\n"
        for name, kind in kinds.items()
    ]
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
        features=[Inputs(*(number(name) for name in FEATURES)), *([shop_history] if looked_up else [])],
        caching=Caching(ttl=timedelta(minutes=1)) if "cache" in policies else None,
        gate=[at_least("auc", 0.6)],
        keep=[at_most("error_rate", 0.01)],
        train=lambda training_set, params: None,
        folder=folder,
    )


def build(folder: Path) -> None:
    """Train, pack and deploy, with and without features that are looked up; and a key to each home."""
    for name, policies in (("plain", frozenset[str]()), ("lookup", frozenset({"lookup"}))):
        (folder / name).mkdir()
        _build(folder / name, policies)
    (folder / "model.onnx").write_bytes((folder / "plain" / "model.onnx").read_bytes())


def _build(home: Path, policies: Set[str]) -> None:
    from sklearn.ensemble import GradientBoostingClassifier

    from plimsoll.governance.keys import issue
    from plimsoll.models import package

    declared, objects = capability(home, policies), LocalObjects(home / "objects")
    schema = FeatureSchema.of(declared.features)
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(2_000, len(schema.names))).astype(np.float32)
    model = GradientBoostingClassifier(n_estimators=100, random_state=7)
    model.fit(rows, rows[:, 0] + rows[:, 1] * rows[:, 2] + rng.normal(size=len(rows)) > 0)
    packed = package(model, names=schema.names, task=declared.task.kind, sample=rows[:200])
    (home / "model.onnx").write_bytes(packed.model)
    manifest = Manifest(
        capability=NAME,
        artifacts={"model": objects.put(packed.model), "golden": objects.put(packed.golden)},
        settings={"schema": schema.to_plain()},
    )
    now = datetime.now(UTC)
    with closing(SqlCatalog(f"sqlite:///{home / 'catalog.db'}")) as catalog:
        catalog.add_release(
            ReleaseRow(digest=manifest.digest, capability=NAME, manifest=manifest, label="1", created_at=now)
        )
        lease = Lease(release=manifest.digest, granted_at=now, keep=())
        live = Deployment(capability=NAME, lease=lease, has_fallback=False)
        catalog.commit(Commit(deployment=live, entries=()), None)
        pepper, scopes = Pepper.kept(home / "pepper"), Scopes(actions=("ask",))
        key = issue(catalog.access, pepper, name="b", tenant="acme", scopes=scopes, actor="benchmarks", now=now)
        (home / "credential").write_text(key.credential)
    with closing(SqliteOnline(home / "online.db")) as online:
        asked_us = int(now.timestamp() * 1e6)
        for binding in schema.views:
            values = rng.normal(size=(SHOPS, len(LOOKED_UP))).astype("<f4")
            online.replace(binding.online, [(str(i), asked_us, values[i].tobytes()) for i in range(SHOPS)])


@contextmanager
def opened(folder: Path, policies: Set[str], grpc_port: int | None = None) -> Iterator[Server]:
    """One of the homes, as ``plimsoll serve`` wires it, without the loop beside it."""
    home = folder / ("lookup" if "lookup" in policies else "plain")
    declared = capability(home, policies)
    catalog = SqlCatalog(f"sqlite:///{home / 'catalog.db'}")
    log = SegmentLog(
        tempfile.mkdtemp(prefix="events-", dir=home), durability="disk" if "disk" in policies else "process"
    )
    wait_ms = float(os.environ.get("WAIT_MS", Limits().wait_ms))
    limits = Limits(wait_ms=wait_ms)
    if "limit" in policies:
        limits = Limits(wait_ms=wait_ms, requests_per_s=1e6, concurrent=5_000)
    admission = open_admission(Access(required="key" in policies), limits, catalog.access, home / "pepper")
    tracer = open_tracer(Tracing(endpoint=os.environ["OTLP"], share=0.01)) if "trace" in policies else None
    house = House(
        catalog=catalog,
        objects=LocalObjects(home / "objects"),
        log=log,
        online=GuardedOnline(SqliteOnline(home / "online.db")),
        clock=WallClock(),
        settings=ServerSettings(port=0, grpc_port=grpc_port),
        admission=admission,
        tracer=tracer,
        requests=RequestLog(slow_ms=1_000.0, share=0.0),
    )
    seal = Pepper.kept(home / "recording.key").digest if "redact" in policies else None
    yield Server([Counter(declared, house, cache=open_cache(declared, Cache()), seal=seal)], house)
    log.close()
    if tracer is not None:
        tracer.close()


def serve(folder: Path, policies: Set[str], grpc_port: int | None) -> None:
    """Serve a home, and print the port."""
    with opened(folder, policies, grpc_port) as server:
        listener = server.listen()
        print(listener.getsockname()[1], flush=True)
        server.serve(listener)


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build(Path(sys.argv[2]))
    else:
        port = int(sys.argv[4]) if len(sys.argv) > 4 else None
        serve(Path(sys.argv[2]), frozenset(sys.argv[3].split(",")) - {""}, port)
