"""gRPC on one core: ``ModelInfer`` of 20 numbers, raw and typed, with one call and with sixteen in flight.

The same ONNX graph in ours and in MLServer, one worker each, asked in turn; ours records every call, too. The load is a
process of its own on the other core, which sends serialized requests and does not read the answers; at many calls a
second it is the load that is the limit, so the server's own CPU a call stands beside the rate.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import framed
from benchmarks.driving import BODIES, cores, cpu_s, free_port
from benchmarks.scripts.serving_ours import FEATURES, NAME
from benchmarks.servers import build, mlserver, ours, question
from benchmarks.table import Row, at_least, at_most

SECONDS = 4.0
ROUNDS = 3
HERE = Path(__file__).parent
ROOT = HERE.parent


def run() -> list[Row]:
    """About two minutes."""
    with tempfile.TemporaryDirectory(dir=HERE) as name, ExitStack() as stack:
        folder, port, their_port = Path(name), free_port(), free_port()
        build(folder)
        pid = stack.enter_context(ours(folder, "", grpc_port=port)).pid
        peer = stack.enter_context(mlserver(folder, 0, their_port)).pid
        drive_ours = partial(drive, folder, pid, port, NAME)
        rounds = [
            (
                drive_ours(in_flight=16, raw=True),
                drive_ours(in_flight=16, raw=False),
                drive(folder, peer, their_port, "forest", in_flight=16, raw=True),
                drive(folder, peer, their_port, "forest", in_flight=16, raw=False),
            )
            for _ in range(ROUNDS)
        ]
        one = drive_ours(in_flight=1, raw=True)
        their_one = drive(folder, peer, their_port, "forest", in_flight=1, raw=True)
    raw, typed, their_raw, their_typed = (_middle([each[i] for each in rounds]) for i in range(4))
    failed = sum(each[i]["failed"] for each in rounds for i in (0, 1)) + one["failed"]
    return [
        at_least(
            "gRPC ModelInfer, raw, 16 in flight",
            raw["per_s"],
            round(2 * their_raw["per_s"]),
            "calls/s",
            peer="MLServer",
            peer_value=their_raw["per_s"],
            note=f"at least 2 × MLServer; p99 {raw['p99_ms']:.1f} ms, its {their_raw['p99_ms']:.1f} ms",
        ),
        at_least(
            "gRPC ModelInfer, typed, 16 in flight",
            typed["per_s"],
            round(2 * their_typed["per_s"]),
            "calls/s",
            peer="MLServer",
            peer_value=their_typed["per_s"],
            note="at least 2 × MLServer",
        ),
        at_most(
            "CPU a call, 16 in flight",
            raw["cpu_us"],
            180,
            "µs",
            peer="MLServer",
            peer_value=their_raw["cpu_us"],
            note=f"typed: {typed['cpu_us']:.0f} µs",
        ),
        at_most(
            "p50 at 1 in flight",
            one["p50_ms"],
            1.0,
            "ms",
            peer="MLServer",
            peer_value=their_one["p50_ms"],
            note=f"{one['per_s']:,.0f} calls/s",
        ),
        at_most("calls that failed", failed, 0, ""),
    ]


def request(row: int, model: str, *, raw: bool) -> bytes:
    """The same question as over REST."""
    from plimsoll.serving.grpc.messages import request_of

    asked = json.loads(question(row, number=f"{row}"))
    (tensor,) = asked["inputs"]
    made = request_of("ModelInfer")(model_name=model, id=asked["id"])
    sent = made.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
    if raw:
        made.raw_input_contents.append(struct.pack(f"<{len(FEATURES)}f", *tensor["data"]))
    else:
        sent.contents.fp32_contents.extend(tensor["data"])
    written: bytes = made.SerializeToString()
    return written


def drive(folder: Path, pid: int, port: int, model: str, *, in_flight: int, raw: bool) -> dict[str, Any]:
    """What the load found, and the server's CPU a call over all of it."""
    file = folder / f"requests-{model}-{raw}"
    bodies = [request(i, model, raw=raw) for i in range(BODIES)]
    framed.write(file, bodies)
    load = [sys.executable, "-m", "benchmarks.scripts.grpc_load", f"127.0.0.1:{port}", str(in_flight)]
    pin = partial(os.sched_setaffinity, 0, cores()[1])
    before_s = cpu_s(pid)
    process = subprocess.run(
        [*load, str(SECONDS), str(file)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        preexec_fn=pin,
    )
    found: dict[str, Any] = json.loads(process.stdout)
    warmed = SECONDS / (SECONDS + 1.0)  # the load's first second is not counted in its calls, but in our CPU
    return found | {"cpu_us": (cpu_s(pid) - before_s) * 1e6 / max(1, found["calls"]) * warmed}


def _middle(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The round with the median rate."""
    return sorted(found, key=lambda each: float(each["per_s"]))[len(found) // 2]
