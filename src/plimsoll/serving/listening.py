"""Listening, and ceasing to: the socket, the event loop, and the order in which a server stops."""

from __future__ import annotations

import errno
import resource
import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn

from plimsoll.errors import UsageError
from plimsoll.serving.protocol import HotProtocol

_MOST_FILES = 1_048_576


class Draining(uvicorn.Server):
    """uvicorn, which on its first signal is first no longer ready, and only then stops listening."""

    def __init__(self, config: uvicorn.Config, *, begin: Callable[[], None], drain_s: float) -> None:
        """``begin`` is called at the signal; it ends in ``drain``."""
        super().__init__(config)
        self._begin = begin
        self._drain_s = drain_s
        self._begun = False

    def handle_exit(self, sig: int, frame: Any) -> None:
        if self._begun:
            super().handle_exit(sig, frame)
        else:
            self._begin()

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # ten ticks a second
            for connection in list(self.server_state.connections):
                if isinstance(connection, HotProtocol):
                    connection.sweep()
        return await super().on_tick(counter)

    def drain(self) -> None:
        self._begun = True
        if self._drain_s <= 0:
            self.should_exit = True
            return
        timer = threading.Timer(self._drain_s, setattr, (self, "should_exit", True))
        timer.daemon = True
        timer.start()


def listening(
    host: str,
    port: int,
    *,
    shared: bool = False,
    idle: bool = False,
    hint: str = "use another port: plimsoll up --port",
) -> socket.socket:
    """A socket that listens on ``host:port``. Raises UsageError saying what is in the way, and with ``hint`` what to do.

    ``shared``: others may listen on the same port, and the kernel spreads connections over them. ``idle``: only keep
    the port; nobody is sent here.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
        if not idle:
            listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} on {host} is in use by another process",
                hint=f"stop that one, or {hint} {port + 1}",
            ) from error
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}", hint="check --host and --port") from error
    listener.setblocking(False)
    return listener


def take_all_files() -> None:
    """Every connection is an open file. The limit that a shell sets by default is for programs that cannot have many;
    up to the hard one a process may choose for itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return None
    return uvloop.new_event_loop
