"""What each policy costs: processor time a request in turns of 16, one policy switched on at a time.

As ``benchmarks turn`` does it: bytes into the server's own protocol, answers out of it, no socket, all cases in one process,
in turn. Processor time of all its threads, the one that waits for the disk included. What the documents show
(``docs/concepts/request-path.md``) is what this wrote.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import uvloop
from uvicorn.server import ServerState

from benchmarks.scripts.serving_ours import NAME, opened
from benchmarks.servers import BODIES, EVERYTHING, NUMBER, build, collector, question
from benchmarks.table import Row, at_most
from benchmarks.turn import connected
from plimsoll.serving.gate import Gate
from plimsoll.serving.protocol import HotProtocol
from plimsoll.serving.server import settle

CASES = {
    "nothing": ("", False),
    "API key": ("key", False),
    "rate and concurrency limit": ("limit", False),
    "four features looked up": ("lookup", False),
    "answer cache, never a hit": ("cache", False),
    "answer cache, always a hit": ("cache", True),
    "traces, 1 % sampled": ("trace", False),
    "record on disk before the answer": ("disk", False),
    "unit and two columns recorded as hashes": ("redact", False),
    "everything, cache never a hit": (EVERYTHING, False),
}
TOGETHER = 16
TURNS = 60
ROUNDS = 15
LIMIT_US = 15.0
"""No policy may cost as much as the answer itself."""


class Waited(asyncio.Transport):
    """Counts the answers of a turn, and says when all are there."""

    def __init__(self) -> None:
        super().__init__()
        self.missing = 0
        self.all_there: asyncio.Future[None] | None = None

    def is_closing(self) -> bool:
        return False

    def write(self, data: Any) -> None:
        if not bytes(data).startswith(b"HTTP/1.1 200"):
            raise AssertionError(f"not a good answer: {bytes(data)!r:.300}")
        self.missing -= 1
        if not self.missing and self.all_there is not None:
            self.all_there.set_result(None)


class Case:
    """One server, its connections, and what is asked of it."""

    def __init__(self, folder: Path, policies: str, again: bool, stack: ExitStack) -> None:
        on = frozenset(policies.split(",")) - {""}
        server = stack.enter_context(opened(folder, on))
        self.counters = list(server.counters.values())
        for counter in self.counters:
            counter.open()
        gate, state, self._answers = Gate(self.counters, body_limit_bytes=1 << 20), ServerState(), Waited()
        self._connections: list[HotProtocol] = [
            connected(server.app, gate, state, self._answers) for _ in range(TOGETHER)
        ]
        home = folder / ("lookup" if "lookup" in on else "plain")
        credential = (home / "credential").read_text() if "key" in on else ""
        self._asked = _asked(credential, shop="lookup" in on, again=again)

    async def turns(self, count: int) -> float:
        """CPU time a request, in µs."""
        requests = [next(self._asked) for _ in range(count * TOGETHER)]
        answers, asked, loop = self._answers, iter(requests), asyncio.get_running_loop()
        began_s = time.process_time()
        for _ in range(count):
            answers.missing, answers.all_there = TOGETHER, loop.create_future()
            for connection in self._connections:
                connection.data_received(next(asked))
            await answers.all_there
        return (time.process_time() - began_s) / len(requests) * 1e6


def run() -> list[Row]:
    """About a minute."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as name, collector() as endpoint:
        os.environ["OTLP"] = endpoint
        build(Path(name))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            found = runner.run(_measured(Path(name)))
    bare_us = found["nothing"]
    rows = [at_most("nothing", bare_us, 16.0, "µs")]
    for name, cpu_us in list(found.items())[1:]:
        limit_us = 30.0 - bare_us if name.startswith("everything") else LIMIT_US
        rows.append(at_most(name, cpu_us - bare_us, limit_us, "µs", note=f"{cpu_us:.1f} µs a request"))
    return rows


async def _measured(folder: Path) -> dict[str, float]:
    """The median CPU time of a request, in µs, by the case. Every case has its turn in each round."""
    with ExitStack() as stack:
        cases = {name: Case(folder, on, again, stack) for name, (on, again) in CASES.items()}
        for case in cases.values():
            await case.turns(BODIES // TOGETHER + 1)
        settle()
        taken = [{name: await case.turns(TURNS) for name, case in cases.items()} for _ in range(ROUNDS)]
        for case in cases.values():
            for counter in case.counters:
                await counter.close()
    return {name: statistics.median(each[name] for each in taken) for name in cases}


def _asked(credential: str, *, shop: bool, again: bool) -> Iterator[bytes]:
    """Requests without end, none of them twice; the same thousand over and over where they come ``again``."""
    number = 0
    bodies = [question(row, shop=shop) for row in range(BODIES)]
    head = f"POST /v2/models/{NAME}/infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    head += f"authorization: Bearer {credential}\r\n" if credential else ""
    while True:
        number += 1
        body = bodies[number % BODIES].replace(NUMBER, f"{number % BODIES if again else number:09d}")
        yield f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()
