"""Clients in great number, and clients that are slow: whoever asks properly is answered meanwhile."""

from __future__ import annotations

import json
import resource
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from processes import ORDER, Up, hold_lease, release_of, until

IDLE = 10_000
SPARE = 500
"""Descriptors that a process needs for anything else."""
ASK = "/v1/capabilities/orders"


@contextmanager
def files(soft: int) -> Iterator[None]:
    """So many files may be open here, and in the processes that are started meanwhile, unless they ask for more."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < soft:
        pytest.skip(f"a process may have {hard} files open here, and {soft} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def open_files(up: Up) -> int:
    return sum(1 for _ in Path(f"/proc/{up.process.pid}/fd").iterdir())


def test_ten_thousand_idle_connections_keep_nobody_from_an_answer(folder: Path) -> None:
    """They are let go after a while, whether they ever asked or not, and leave nothing behind."""
    hold_lease(folder, release_of(folder))
    body = json.dumps(ORDER).encode()
    head = f"POST {ASK} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with (
        files(IDLE + SPARE),
        Up(folder) as up,
        up.client(retries=0) as client,
        ExitStack() as closing,
        select.epoll() as poll,
    ):
        client.ask(**ORDER)
        before = open_files(up)
        waiting = {}
        for i in range(IDLE):
            connection = closing.enter_context(socket.create_connection(("127.0.0.1", up.port), timeout=30))
            if i % 100 == 0:  # one in a hundred has asked before
                connection.sendall(head + body)
                assert connection.recv(12) == b"HTTP/1.1 200"
            waiting[connection.fileno()] = connection
            poll.register(connection, select.EPOLLRDHUP)
        for _ in range(50):
            assert client.ask(**ORDER).score is not None
        while waiting:
            gone = poll.poll(30)
            assert gone, f"{len(waiting)} connections stay"
            for fd, _ in gone:
                poll.unregister(fd)
                waiting.pop(fd).close()
        assert client.ask(**ORDER).score is not None
        until(lambda: open_files(up) <= before + 10)
        assert up.stop() == 0


def test_a_server_takes_as_many_connections_as_the_machine_allows(folder: Path) -> None:
    """Whatever the shell allowed at first: a soft limit is for programs that do not know better."""
    with ExitStack() as closing:
        with files(256):
            up = closing.enter_context(Up(folder))
        with files(1_000):
            for _ in range(400):
                closing.enter_context(socket.create_connection(("127.0.0.1", up.port), timeout=30))
            with up.client(retries=0) as client:
                client.ask(**ORDER)
            assert open_files(up) > 400 and up.stop() == 0
