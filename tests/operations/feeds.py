"""A second table for the orders, and the view that is made of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from plimsoll.features import view

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


@view(source="demand", entity="channel", values=["visitors"], age=True)
def demand_on_channel(t: Any) -> Any:
    """How many visitors the channel last had, known when they were counted."""
    return t.select("visitors", entity=t.channel, known_at=t.seen_at)


def demand(folder: Path, *, since: datetime, until: datetime) -> None:
    """Three channels counted every five hours, into ``data/demand.parquet``, with the table's contract."""
    (folder / "contracts/demand.odcs.yaml").write_text(CONTRACT)
    rows, at, n = [], since, 0
    while at < until:
        rows += [f"('{c}', TIMESTAMP '{at:%Y-%m-%d %H:%M:%S}', {100.0 + (n * 37 + i * 11) % 90})" for i, c in CHANNELS]
        at, n = at + timedelta(hours=5), n + 1
    named = f"(VALUES {', '.join(rows)}) AS demand(channel, seen_at, visitors)"
    duckdb.sql(f"SELECT channel, seen_at, visitors::DOUBLE AS visitors FROM {named}").write_parquet(
        str(folder / "data/demand.parquet")
    )


CHANNELS = tuple(enumerate(("app", "shop", "web")))
