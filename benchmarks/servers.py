"""The servers that are compared, each with one worker on the same core: ours, BentoML, MLServer.

All of them answer from the same ONNX graph under onnxruntime with one thread, over JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.driving import BODIES, NUMBER, Target, first_answer, free_port, started
from benchmarks.scripts.serving_ours import FEATURES, NAME, SHOPS

SCRIPTS = Path(__file__).parent / "scripts"
EVERYTHING = "key,limit,lookup,cache,trace,disk"
CORE = "key"
BENTOML = ("bentoml==1.4.*", "scikit-learn==1.7.*", "numpy<2.4", "onnxruntime")
MLSERVER = ("mlserver==1.7.*", "mlserver-sklearn==1.7.*", "onnxruntime")


def build(folder: Path) -> None:
    """Our homes, and ``model.onnx`` for the peers."""
    subprocess.run([sys.executable, "-m", "benchmarks.scripts.serving_ours", "build", str(folder)], check=True)


def values(row: int) -> list[float]:
    return [round(((row * 37 + i * 101) % 997) / 250 - 2, 4) for i in range(len(FEATURES))]


def question(row: int, *, shop: bool = False, number: str = NUMBER) -> str:
    """One question as the Open Inference Protocol has it: all its numbers in one tensor."""
    data = [*values(row), *([row % SHOPS] if shop else [])]
    tensor = {"name": "features", "shape": [1, len(data)], "datatype": "FP32", "data": data}
    return json.dumps({"id": f"u{number}", "inputs": [tensor]})


@contextmanager
def ours(
    folder: Path, policies: str, *, again: bool = False, grpc_port: int | None = None, wait_ms: float | None = None
) -> Iterator[Target]:
    """Ours with these policies. ``again``: the same thousand questions over and over, ids and all. ``wait_ms``: the
    longest wait that is tolerated, where it is not the default."""
    command: list[object] = [sys.executable, "-m", "benchmarks.scripts.serving_ours", "serve", folder, policies]
    command += [] if grpc_port is None else [grpc_port]
    lookup = "lookup" in policies
    headers = {}
    if "key" in policies:
        headers["authorization"] = f"Bearer {(folder / ('lookup' if lookup else 'plain') / 'credential').read_text()}"
    wait = {} if wait_ms is None else {"WAIT_MS": str(wait_ms)}
    with collector() as endpoint, started(command, env=os.environ | {"OTLP": endpoint} | wait) as (pid, port):
        bodies = [question(i, shop=lookup, number=f"{i}" if again else NUMBER) for i in range(BODIES)]
        target = Target(pid, port, f"/v2/models/{NAME}/infer", bodies, headers)
        first_answer(target)
        yield target


@contextmanager
def bentoml(folder: Path) -> Iterator[Target]:
    """With adaptive batching."""
    port = free_port()
    command = [peers.env(*BENTOML), SCRIPTS / "serve_bentoml.py", folder / "model.onnx", port]
    with started(command, port) as (pid, _):
        bodies = [json.dumps({"rows": [values(i)]}) for i in range(BODIES)]
        target = Target(pid, port, "/predict", bodies, {})
        first_answer(target)
        yield target


@contextmanager
def mlserver(folder: Path, batch: int, grpc_port: int = 0) -> Iterator[Target]:
    """``batch``: the largest batch of its adaptive batching, 0 for none."""
    port = free_port()
    command = [peers.env(*MLSERVER), SCRIPTS / "serve_mlserver.py", folder / "model.onnx"]
    with started([*command, port, grpc_port or free_port(), batch], port) as (pid, _):
        target = Target(pid, port, "/v2/models/forest/infer", [question(i) for i in range(BODIES)], {})
        first_answer(target)
        yield target


@contextmanager
def collector() -> Iterator[str]:
    """Takes traces and throws them away."""
    server = HTTPServer(("127.0.0.1", 0), _Sink)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Sink(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""
