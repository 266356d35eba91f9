"""The flights' rehearsal, as a user runs it: a command in a process of its own, trainings and evaluations included.

There is no peer: no other tool replays a recorded year through gate, rollouts and leases. What can be measured beside
it is the memory, and that the same seed gives the same ledger.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from benchmarks.table import Row, at_least, at_most
from plimsoll.errors import Broken

ROOT = Path(__file__).parents[1]


def run() -> list[Row]:
    """Six minutes: to September, the whole year, and the first two months twice."""
    to_september, whole = rehearsed("2013-09-01"), rehearsed()
    once, again = rehearsed("2013-04-01"), rehearsed("2013-04-01")
    questions = whole.story["events"]
    return [
        at_most(
            f"{to_september.story['events']:,} questions, to 1 September",
            to_september.wall_s,
            120.0,
            "s",
            note=f"{_done(to_september)}; no peer does the same work",
        ),
        at_most(f"{questions:,} questions, the whole year", whole.wall_s, 180.0, "s", note=_done(whole)),
        at_most("peak memory of the whole year", whole.peak_gb, 3.0, "GB"),
        at_least(
            "questions of the whole year, each answered, recorded, joined and judged",
            questions / whole.wall_s,
            1_700.0,
            "1/s",
        ),
        at_most(
            "ledgers of the same seed that differ, to 1 April",
            float(once.story["ledger_head"] != again.story["ledger_head"]),
            0.0,
            "",
            note=f"both end at {once.story['ledger_head'][:12]}",
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """One run of the command: its wall time, the most memory it had resident at once, and what it wrote."""

    wall_s: float
    peak_gb: float
    story: Mapping[str, Any]


def rehearsed(until: str = "", *, home: Path | None = None) -> Rehearsed:
    """``plimsoll rehearse examples/flights`` with seed 7. Raises Broken where it fails, with the end of its output."""
    with TemporaryDirectory(prefix="plimsoll-bench-") as folder:
        written = Path(folder) / "story.json"
        command = [sys.executable, "-m", "plimsoll.cli", "rehearse", "examples/flights", "--seed", "7"]
        command += ["--json", str(written), "--home", str(home or folder)]
        command += ["--until", until] if until else []
        with (Path(folder) / "said").open("w+") as said:
            began = time.perf_counter()
            process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
            _, status, used = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                said.seek(0)
                raise Broken(f"{' '.join(command[1:])} ended with {process.returncode}:\n{said.read()[-2000:]}")
        story = msgspec.json.decode(written.read_bytes())
    return Rehearsed(wall_s=wall_s, peak_gb=used.ru_maxrss * _RSS_UNIT / 1e9, story=story)


_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes of ``ru_maxrss``'s unit."""


def _done(run: Rehearsed) -> str:
    story = run.story
    parts = (f"{len(story[part])} {part}" for part in ("releases", "decisions", "incidents"))
    return f"with {', '.join(parts)}; {story['ledger_lines']:,} lines in the ledger"
