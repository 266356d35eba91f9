"""``plimsoll up --workers N``: N processes that answer, one that decides, and this one, which looks after them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from plimsoll.app.home import WRITERS
from plimsoll.app.service import Part
from plimsoll.app.wiring import Say
from plimsoll.capability import Capability
from plimsoll.errors import UsageError
from plimsoll.serving.listening import listening
from plimsoll.serving.restarts import Restarts
from plimsoll.serving.supervisor import ALIVE, READY, Limits, Supervisor, trouble_sign
from plimsoll.settings import Settings
from plimsoll.store import unfinished

LOOP_SILENT_S = 900.0
"""The loop's process is silent while it brings features or looks at a day at once; a worker never is."""


class PipePulse:
    """Tells the supervisor through a pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        os.set_inheritable(fd, False)  # no child of this process keeps it open after its end

    def ready(self) -> None:
        self._write(READY)

    def beat(self, trouble: str = "") -> bool:
        return self._write(trouble_sign(trouble) if trouble else ALIVE)

    def _write(self, sign: bytes) -> bool:
        try:
            os.write(self._fd, sign)
        except BrokenPipeError:
            return False
        return True


def part_of(name: str, fd: int) -> Part:
    """What a child was told to be: ``worker`` or ``loop``. Raises UsageError for anything else."""
    if name not in ("worker", "loop"):
        raise UsageError(f"--part {name!r}: a part is worker or loop", hint="plimsoll up --workers 2 starts both")
    pulse = PipePulse(fd) if fd >= 0 else None
    return Part(serves=name == "worker", decides=name == "loop", shared_port=name == "worker", pulse=pulse)


def serve_with_workers(
    capabilities: Sequence[Capability],
    folders: Sequence[Path],
    settings: Settings,
    *,
    workers: int,
    as_json: bool,
    say: Say,
) -> int:
    """Serve with ``workers`` processes until SIGTERM or Ctrl-C; the exit code. SIGHUP replaces them one by one.

    Raises UsageError where the port is taken, or where the workers could not share what they look features up in; Refused
    where a restore of the home was not finished.
    """
    if (why := unfinished(settings.home)) is not None:
        raise why
    if any(capability.known_views for capability in capabilities) and settings.features.store == "memory":
        raise UsageError(
            "features in memory are one process's own, and every worker would need them",
            hint='set store = "sqlite" or "redis" in plimsoll.toml under [features]',
        )
    if workers >= WRITERS:
        raise UsageError(f"{workers} workers: at most {WRITERS - 1} processes of one home record and decide")
    host, port = settings.server.host, settings.server.port
    with listening(host, port) as taken:  # somebody else's port is an error now, not N times later
        port = taken.getsockname()[1]
    grpc_port = settings.server.grpc_port
    with ExitStack() as kept:
        kept.enter_context(
            listening(host, port, shared=True, idle=True)
        )  # and stays ours, also while no worker listens
        if grpc_port:
            another = "another port for gRPC in plimsoll.toml under [server]: grpc_port ="
            listening(host, grpc_port, hint=another).close()
            kept.enter_context(listening(host, grpc_port, shared=True, idle=True))
        words = [sys.executable, "-m", "plimsoll.cli", "up", *map(str, folders), "--host", host, "--port", str(port)]
        words += ["--home", str(settings.home), "--workers", "1"] + ["--json"] * as_json

        def command(number: int, pipe: int) -> Sequence[str]:
            return [*words, "--part", "loop" if number == 0 else "worker", "--pulse", str(pipe)]

        supervisor = Supervisor(
            command,
            ["the loop", *(f"worker {n}" for n in range(1, workers + 1))],
            say=say,
            silent_s={0: LOOP_SILENT_S},
            limits=Limits(drain_s=Limits().drain_s + settings.server.drain_s),
            leads=0,
            restarts=Restarts(settings.run),
        )
        scheme = "https" if settings.tls.certificate else "http"

        def all_ready() -> None:
            for capability in capabilities:
                say(f"{capability.name} is served at {scheme}://{host}:{port}")

        supervisor.all_ready = all_ready
        return supervisor.run()
