"""The request path: our server and its peers on one core, one worker each, asked in turn with the same questions.

All have the same ONNX graph: 20 features, 100 trees. *Core path*: key, route, shape check, ids, one-turn micro-batch,
histogram and a record that survives ``kill -9``. *Everything on*: rate limit, four more features looked up, answer cache
(which never has the answer: no question comes twice), traces of 1 %, and a record that the disk has before the answer
leaves. The peers check no key and record nothing. Rounds of a few seconds alternate; medians are told.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

from benchmarks.driving import Load, Target, drive, pss_mb
from benchmarks.servers import CORE, EVERYTHING, bentoml, build, mlserver, ours
from benchmarks.table import Row, at_least, at_most

ROUNDS = 5
SECONDS = 3
Server = Callable[[], AbstractContextManager[Target]]


def run() -> list[Row]:
    """About five minutes."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as name, ExitStack() as stack:
        folder = Path(name)
        build(folder)
        servers: dict[str, Server] = {
            "core": partial(ours, folder, CORE),
            "all": partial(ours, folder, EVERYTHING),
            "BentoML": partial(bentoml, folder),
            "MLServer": partial(mlserver, folder, 0),
            "MLServer, batching": partial(mlserver, folder, 64),
        }
        starts_s = {name: _start_s(servers[name]) for name in ("core", "BentoML", "MLServer")}
        up = {name: stack.enter_context(server()) for name, server in servers.items()}
        sixteen, many, one = (_measured(up, connections) for connections in (16, 64, 1))
        memory_mb = {name: pss_mb(target.pid) for name, target in up.items()}
    better = max(("MLServer", "MLServer, batching"), key=lambda name: sixteen[name].per_s)
    return [
        *_throughput(sixteen, better),
        *_latency(many, one),
        *_cost(sixteen, better),
        at_most("start to first answer", starts_s["core"], 0.6, "s", **_peer(starts_s, "BentoML")),
        at_most("memory (PSS) of a worker, core path", memory_mb["core"], 120, "MB", **_peer(memory_mb, "BentoML")),
        at_most("requests that failed", _failed(sixteen) + _failed(many) + _failed(one), 0, ""),
    ]


def _measured(up: Mapping[str, Target], connections: int) -> dict[str, Load]:
    """The median of each figure over the rounds; every server has its turn in each."""
    rounds = [{name: drive(target, connections, SECONDS) for name, target in up.items()} for _ in range(ROUNDS)]
    return {name: median([each[name] for each in rounds]) for name in up}


def median(loads: list[Load]) -> Load:
    return Load(
        *(statistics.median(getattr(load, name) for load in loads) for name in Load._fields[:4]),
        failed=sum(load.failed for load in loads),
        asked=sum(load.asked for load in loads),
    )


def _throughput(found: Mapping[str, Load], better: str) -> list[Row]:
    rows = []
    for which, name, bento, ml in (("core path", "core", 50, 20), ("everything on", "all", 25, 10)):
        for peer, times in (("BentoML", bento), (better, ml)):
            theirs = found[peer].per_s
            note = f"at least {times} × {peer}"
            rows.append(
                at_least(
                    f"REST, 16 connections, {which}, beside {peer.partition(',')[0]}",
                    found[name].per_s,
                    round(times * theirs),
                    "req/s",
                    peer=peer,
                    peer_value=theirs,
                    note=note,
                )
            )
    return rows


def _latency(many: Mapping[str, Load], one: Mapping[str, Load]) -> list[Row]:
    p99_ms = {name: load.p99_ms for name, load in many.items()}
    p50_ms = {name: load.p50_ms for name, load in one.items()}
    others = "; ".join(f"{name} {value:.3g} ms" for name, value in p99_ms.items() if name != "core")
    lone = "; ".join(f"{name} {value:.3g} ms" for name, value in p50_ms.items() if name != "core")
    return [
        at_most("p99 at 64 connections, core path", p99_ms["core"], 2.0, "ms", **_peer(p99_ms, "BentoML"), note=others),
        at_most("p50 at 1 connection, core path", p50_ms["core"], 0.12, "ms", **_peer(p50_ms, "BentoML"), note=lone),
    ]


def _cost(found: Mapping[str, Load], better: str) -> list[Row]:
    cpu_us = {name: load.cpu_us for name, load in found.items()}
    return [
        at_most("CPU a request, core path", cpu_us["core"], 16, "µs", **_peer(cpu_us, better)),
        at_most("CPU a request, everything on", cpu_us["all"], 30, "µs", **_peer(cpu_us, "BentoML")),
    ]


def _peer(values: Mapping[str, float], name: str) -> dict[str, object]:
    return {"peer": name, "peer_value": values[name]}


def _failed(found: Mapping[str, Load]) -> int:
    return sum(found[name].failed for name in ("core", "all"))


def _start_s(server: Server) -> float:
    """The best of three, from the command to the first answer."""
    took_s = []
    for _ in range(3):
        began_s = time.perf_counter()
        with server():
            took_s.append(time.perf_counter() - began_s)
    return min(took_s)
