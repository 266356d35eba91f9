"""Online features: one entity and a hundred, 20 values each, out of 10,000: our stores, and Feast's over SQLite.

Both sides give what their caller computes with: ours a float32 row or matrix, Feast its response. CPU time, the least
of many: the time on the wire of a Redis on this machine is left out of its rows, and said beside them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np

from benchmarks import peers
from benchmarks.table import Row, at_least, at_most
from plimsoll.errors import Unavailable
from plimsoll.kernel.ports import OnlineFeatures
from plimsoll.store import MemoryOnline, RedisOnline, SqliteOnline

ENTITIES, VALUES = 10_000, 20
VIEW = "weather@weather:0123456789ab"
FEAST = "feast==0.67.*"
REDIS = "redis://127.0.0.1:6379/0"


def run() -> list[Row]:
    """Half a minute, most of it Feast's."""
    script = Path(__file__).parent / "scripts" / "online_feast.py"
    python = peers.env(FEAST)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "feast").mkdir()
        arguments = [str(Path(folder) / "feast"), str(ENTITIES), str(VALUES), "300", "50"]
        sqlite = SqliteOnline(Path(folder) / "online.db")
        measured = _measured(sqlite)
        feast = peers.run(python, script, *arguments)
        measured = tuple(map(min, measured, _measured(sqlite)))  # in turn: before the peer, and after it
        sqlite.close()
    one, hundred = measured[:2]
    rows = [
        at_most("SQLite, 1 × 20", one, 5.0, "µs", peer="Feast (SQLite)", peer_value=feast["one"]),
        at_most("SQLite, 100 × 20", hundred, 92.0, "µs", peer="Feast (SQLite)", peer_value=feast["hundred"]),
        at_least("SQLite, 1 × 20, times faster", feast["one"] / one, 40, "×"),
        at_least("SQLite, 100 × 20, times faster", feast["hundred"] / hundred, 100, "×"),
    ]
    memory = _measured(MemoryOnline())
    rows.append(at_most("in the process, 1 × 20", memory[0], 2.0, "µs", peer="Feast (SQLite)", peer_value=feast["one"]))
    rows.append(
        at_most("in the process, 100 × 20", memory[1], 30.0, "µs", peer="Feast (SQLite)", peer_value=feast["hundred"])
    )
    return rows + _redis(feast)


def _redis(feast: dict[str, float]) -> list[Row]:
    prefix = f"bench-{uuid4().hex}"
    store = RedisOnline(REDIS, prefix=prefix, timeout_s=1)
    try:
        store.mark(VIEW)
    except Unavailable:
        return []  # there is no Redis here
    measured = _measured(store)
    store.forget(VIEW)
    store.close()
    return [
        at_most(
            f"Redis, {what}", cpu, limit, "µs", peer="Feast (SQLite)", peer_value=theirs, note=f"{wall:.0f} µs of time"
        )
        for what, cpu, wall, limit, theirs in (
            ("1 × 20", measured[0], measured[2], 150.0, feast["one"]),
            ("100 × 20", measured[1], measured[3], 400.0, feast["hundred"]),
        )
    ]


def _measured(store: OnlineFeatures) -> tuple[float, ...]:
    """µs of one lookup and of a hundred, into float32 arrays: CPU time, then time."""
    if store.mark(VIEW) is None:
        values = np.random.default_rng(7).random((ENTITIES, VALUES), dtype=np.float32)
        store.replace(VIEW, ((f"e{i}", i, row.tobytes()) for i, row in enumerate(values)), mark="1")
    asked = [f"e{(i * 7919) % ENTITIES}" for i in range(100)]

    def one() -> None:
        for entity in asked:
            row = store.get(VIEW, entity)
            np.frombuffer(row[1] if row else b"", np.float32)

    def hundred() -> None:
        rows = store.get_many(VIEW, asked)
        np.frombuffer(b"".join([row[1] for row in rows if row]), np.float32).reshape(100, VALUES)

    one_s, hundred_s = _least_s(one, 60), _least_s(hundred, 400)
    return one_s[0] / 100 * 1e6, hundred_s[0] * 1e6, one_s[1] / 100 * 1e6, hundred_s[1] * 1e6


def _least_s(work: Callable[[], None], repeats: int) -> tuple[float, float]:
    """The least CPU time, and the least time."""
    work()
    cpu, wall = [], []
    for _ in range(repeats):
        began, began_cpu = time.perf_counter(), time.process_time()
        work()
        cpu.append(time.process_time() - began_cpu)
        wall.append(time.perf_counter() - began)
    return min(cpu), min(wall)
