"""Feast with its SQLite online store: the time of a lookup of one and of a hundred entities, 20 features each, in µs."""

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

os.environ["FEAST_USAGE"] = "false"

import numpy as np
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float32

folder, entities, values, ones, hundreds = Path(sys.argv[1]), *map(int, sys.argv[2:6])
now = datetime.now(UTC)
rng = np.random.default_rng(7)
names = [f"v{i}" for i in range(values)]
frame = pd.DataFrame(rng.random((entities, values), dtype=np.float32), columns=names)
frame["entity"] = [f"e{i}" for i in range(entities)]
frame["at"] = now - timedelta(hours=1)
frame.to_parquet(folder / "rows.parquet")
store = FeatureStore(
    config=RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
)
entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.STRING)
view = FeatureView(
    name="v",
    entities=[entity],
    ttl=timedelta(days=2),
    schema=[Field(name=name, dtype=Float32) for name in names],
    source=FileSource(path=str(folder / "rows.parquet"), timestamp_field="at"),
)
store.apply([entity, view])
store.write_to_online_store("v", frame)
features = [f"v:{name}" for name in names]


def us(asked, repeats):
    """The least CPU time of a lookup: others are at work on the machine."""
    rows = [{"entity": f"e{i}"} for i in range(asked)]
    best = float("inf")
    for _ in range(repeats):
        began = time.process_time()
        store.get_online_features(features=features, entity_rows=rows)
        best = min(best, time.process_time() - began)
    return best * 1e6


us(1, 20)
print(json.dumps({"one": us(1, ones), "hundred": us(100, hundreds)}))
