"""Asks over many connections, and prints what came of it as JSON.

``-m benchmarks.scripts.open_load PORT CONNECTIONS SECONDS PER_S REQUESTS``: with PER_S of 0 each connection asks again when
it has its answer (a closed loop). Else requests are due at that rate whatever the server does (an open loop): each takes the
connection that has been free for longest, and where none is free it is held back: it could not even be sent. What an answer
took counts from the moment at which the request was due. Refusals are not heeded: who gets one asks again at once. The file
of REQUESTS holds whole HTTP requests, each with its length before it. Runs on nothing but Python.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import deque
from pathlib import Path

from benchmarks import framed

WARM_S = 1.0
LAST_S = 2.0
"""For the answers to what was asked at the end."""


class Load:
    """One request at a time on each connection."""

    def __init__(self, port: int, connections: int, bodies: list[bytes]) -> None:
        self._bodies, self._at = bodies, 0
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._due: dict[int, float] = {}
        self._free: deque[int] = deque()
        for _ in range(connections):
            made = socket.create_connection(("127.0.0.1", port))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setblocking(False)
            self._sockets[made.fileno()] = made
            self._poll.register(made.fileno(), select.EPOLLIN)
            self._free.append(made.fileno())
        self._forget()

    def _forget(self) -> None:
        self.accepted: list[float] = []
        self.refused: list[float] = []
        self.failed = self.held_back = 0

    def run(self, seconds: float, per_s: float) -> dict[str, float]:
        """What came of the requests that were due after the first second."""
        began = time.perf_counter()
        counted, ends = began + WARM_S, began + WARM_S + seconds
        sent, warm = 0, True
        while (now := time.perf_counter()) < ends:
            if warm and now >= counted:
                self._forget()
                counted, warm = now, False
            if per_s:
                wanted = int((now - began) * per_s)
                self._held(wanted - sent - len(self._free))
                sent = max(sent, wanted - len(self._free))
                while sent < wanted:
                    self._ask(began + sent / per_s)
                    sent += 1
            while not per_s and self._free:
                self._ask(now)
            self._answers(0.0005 if per_s else 1.0)
        took_s = time.perf_counter() - counted
        found = self._found(took_s)
        while self._due and time.perf_counter() < ends + LAST_S:
            self._answers(0.05)
        return found | {"unanswered": len(self._due)}

    def _held(self, count: int) -> None:
        self.held_back += max(0, count)

    def _ask(self, due: float) -> None:
        number = self._free.popleft()
        self._due[number] = due
        self._at = (self._at + 1) % len(self._bodies)
        self._sockets[number].send(self._bodies[self._at])

    def _answers(self, wait_s: float) -> None:
        for number, _ in self._poll.poll(wait_s, len(self._sockets)):
            said = self._sockets[number].recv(65536)
            if not said:
                self._poll.unregister(number)
                self._due.pop(number, None)
                self.failed += 1
                continue
            took_s = time.perf_counter() - self._due.pop(number)
            self._free.append(number)
            if said.startswith(b"HTTP/1.1 200"):
                self.accepted.append(took_s)
            elif said.startswith(b"HTTP/1.1 503"):
                self.refused.append(took_s)
            else:
                self.failed += 1

    def _found(self, took_s: float) -> dict[str, float]:
        accepted, refused = sorted(self.accepted), len(self.refused)
        return {
            "good_per_s": len(accepted) / took_s,
            "refused_per_s": refused / took_s,
            "held_back_per_s": self.held_back / took_s,
            "p50_ms": 1e3 * accepted[len(accepted) // 2] if accepted else 0.0,
            "p99_ms": 1e3 * accepted[int(len(accepted) * 0.99)] if accepted else 0.0,
            "failed": self.failed,
        }


if __name__ == "__main__":
    port, connections, seconds, per_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    print(json.dumps(Load(port, connections, framed.read(Path(sys.argv[5]))).run(seconds, per_s)))
