"""Asks over gRPC with so many calls in flight for so long, and prints what it found as JSON.

``-m benchmarks.scripts.grpc_load ADDRESS IN_FLIGHT SECONDS REQUESTS``: the file of REQUESTS holds serialized
``ModelInferRequest``s, each with its length before it. Bytes go out and come back unread, so that the load costs little.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import grpc
from benchmarks import framed

METHOD = "/inference.GRPCInferenceService/ModelInfer"


class Load:
    """A closed loop: each lane asks again when it has its answer."""

    def __init__(self, address: str, bodies: list[bytes]) -> None:
        self._channel = grpc.insecure_channel(address)
        self._call = self._channel.unary_unary(METHOD)
        self._bodies = bodies

    def run(self, in_flight: int, seconds: float) -> dict[str, float]:
        until = time.perf_counter() + seconds
        waits: list[list[float]] = [[] for _ in range(in_flight)]
        failed = [0] * in_flight
        lanes = [threading.Thread(target=self._lane, args=(i, until, waits[i], failed)) for i in range(in_flight)]
        began = time.perf_counter()
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        took_s = time.perf_counter() - began
        all_ms = sorted(ms for lane in waits for ms in lane)
        return {
            "calls": len(all_ms),
            "per_s": len(all_ms) / took_s,
            "p50_ms": all_ms[len(all_ms) // 2] if all_ms else 0.0,
            "p99_ms": all_ms[int(len(all_ms) * 0.99)] if all_ms else 0.0,
            "failed": sum(failed),
        }

    def _lane(self, lane: int, until: float, waits: list[float], failed: list[int]) -> None:
        bodies, call, at = self._bodies, self._call, lane
        while (began := time.perf_counter()) < until:
            at = (at + 1) % len(bodies)
            try:
                call(bodies[at], timeout=10.0)
            except grpc.RpcError:
                failed[lane] += 1
                continue
            waits.append((time.perf_counter() - began) * 1000.0)


if __name__ == "__main__":
    load = Load(sys.argv[1], framed.read(Path(sys.argv[4])))
    load.run(int(sys.argv[2]), 1.0)
    print(json.dumps(load.run(int(sys.argv[2]), float(sys.argv[3]))))
