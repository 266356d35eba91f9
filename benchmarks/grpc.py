"""gRPC on one core: ``ModelInfer`` of 20 numbers, raw and typed, with one call and with sixteen in flight.

The same model, release and record as in ``serving``. The load is a process of its own on the other core, which sends
serialized requests and does not read the answers; at many calls a second it is the load that is the limit, so the
server's own CPU a call stands beside the rate.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.scripts.serving_ours import FEATURES, NAME
from benchmarks.serving import BODIES, body, cpu_s
from benchmarks.table import Row, at_least, at_most

SECONDS = 6.0
HERE = Path(__file__).parent


def run() -> list[Row]:
    """About half a minute."""
    with tempfile.TemporaryDirectory(dir=HERE) as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "benchmarks.scripts.serving_ours", "build", name], check=True)
        with served(folder) as (pid, address):
            raw = drive(folder, pid, address, in_flight=16, raw=True)
            typed = drive(folder, pid, address, in_flight=16, raw=False)
            one = drive(folder, pid, address, in_flight=1, raw=True)
    failed = raw["failed"] + typed["failed"] + one["failed"]
    return [
        at_least(
            "gRPC ModelInfer, raw, 16 in flight", raw["per_s"], 5_600, "calls/s", note=f"p99 {raw['p99_ms']:.1f} ms"
        ),
        at_least("gRPC ModelInfer, typed, 16 in flight", typed["per_s"], 5_600, "calls/s"),
        at_most("CPU a call, 16 in flight", raw["cpu_us"], 180, "µs", note=f"typed: {typed['cpu_us']:.0f} µs"),
        at_most("p50 at 1 in flight", one["p50_ms"], 1.0, "ms", note=f"{one['per_s']:,.0f} calls/s"),
        at_most("calls that failed", failed, 0, ""),
    ]


def request(row: int, *, raw: bool) -> bytes:
    """The same question as over REST."""
    from plimsoll.serving.grpc.messages import request_of

    asked = json.loads(body(row))
    (tensor,) = asked["inputs"]
    made = request_of("ModelInfer")(model_name=NAME, id=asked["id"])
    sent = made.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
    if raw:
        made.raw_input_contents.append(struct.pack(f"<{len(FEATURES)}f", *tensor["data"]))
    else:
        sent.contents.fp32_contents.extend(tensor["data"])
    written: bytes = made.SerializeToString()
    return written


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, str]]:
    """(pid, address) of our server over ``folder``, on a core of its own where there are two."""
    command = [sys.executable, "-m", "benchmarks.scripts.serving_ours", "serve", str(folder), "process", "grpc"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        address = process.stdout.readline().strip()
        for task in Path(f"/proc/{process.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {min(os.sched_getaffinity(0))})
        yield process.pid, address
    finally:
        process.terminate()
        process.wait(timeout=30)


def drive(folder: Path, pid: int, address: str, *, in_flight: int, raw: bool) -> dict[str, Any]:
    """What the load found, and the server's CPU a call over all of it."""
    file = folder / f"requests-{raw}"
    bodies = [request(i, raw=raw) for i in range(BODIES)]
    file.write_bytes(b"".join(struct.pack("<I", len(each)) + each for each in bodies))
    script = HERE / "scripts" / "grpc_load.py"
    load = [sys.executable, str(script), address, str(in_flight), str(SECONDS), str(file)]
    subprocess.run([*load[:4], "1", load[5]], check=True, capture_output=True, timeout=60)
    before_s = cpu_s(pid)
    process = subprocess.run(load, check=True, capture_output=True, text=True, timeout=120)
    found: dict[str, Any] = json.loads(process.stdout)
    warmed = SECONDS / (SECONDS + 1.0)  # the load's first second is not counted in its calls, but in our CPU
    return found | {"cpu_us": (cpu_s(pid) - before_s) * 1e6 / max(1, found["calls"]) * warmed}
