"""What a turn costs the processor, without any socket: requests in, recorded answers out, in this process.

Connections' bytes are given to the server's own protocol, the event loop turns, and the answers come to a transport that
keeps them. A turn of one is what a lone caller waits for; the difference between two turns is what one more request costs.
The model is the one of ``benchmarks/serving.py``, and every request has another row: trees cost three times as much as
with the same row over and over. Processor time, so that other work on the machine shows little.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from uvicorn.server import ServerState

from benchmarks.scripts.serving_ours import NAME, opened
from benchmarks.servers import BODIES, NUMBER, build, question
from benchmarks.table import Row, at_most
from plimsoll.serving.gate import Gate
from plimsoll.serving.protocol import HotProtocol
from plimsoll.serving.server import settle

ROUNDS = 9
REQUESTS = 4_000
COUNTS = (1, 4, 16, 64)
TURN_US, REQUEST_US = 40.0, 10.0
"""What is aimed at: for a turn, and for each request in it."""


class Kept(asyncio.Transport):
    """Takes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def is_closing(self) -> bool:
        return False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))


def run() -> list[Row]:
    """About half a minute."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as name:
        build(Path(name))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(_measured(Path(name)))
    rows = [at_most(f"a turn of {n}", found[n], TURN_US + n * REQUEST_US, "µs") for n in COUNTS]
    more = (found[64] - found[16]) / 48
    return [*rows, at_most("one more request in a turn", more, REQUEST_US, "µs")]


async def _measured(folder: Path) -> dict[int, float]:
    """The median CPU time of a turn, in µs, by how many requests it has."""
    with opened(folder, frozenset({"key"})) as server:
        counters = list(server.counters.values())
        for counter in counters:
            counter.open()
        gate, state = Gate(counters, body_limit_bytes=1 << 20), ServerState()
        asked = _asked((folder / "plain" / "credential").read_text())
        connections = [connected(server.app, gate, state, Kept()) for _ in range(max(COUNTS))]
        settle()
        taken: dict[int, list[float]] = {count: [] for count in COUNTS}
        for _ in range(ROUNDS):
            for count, found in taken.items():
                found.append(await _turns(connections[:count], [next(asked) for _ in range(REQUESTS)]))
        for counter in counters:
            await counter.close()
    return {count: statistics.median(found) for count, found in taken.items()}


def connected(app: Any, gate: Gate, state: ServerState, transport: asyncio.Transport) -> HotProtocol:
    """A connection of the server whose other end is ``transport``; ``state`` is all its connections'."""
    config = uvicorn.Config(app, http="httptools", ws="none", lifespan="off", access_log=False, log_config=None)
    config.load()
    protocol = HotProtocol(gate, config=config, server_state=state, app_state={})
    protocol.connection_made(transport)  # type: ignore[arg-type]
    return protocol


def _asked(credential: str) -> Iterator[bytes]:
    """Requests without end, none of them twice."""
    number = 0
    bodies = [question(row) for row in range(BODIES)]
    head = f"POST /v2/models/{NAME}/infer HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {credential}\r\n"
    head += "content-type: application/json\r\ncontent-length: "
    while True:
        number += 1
        body = bodies[number % BODIES].replace(NUMBER, f"{number:09d}")
        yield f"{head}{len(body)}\r\n\r\n{body}".encode()


async def _turns(connections: list[HotProtocol], requests: list[bytes]) -> float:
    """CPU time of a turn, in µs, over all that ``requests`` are enough for."""
    turns, asked = len(requests) // len(connections), iter(requests)
    kept = [connection.transport.written for connection in connections]
    began_s = time.process_time()
    for _ in range(turns):
        for connection in connections:
            connection.data_received(next(asked))
        while not kept[-1]:
            await asyncio.sleep(0)
        for written in kept:
            if len(written) != 1 or not written[0].startswith(b"HTTP/1.1 200"):
                raise AssertionError(f"not one good answer: {written!r:.300}")
            written.clear()
    return (time.process_time() - began_s) / turns * 1e6
