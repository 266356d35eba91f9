"""What each policy costs: processor time a request at 16 connections, one policy switched on at a time.

What the documents show (``docs/concepts/request-path.md``) is what this wrote.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.driving import drive
from benchmarks.servers import EVERYTHING, build, ours
from benchmarks.serving import ROUNDS, SECONDS, median
from benchmarks.table import Row, at_most

CASES = {
    "nothing": ("", False),
    "API key": ("key", False),
    "rate and concurrency limit": ("limit", False),
    "four features looked up": ("lookup", False),
    "answer cache, never a hit": ("cache", False),
    "answer cache, always a hit": ("cache", True),
    "traces, 1 % sampled": ("trace", False),
    "record on disk before the answer": ("disk", False),
    "everything, cache never a hit": (EVERYTHING, False),
}
LIMIT_US = 15.0
"""No policy may cost as much as the answer itself."""


def run() -> list[Row]:
    """About five minutes."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as name, ExitStack() as stack:
        folder = Path(name)
        build(folder)
        up = {name: stack.enter_context(ours(folder, on, again=again)) for name, (on, again) in CASES.items()}
        rounds = [{name: drive(target, 16, SECONDS) for name, target in up.items()} for _ in range(ROUNDS)]
    found = {name: median([each[name] for each in rounds]) for name in CASES}
    bare_us = found["nothing"].cpu_us
    rows = [at_most("nothing", bare_us, 16.0, "µs", note=f"{found['nothing'].per_s:,.0f} req/s")]
    for name, load in list(found.items())[1:]:
        limit_us = 30.0 - bare_us if name.startswith("everything") else LIMIT_US
        note = f"{load.cpu_us:.1f} µs a request; {load.per_s:,.0f} req/s; {load.failed} failed"
        rows.append(at_most(name, load.cpu_us - bare_us, limit_us, "µs", note=note))
    return rows
