"""Load over loopback, and what it costs the server: wrk asks, ``/proc`` tells what a process and its children used.

wrk is compiled and asks from a core of its own; what it finds is the server's doing. Every request has one of a
thousand bodies, and an id that no other request has, so that nothing is answered from memory by chance.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from plimsoll.errors import Unavailable

BODIES = 1_000
WARM_S = 1
PATIENCE_S = 60.0
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
NUMBER = "@@@@@@@@@"
"""Stands for the number of a request in its body: nine digits."""


class Target(NamedTuple):
    """A server that runs: its first process, where it is asked, and with what. ``bodies`` may hold NUMBER once each."""

    pid: int
    port: int
    path: str
    bodies: Sequence[str]
    headers: dict[str, str]


class Load(NamedTuple):
    """What one load found. ``cpu_us``: of the server, its children and the kernel on their behalf, a request."""

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    failed: int
    asked: int


def cores() -> tuple[set[int], set[int]]:
    """One for the server, the others for whoever asks; the same where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return {allowed[0]}, set(allowed[1:]) or {allowed[0]}


@contextmanager
def started(command: Sequence[object], port: int | None = None, **options: Any) -> Iterator[tuple[int, int]]:
    """(pid, port) of a server on a core of its own; ended with all its children. Without ``port`` it prints its port
    as its first line."""
    words = [str(word) for word in command]
    options["env"] = compiled(options.get("env", os.environ))
    pin = partial(os.sched_setaffinity, 0, cores()[0])
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE if port is None else errors,
            stderr=errors,
            preexec_fn=pin,
            start_new_session=True,
            **options,
        )
        try:
            if port is None:
                assert process.stdout is not None
                line = process.stdout.readline()
                if not line.strip():
                    errors.seek(0)
                    raise Unavailable(f"{words[-1]} did not start:\n{errors.read().decode()[-2000:]}")
                port = int(line)
            yield process.pid, port
        finally:
            family = pids(process.pid)
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=30)
            for pid in family[1:]:
                _end(pid)


def compiled(env: Mapping[str, str]) -> dict[str, str]:
    """``env`` for a server whose bytecode is kept from its first start on, as an installed package's is."""
    kept = {name: value for name, value in env.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / f"plimsoll-benchmarks-{os.getuid()}")}


def drive(target: Target, connections: int, seconds: int) -> Load:
    """Closed loop: each connection asks again when it has its answer. A first second of it is not counted."""
    burst(target, connections, WARM_S)
    return burst(target, connections, seconds)


def burst(target: Target, connections: int, seconds: int, *, after: int | None = None) -> Load:
    """As ``drive``, without a second before it. ``after``: the requests are numbered from the one behind it on, without
    a gap; else they begin somewhere."""
    with tempfile.TemporaryDirectory(prefix="wrk-") as folder:
        script = Path(folder) / "ask.lua"
        script.write_text(_lua(target, after))
        before_s = cpu_s(target.pid)
        said = _wrk(script, target.port, connections, seconds)
        used_s = cpu_s(target.pid) - before_s
    answered = int(_found(r"REQUESTS (\d+)", said))
    return Load(
        per_s=answered / (float(_found(r"MICROSECONDS (\d+)", said)) / 1e6),
        p50_ms=float(_found(r"P50 (\d+)", said)) / 1e3,
        p99_ms=float(_found(r"P99 (\d+)", said)) / 1e3,
        cpu_us=used_s * 1e6 / max(1, answered),
        failed=int(_found(r"FAILED (\d+)", said)),
        asked=answered,
    )


def first_answer(target: Target) -> None:
    """Ask until there is an answer. Raises Unavailable if there is none in a minute, or it is a refusal."""
    body = target.bodies[0].replace(NUMBER, "000000000").encode()
    lines = {"host": "x", "content-type": "application/json", "connection": "close"} | target.headers
    head = f"POST {target.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    sent = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    said, ends_s = b"", time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_s:
        try:
            with socket.create_connection(("127.0.0.1", target.port), timeout=10) as connection:
                connection.sendall(sent)
                said = connection.recv(65536)
        except OSError:
            said = b""
        if said.startswith(b"HTTP/1.1 200"):
            return
        time.sleep(0.002)
    raise Unavailable(f"no answer in {PATIENCE_S:g} s; the last was {said[:200]!r}")


def pids(first: int) -> list[int]:
    """``first`` and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
        except OSError:
            continue  # it has ended
    found = [first]
    for pid in found:
        found += parents.get(pid, [])
    return found


def cpu_s(pid: int) -> float:
    """Seconds that a process and its descendants have spent on a core, in their own code and in the kernel's."""
    spent_s = 0.0
    for each in pids(pid):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        spent_s += (int(fields[11]) + int(fields[12])) * TICK_S
    return spent_s


def pss_mb(pid: int, of: str = "Pss") -> float:
    """Memory of the largest of the process and its descendants, the worker; what is shared counts by parts. ``of``: a
    line of ``smaps_rollup``; ``Pss_Anon`` leaves out files, whose parts depend on who else has them open."""
    found = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in pids(pid)]
    return max(int(_found(rf"{of}:\s+(\d+) kB", text)) for text in found) / 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return  # it went with its parent


def _lua(target: Target, after: int | None) -> str:
    parts = [body.partition(NUMBER) for body in target.bodies]
    heads = ",\n".join(f"[=[{head}]=]" for head, _, _ in parts)
    tails = ",\n".join(f"[=[{tail}]=]" for _, _, tail in parts)
    headers = ", ".join(
        f"[{json.dumps(name)}] = {json.dumps(value)}"
        for name, value in {"Content-Type": "application/json", **target.headers}.items()
    )
    numbered = "true" if parts[0][1] else "false"
    begin = "math.floor(os.time() % 1000) * 1000000" if after is None else f"{after - 1}"  # wrk makes one to look at
    return f"""
local heads, tails, numbered = {{ {heads} }}, {{ {tails} }}, {numbered}
local at, number = 0, {begin}
function init(args)
  for i, head in ipairs(heads) do
    local body = numbered and head .. "{NUMBER}" .. tails[i] or head
    local whole = wrk.format("POST", "{target.path}", {{{headers}}}, body)
    if numbered then
      local from, to = whole:find("{NUMBER}", 1, true)
      heads[i], tails[i] = whole:sub(1, from - 1), whole:sub(to + 1)
    else
      heads[i] = whole
    end
  end
end
function request()
  at = at % #heads + 1
  if not numbered then
    return heads[at]
  end
  number = (number + 1) % 1000000000
  return heads[at] .. string.format("%09d", number) .. tails[at]
end
function done(summary, latency, requests)
  local e = summary.errors
  print("REQUESTS " .. summary.requests)
  print("MICROSECONDS " .. summary.duration)
  print("P50 " .. math.floor(latency:percentile(50)))
  print("P99 " .. math.floor(latency:percentile(99)))
  print("FAILED " .. (e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def _wrk(script: Path, port: int, connections: int, seconds: int) -> str:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise Unavailable("there is no wrk on this machine", hint="apt-get install wrk")
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}"]
    pin = partial(os.sched_setaffinity, 0, cores()[1])
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60, preexec_fn=pin)
    return done.stdout


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]
