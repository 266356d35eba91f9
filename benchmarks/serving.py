"""The request path: our server on one core, with a model of 20 features and 100 trees, driven over loopback.

The core path is what every request takes: the key check's seam, route, shape check, ids, one-turn micro-batch, engine,
histogram, and a record that survives ``kill -9``. The load comes from wrk (compiled, one thread), each request
with a body of its own out of a thousand. CPU is the server process's own, user and system, from ``/proc``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.scripts.serving_ours import FEATURES, NAME
from benchmarks.table import Row, at_least, at_most
from plimsoll.errors import Unavailable

SECONDS = 8
BODIES = 1_000
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


class Load(NamedTuple):
    """What one load found."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    failed: int


def run() -> list[Row]:
    """About a minute."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as name:
        folder = Path(name)
        _ours("build", folder)
        started_s = min(_start_to_first_answer_s(folder) for _ in range(3))
        with served(folder) as (pid, port):
            one, sixteen, many = (drive(folder, pid, port, connections) for connections in (1, 16, 64))
            pss_mb = _pss_mb(pid)
    return [
        at_least("REST, 16 connections", sixteen.per_s, 50_000, "req/s"),
        at_most(
            "CPU a request, 16 connections", sixteen.cpu_us, 16, "µs", note=f"64 connections: {many.cpu_us:.1f} µs"
        ),
        at_most("p99 at 64 connections", many.p99_ms, 2.0, "ms", note=f"{many.per_s:,.0f} req/s"),
        at_most("p50 at 1 connection", one.p50_ms, 0.12, "ms", note=f"{one.cpu_us:.1f} µs CPU a request"),
        at_most("start to first answer", started_s, 0.6, "s"),
        at_most("memory (PSS) of a worker", pss_mb, 120, "MB"),
        at_most("requests that failed", one.failed + sixteen.failed + many.failed, 0, ""),
    ]


def body(row: int) -> bytes:
    """One question as the Open Inference Protocol has it: all its numbers in one tensor."""
    values = [round(((row * 37 + i * 101) % 997) / 250 - 2, 4) for i in range(len(FEATURES))]
    tensor = {"name": "features", "shape": [1, len(FEATURES)], "datatype": "FP32", "data": values}
    return json.dumps({"id": f"u{row}", "inputs": [tensor]}).encode()


@contextmanager
def served(folder: Path, durability: str = "process") -> Iterator[tuple[int, int]]:
    """(pid, port) of our server over ``folder``, on a core of its own."""
    command = [sys.executable, "-m", "benchmarks.scripts.serving_ours", "serve", str(folder), durability]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        if len(os.sched_getaffinity(0)) > 1:
            os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        _first_answer(port)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(timeout=30)


def drive(folder: Path, pid: int, port: int, connections: int, seconds: int = SECONDS) -> Load:
    """Closed loop: each connection asks again when it has its answer. A second of it is not counted."""
    script = folder / "ask.lua"
    script.write_text(_lua())
    _wrk(script, port, connections, 1)
    before_s = cpu_s(pid)
    said = _wrk(script, port, connections, seconds)
    used_s = cpu_s(pid) - before_s
    answered = int(_found(r"REQUESTS (\d+)", said))
    return Load(
        per_s=answered / (float(_found(r"MICROSECONDS (\d+)", said)) / 1e6),
        p50_ms=float(_found(r"P50 (\d+)", said)) / 1e3,
        p99_ms=float(_found(r"P99 (\d+)", said)) / 1e3,
        cpu_us=used_s * 1e6 / max(1, answered),
        failed=int(_found(r"FAILED (\d+)", said)),
    )


def cpu_s(pid: int) -> float:
    """Seconds that the process and its threads have spent on a core, in its own code and in the kernel's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def _lua() -> str:
    bodies = ",\n".join(f"[=[{body(row).decode()}]=]" for row in range(BODIES))
    return f"""
local bodies = {{ {bodies} }}
local requests, at = {{}}, 0
function init(args)
  for i, body in ipairs(bodies) do
    requests[i] = wrk.format("POST", "/v2/models/{NAME}/infer", {{["Content-Type"] = "application/json"}}, body)
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency, requests)
  local e = summary.errors
  print("REQUESTS " .. summary.requests)
  print("MICROSECONDS " .. summary.duration)
  print("P50 " .. math.floor(latency:percentile(50)))
  print("P99 " .. math.floor(latency:percentile(99)))
  print("FAILED " .. (e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def _wrk(script: Path, port: int, connections: int, seconds: int) -> str:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise Unavailable("there is no wrk on this machine", hint="apt-get install wrk")
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


def _ours(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "benchmarks.scripts.serving_ours", *map(str, arguments)], check=True)


def _start_to_first_answer_s(folder: Path) -> float:
    began = time.perf_counter()
    with served(folder):
        return time.perf_counter() - began


def _first_answer(port: int) -> None:
    sent = body(0)
    head = f"POST /v2/models/{NAME}/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {len(sent)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head + sent)
        said = connection.recv(65536)
    if not said.startswith(b"HTTP/1.1 200"):
        raise Unavailable(f"the server's first answer was {said[:200]!r}")


def _pss_mb(pid: int) -> float:
    """Memory in use; what is shared with other processes counts by parts."""
    return int(_found(r"Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())) / 1024
