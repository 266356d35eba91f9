"""A deep evaluation, item by item: what was made before, for the same release and code, is not made again.

Each item is a run, written down when it is over. An evaluation that is killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from plimsoll.capability import Capability
from plimsoll.errors import Refused, UsageError, nearest
from plimsoll.evaluation.deep.attribution import Attributed
from plimsoll.evaluation.deep.churn import Churn
from plimsoll.evaluation.deep.document import PARTS, Ablated, Deep
from plimsoll.evaluation.deep.duplicates import Copies
from plimsoll.evaluation.deep.loss import level
from plimsoll.evaluation.deep.robustness import RATES, SPREADS, Target
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.operations.building import code_of
from plimsoll.operations.deep.attribution import asked, attributed
from plimsoll.operations.deep.duplicates import compared, copies
from plimsoll.operations.deep.ground import Ground, ground
from plimsoll.operations.deep.retraining import ablated, droppable, trained_again, trainings
from plimsoll.operations.deep.robustness import targets, troubled
from plimsoll.operations.yard import Yard
from plimsoll.training import environment, step

VERSION = 3
"""Of how items are made: results of another version are made anew."""
Progress = Callable[[int, int, str], None]
"""Items done, of how many, and the next one."""


class _Part(NamedTuple):
    """What it consists of, what makes one of these (one result or several), and of what type several are."""

    items: Callable[[Ground], Sequence[str]]
    work: Callable[[Ground, str], Any]
    several: Any


_MADE = {
    "robustness": _Part(targets, troubled, tuple[Target, ...]),
    "ablation": _Part(lambda g: list(droppable(g)), ablated, tuple[Ablated, ...]),
    "stability": _Part(lambda g: list(trainings(g)), trained_again, tuple[Churn, ...]),
    "attribution": _Part(asked, attributed, tuple[Attributed, ...]),
    "duplicates": _Part(compared, copies, tuple[Copies, ...]),
}


def evaluate(
    capability: Capability, yard: Yard, row: ReleaseRow, parts: Sequence[str], progress: Progress
) -> dict[str, Deep]:
    """Each of ``parts`` by its name. A part that cannot be made is skipped, with the reason, unless it is the only one.

    Raises UsageError for an unknown part, Refused or UsageError where the release cannot be evaluated at all.
    Costs seconds for each input, and a training for each feature, view and draw.
    """
    for part in parts:
        if part not in PARTS:
            raise UsageError(f"there is no part {part!r} of an evaluation", hint=nearest(part, PARTS))
    progress(0, 0, "reading the rows as they were")
    base = ground(capability, yard, row)
    todo, skipped = _items(base, parts)
    done, total = 0, sum(len(items) for items in todo.values())
    header = Deep(
        rows=len(base.rows),
        blocks=len(set(base.answered.blocks)),
        levels=tuple(level(metric, base.answered) for metric in base.metrics),
    )
    found = {name: msgspec.structs.replace(header, skipped={name: why}) for name, why in skipped.items()}
    for part, items in todo.items():
        made: list[Any] = []
        for item in items:
            progress(done, total, f"{part}: {item}")
            made += _item(base, part, item)
            done += 1
        found[part] = msgspec.structs.replace(header, **{part: tuple(made)})
    progress(total, total, "done")
    return found


def _items(base: Ground, parts: Sequence[str]) -> tuple[dict[str, Sequence[str]], dict[str, str]]:
    """(what is to be made of each part, why a part is not made)."""
    todo: dict[str, Sequence[str]] = {}
    skipped: dict[str, str] = {}
    for part in parts:
        try:
            todo[part] = _MADE[part].items(base)
        except (Refused, UsageError) as error:
            if len(parts) == 1:
                raise
            skipped[part] = error.message
    return todo, skipped


def _item(base: Ground, part: str, item: str) -> tuple[Any, ...]:
    yard, made = base.yard, _MADE[part]
    run = step(
        yard.catalog,
        yard.objects,
        name=f"evaluate {part}",
        inputs={
            "item": item,
            "release": base.row.digest,
            "code": code_of(base.capability),
            "metrics": [metric.id for metric in base.metrics],
            "grid": [RATES, SPREADS],
            "version": VERSION,
            "environment": environment()["digest"],
        },
        work=lambda: {"artifacts": {"item": yard.objects.put(msgspec.json.encode(_several(made.work(base, item))))}},
        clock=yard.clock,
    )
    kept = yard.objects.get(run.outputs["artifacts"]["item"])
    found: tuple[Any, ...] = msgspec.json.decode(kept, type=made.several)
    return found


def _several(found: Any) -> tuple[Any, ...]:
    return found if isinstance(found, tuple) else (found,)
