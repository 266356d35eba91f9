"""Twice as much as the server can do: what it answers then, and how long that takes.

The peak is what a closed loop of 64 connections gets. Then twice that many requests a second are due over 512
connections, whatever the server does, from a client that heeds no refusal. The longest wait that is tolerated
(``limits.wait_ms``) is five times the peak's p99, as an operator would set it who promises that. Two kinds of request: one
question, where refusing is nearly as dear as answering, and 32 questions, where it is not. The load has a core of its
own; rounds of peak and overload alternate, and medians are told.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks import framed
from benchmarks.driving import BODIES, Target, cores
from benchmarks.servers import CORE, build, ours, values
from benchmarks.table import Row, at_least, at_most

AT_PEAK, OVER = 64, 512
TIMES = 2.0
PATIENCE = 5.0
SECONDS = 4.0
ROUNDS = 3
ROOT = Path(__file__).parents[1]
LOAD = "benchmarks.scripts.open_load"


class Found(NamedTuple):
    """What one load found: ``open_load.py``."""

    good_per_s: float
    refused_per_s: float
    held_back_per_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    unanswered: int


def run() -> list[Row]:
    """About three minutes."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as name:
        folder = Path(name)
        build(folder)
        return [row for rows in (1, 32) for row in _rows(folder, rows)]


def _rows(folder: Path, rows: int) -> list[Row]:
    with ours(folder, CORE) as target:
        file = _requests(folder, target, rows)
        alone = [drive(target.port, file, AT_PEAK) for _ in range(ROUNDS)]
    promised_ms = PATIENCE * statistics.median(each.p99_ms for each in alone)
    with ours(folder, CORE, wait_ms=promised_ms) as target:
        file = _requests(folder, target, rows)
        rounds = [_round(target.port, file) for _ in range(ROUNDS)]
    share = statistics.median(over.good_per_s / peak.good_per_s for peak, over in rounds)
    slower = statistics.median(over.p99_ms / peak.p99_ms for peak, over in rounds)
    peak, over = (_median([each[i] for each in rounds]) for i in (0, 1))
    what = f"{rows} question{'s' * (rows > 1)} a request"
    return [
        at_least(
            f"goodput at twice the capacity, {what}",
            share,
            0.9,
            "of the peak",
            note=f"{over.good_per_s:,.0f} of {peak.good_per_s:,.0f}/s; {over.refused_per_s:,.0f}/s refused, "
            f"{over.held_back_per_s:,.0f}/s held back",
        ),
        at_most(
            f"p99 of what is answered, {what}",
            slower,
            PATIENCE,
            "× the peak's",
            note=f"{over.p99_ms:.1f} ms, {peak.p99_ms:.1f} ms at the peak; longest wait tolerated {promised_ms:.1f} ms",
        ),
        at_most(f"failed or left unanswered, {what}", sum(o.failed + o.unanswered for _, o in rounds), 0, ""),
    ]


def _round(port: int, file: Path) -> tuple[Found, Found]:
    peak = drive(port, file, AT_PEAK)
    return peak, drive(port, file, OVER, per_s=TIMES * peak.good_per_s)


def _median(found: Sequence[Found]) -> Found:
    return Found(*(statistics.median(each) for each in zip(*found, strict=True)))


def drive(port: int, file: Path, connections: int, *, per_s: float = 0.0) -> Found:
    pin = partial(os.sched_setaffinity, 0, cores()[1])
    command = [sys.executable, "-m", LOAD, port, connections, SECONDS, per_s, file]
    done = subprocess.run(
        [str(word) for word in command],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        preexec_fn=pin,
    )
    return Found(**json.loads(done.stdout))


def _requests(folder: Path, target: Target, rows: int) -> Path:
    """Whole requests with ``rows`` questions each."""
    file = folder / f"requests-{rows}"
    whole = []
    for i in range(BODIES):
        data = [value for row in range(rows) for value in values(i * rows + row)]
        tensor = {"name": "features", "shape": [rows, len(data) // rows], "datatype": "FP32", "data": data}
        body = json.dumps({"inputs": [tensor]}).encode()
        lines = {"host": "x", "content-type": "application/json", "content-length": len(body)} | target.headers
        head = f"POST {target.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        whole.append(head.encode() + b"\r\n" + body)
    framed.write(file, whole)
    return file
