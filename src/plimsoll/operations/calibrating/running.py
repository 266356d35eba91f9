"""The whole calibration: starts, twins and mutants, one after the other; what was tried before is not tried again.

Each trial is a line of a file, written when it is over, under a key of everything that it depends on. A calibration that is
killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from plimsoll.capability import Capability
from plimsoll.errors import UsageError, nearest
from plimsoll.kernel.digest import digest
from plimsoll.kernel.verdict import KERNEL_VERSION
from plimsoll.operations.building import code_of
from plimsoll.operations.calibrating.declared import declared
from plimsoll.operations.calibrating.ground import Recorded, ground, recorded, span_of, starts
from plimsoll.operations.calibrating.line import TWIN, Line
from plimsoll.operations.calibrating.mutants import MUTANTS, Mutant
from plimsoll.operations.calibrating.trial import Tried
from plimsoll.operations.yard import Yard

VERSION = 1
"""Of the trials and mutants here: results of another are made anew."""
LOOKED_AT = 2
"""Times as many starts are looked at as are wanted: where the gate does not let the champion itself out, nothing can be
tried."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is tried. ``twins``: A/A releases in all, dealt over the starts. ``mutants``: those of these names."""

    twins: int = 100
    starts: int = 10
    seed: int = 7
    mutants: tuple[str, ...] = tuple(m.name for m in MUTANTS)


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was tried. ``looked_at``: starts that were looked at, of which ``opened`` let the champion out."""

    capability: str
    plan: Plan
    looked_at: int
    opened: int
    starts: tuple[datetime, ...]
    tried: tuple[Tried, ...]
    untrained: bool = False


Progress = Callable[[int, int, str], None]
"""Trials done, of how many, and the next one's name."""


def calibrate(capability: Capability, plan: Plan, yard: Yard, folder: Path, progress: Progress) -> Results:
    """Try everything that ``plan`` asks for. Raises UsageError where the rows are too few, or a mutant is unknown.

    Costs two to five seconds a trial on a hundred thousand rows, most of it training twins and replaying traffic.
    """
    known = {m.name: m for m in MUTANTS}
    for name in plan.mutants:
        if name not in known:
            raise UsageError(f"there is no mutant {name!r}", hint=nearest(name, known))
    rows = recorded(capability, yard)
    kept = _Kept(folder / f"{_key(capability, plan, rows)[:16]}.jsonl")
    candidates = starts(capability, rows.questions, LOOKED_AT * plan.starts)
    chosen, opened = _chosen(rows, candidates, plan, folder, kept, progress)
    mutants = [known[name] for name in plan.mutants]
    done = list(_tried(rows, chosen, mutants, plan, folder, kept, progress))
    return Results(
        capability=capability.name,
        plan=plan,
        looked_at=len(candidates),
        opened=opened,
        starts=tuple(chosen),
        tried=tuple(done),
        untrained=bool(capability.model),
    )


def _key(capability: Capability, plan: Plan, rows: Recorded) -> str:
    """Of everything that a trial's end depends on, but for how many are tried."""
    return digest(
        {
            "version": VERSION,
            "kernel": KERNEL_VERSION,
            "capability": capability.name,
            "code": code_of(capability),
            "params": dict(capability.params),
            "seed": [capability.seed, plan.seed],
            "snapshots": {name: t.snapshot.digest for name, t in rows.taken.items()},
            "declared": declared(capability),
        }
    )


def _chosen(
    rows: Recorded, candidates: Sequence[datetime], plan: Plan, folder: Path, kept: _Kept, progress: Progress
) -> tuple[list[datetime], int]:
    """Starts at which the champion passes its own gate, evenly over those there are; all of them where it never does."""
    found: list[datetime] = []
    for i, at in enumerate(candidates):
        progress(i, len(candidates), f"looking at {at:%Y-%m-%d}")
        if kept.opens(at, lambda at=at: _line(rows, at, plan, folder).opens):  # type: ignore[misc]
            found.append(at)
    usable = found or list(candidates)
    wanted = min(plan.starts, len(usable))
    return [usable[round(i * (len(usable) - 1) / max(1, wanted - 1))] for i in range(wanted)], len(found)


def _line(rows: Recorded, at: datetime, plan: Plan, folder: Path) -> Line:
    return Line(at=ground(rows, at, blocks=span_of(rows.capability)), folder=folder / "trials", seed=plan.seed)


def _tried(
    rows: Recorded,
    chosen: Sequence[datetime],
    mutants: Sequence[Mutant],
    plan: Plan,
    folder: Path,
    kept: _Kept,
    progress: Progress,
) -> Iterator[Tried]:
    total, done = plan.twins + len(mutants) * len(chosen), 0
    for i, at in enumerate(chosen):
        todo: list[tuple[str, int, Mutant | None]] = [(TWIN, n, None) for n in range(i, plan.twins, len(chosen))]
        todo += [(m.name, i, m) for m in mutants]
        line: Line | None = None
        for name, number, mutant in todo:
            progress(done, total, f"{name} from {at:%Y-%m-%d}")
            done += 1
            found = kept.find(name, at, number)
            if found is None:
                line = line or _line(rows, at, plan, folder)
                found = line.twin(number) if mutant is None else line.mutant(mutant, number)
                kept.add(name, at, number, found)
            if isinstance(found, Tried):
                yield found
    progress(total, total, "done")


class _Kept:
    """The file of what was tried: one JSON document a line, the last of them perhaps cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._found: dict[str, Any] = {}
        for line in path.read_bytes().splitlines() if path.is_file() else []:
            try:
                document = msgspec.json.decode(line)
            except msgspec.DecodeError:
                continue  # cut off when the process was killed: it is tried again
            self._found[document["key"]] = document["value"]

    def opens(self, at: datetime, ask: Callable[[], bool]) -> bool:
        key = f"opens {at.isoformat()}"
        if key not in self._found:
            self._write(key, ask())
        return bool(self._found[key])

    def find(self, name: str, at: datetime, number: int) -> Tried | bool | None:
        """What became of it; False where it cannot be tried at all, None where it was not."""
        value = self._found.get(f"{name} {number} {at.isoformat()}")
        return msgspec.convert(value, Tried) if isinstance(value, dict) else value

    def add(self, name: str, at: datetime, number: int, found: Tried | None) -> None:
        self._write(f"{name} {number} {at.isoformat()}", msgspec.to_builtins(found) if found else False)

    def _write(self, key: str, value: Any) -> None:
        self._found[key] = value
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode({"key": key, "value": value}) + b"\n")
