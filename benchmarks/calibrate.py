"""The flights' gate and rollout, calibrated: A/A releases and mutants, as ``plimsoll calibrate examples/flights`` tries them.

There is no peer: no other tool sends releases that are known to be good or broken through a gate and a rollout of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from benchmarks.table import Row, at_least, at_most
from plimsoll.errors import Broken

ROOT = Path(__file__).parents[1]
TWINS = 100
WANTED = 12
"""Mutants at least, each caught or named as out of sight."""


def run() -> list[Row]:
    """Twenty minutes of computing on one core."""
    with TemporaryDirectory(prefix="plimsoll-calibrate-") as home:
        words = ["calibrate", str(ROOT / "examples/flights"), "--aa", str(TWINS), "--home", home, "--json"]
        command = [sys.executable, "-m", "plimsoll.cli", *words]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, env=dict(os.environ), check=False
        )  # its progress is seen
    if done.returncode not in (0, 1):
        raise Broken(f"plimsoll calibrate ended with {done.returncode}: what it said stands above")
    return rows(msgspec.json.decode(done.stdout))


def rows(document: dict[str, Any]) -> list[Row]:
    """The figures, and one row a mutant."""
    twins, mutants = document["twins"], document["mutants"]
    explained = sum(bool(m["found"] or m["reason"]) for m in mutants)
    ends = ", ".join(f"{n} {end}" for end, n in twins["ends"].items())
    return [
        at_most("A/A releases taken back", twins["false_rollbacks"], 0, "", note=f"of {twins['tried']}: {ends}"),
        at_most("A/A releases refused at the gate", twins["false_refusals"], 0, "", note=""),
        at_least("mutants caught, or named as out of sight", explained, max(WANTED, len(mutants)), ""),
        *(_mutant(m) for m in mutants),
    ]


def _mutant(m: dict[str, Any]) -> Row:
    where = ", ".join(f"{n} in {stage}" for stage, n in m["caught_in"].items())
    said = [
        where,
        f"{m['kept_out']} kept out undecided" if m["kept_out"] else "",
        f"{m['live']} live" if m["live"] else "",
    ]
    why = "" if m["found"] else f": {m['reason']}"
    return Row(
        what=f"{m['mutant']}: caught",
        ours=100.0 * (m["power"] or 0.0),
        unit="%",
        met=True,
        note=f"{'; '.join(filter(None, said))}{why}; {m['answers'] or 0:,.0f} answers shown",
    )
