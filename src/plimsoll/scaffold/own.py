"""A plan from a user's own rows, with a model or a pipeline of theirs: what can be told from the file is told.

What cannot be told is said: when a column becomes known is taken to be *with the question*, and the README asks the
user to check it. Timestamps other than the question's are never features, since most of them are outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from plimsoll.errors import UsageError, nearest
from plimsoll.scaffold.given import estimator_of, model_width
from plimsoll.scaffold.labels import base_of, classes_of, margin_of, maturity_h_of
from plimsoll.scaffold.plan import Column, InputKind, Plan, TaskKind
from plimsoll.scaffold.rows import Rows, Seen, quoted

GATE_BLOCKS = 14
LEAST_BLOCKS = 7
"""What a verdict over blocks needs at least (the kernel's policy)."""

MOST_LEVELS = 200
"""A text column with more values than this is taken for a name, not a category."""

KNOWN_H = 24
MATURITY_H = 36


def own_plan(
    name: str,
    task: TaskKind,
    *,
    data: Path,
    label: str,
    asked_at: str | None = None,
    unit: str | None = None,
    known_at: str | None = None,
    inputs: Sequence[str] = (),
    model: Path | None = None,
    estimator: str | None = None,
) -> Plan:
    """The plan of a capability over ``data``, around a ``model`` file or an ``estimator`` (``file.py:name``).

    Raises UsageError naming the column, the file or the option that does not fit.
    """
    rows = Rows(data)
    for column in (label, *inputs, *(c for c in (asked_at, unit, known_at) if c)):
        if column not in rows.columns:
            raise UsageError(f"{data.name} has no column {column!r}", hint=nearest(column, rows.columns))
    asked = asked_at or _asked_at(rows, known_at)
    block, gate_blocks = _blocks(rows, asked)
    who = unit or _unit(rows, {label, asked, known_at, *inputs})
    taken = {label, asked, who, known_at}
    features = _named(rows, inputs) if inputs else _found(rows, taken, numbers_only=model is not None)
    if model is not None:
        _check_width(model, features)
    classes = classes_of(rows, task, label)
    return Plan(
        name=name,
        task=task,
        question=f"What will {label} be? Asked at {asked}.",
        unit=who,
        asked_at=asked,
        label=label,
        columns=_columns(rows, features, who, asked, label, known_at),
        rows=f"data/{name}{data.suffix.lower()}",
        base=base_of(rows, task, label, classes),
        metric="mae" if task == "regression" else "log_loss",
        margin=margin_of(rows, task, label),
        classes=classes,
        block=block,
        gate_blocks=gate_blocks,
        maturity_h=maturity_h_of(rows, asked, known_at, otherwise=MATURITY_H),
        model=model,
        estimator=estimator_of(estimator) if estimator else None,
        data=data,
        notes=_notes(rows, features, taken, known_at, fitted=model is not None),
    )


def _asked_at(rows: Rows, known_at: str | None) -> str:
    times = [c.name for c in rows.columns.values() if c.type == "timestamp" and c.name != known_at]
    if len(times) == 1:
        return times[0]
    found = f"the timestamp columns are {', '.join(times)}" if times else "no column is a timestamp"
    raise UsageError(f"when was each row asked? {found}", hint="name the column: --asked-at COLUMN")


def _unit(rows: Rows, taken: set[str | None]) -> str:
    for column in rows.columns.values():
        if column.type in ("string", "integer") and column.name not in taken and column.distinct == rows.total:
            return column.name
    raise UsageError(
        f"no column of {rows.path.name} is different in all {rows.total:,} rows",
        hint="name one that identifies a row: --unit COLUMN (or add a row number to the file)",
    )


def _blocks(rows: Rows, asked: str) -> tuple[str, int]:
    """The longest block of which there are enough, and how many of them the gate gets. The rest is for training."""
    if rows.columns[asked].type != "timestamp":
        raise UsageError(
            f"{asked} holds {rows.columns[asked].type} values, not timestamps",
            hint="write them as 2025-01-31 14:05:00 (UTC)",
        )
    found = 0
    for block in ("day", "hour"):
        found = rows.count(f"count(DISTINCT date_trunc('{block}', {quoted(asked)}))")
        if found >= 2 * LEAST_BLOCKS + 2:
            return block, min(GATE_BLOCKS, (found - 2) // 2)
    raise UsageError(
        f"the rows cover {found} hours; a verdict needs {LEAST_BLOCKS} hours or days to judge on, and as many before",
        hint="bring rows over a longer time: rows of one hour are not independent evidence",
    )


def _named(rows: Rows, inputs: Sequence[str]) -> dict[str, InputKind]:
    """The columns that the user named, in their order."""
    kinds = {name: _kind(rows.columns[name]) for name in inputs}
    for name, kind in kinds.items():
        if not kind:
            raise UsageError(f"--inputs {name}: a {rows.columns[name].type} column cannot be a feature as it is")
    return kinds


def _found(rows: Rows, taken: set[str | None], *, numbers_only: bool) -> dict[str, InputKind]:
    """Every column that can be a feature, in the order of the file."""
    free = [c for c in rows.columns.values() if c.name not in taken and c.distinct <= _most(c)]
    kinds: dict[str, InputKind] = {
        c.name: kind for c in free if (kind := _kind(c)) and (kind == "number" or not numbers_only)
    }
    if not kinds:
        raise UsageError(f"{rows.path.name} has no column that could be a feature", hint="name them: --inputs A B C")
    return kinds


def _most(column: Seen) -> float:
    return MOST_LEVELS if column.type == "string" else float("inf")


def _kind(column: Seen) -> InputKind:
    if column.type in ("number", "integer", "boolean"):
        return "number"
    return "category" if column.type == "string" else ""


def _check_width(model: Path, features: Mapping[str, InputKind]) -> None:
    width = model_width(model)
    if width is not None and width != len(features):
        raise UsageError(
            f"{model.name} takes {width} features, not {len(features)} ({', '.join(features)})",
            hint="name the columns in the model's order: --inputs A B C",
        )


def _columns(
    rows: Rows, features: Mapping[str, InputKind], unit: str, asked: str, label: str, known_at: str | None
) -> tuple[Column, ...]:
    """The contract's columns. One whose known time nobody gave says nothing, so that it can never be a feature."""
    later = f'{{column: "{known_at}"}}' if known_at else f'{{column: asked_at, offset: "PT{KNOWN_H}H"}}'
    known = {label: later, known_at: later} | dict.fromkeys((*features, unit, asked), "asked_at")
    ordered = [rows.columns[name] for name in (*features, *(n for n in rows.columns if n not in features))]
    return tuple(
        Column(
            name=c.name,
            type=c.type,
            input=features.get(c.name, ""),
            required=c.name in (unit, asked) or (c.nulls == 0 and c.name in features),
            unique=c.name == unit,
            known_at=known.get(c.name, ""),
        )
        for c in ordered
    )


def _notes(
    rows: Rows, features: Mapping[str, InputKind], taken: set[str | None], known_at: str | None, *, fitted: bool
) -> tuple[str, ...]:
    notes = [
        f"Every input ({', '.join(features)}) is taken to be known when the question is asked. Correct `knownAt` in "
        "the contract for those that are not: a release that uses them is then invalid, as it should be."
    ]
    if known_at is None:
        notes.append(f"The label is taken to be known {KNOWN_H} hours after the question; --known-at names a column.")
    if fitted:
        notes.append(
            "The gate judges on the last blocks of these rows. If the model was trained on them, its verdict is worth "
            "nothing: bring rows that are later than its training data."
        )
    if left_out := [n for n in rows.columns if n not in features and n not in taken]:
        notes.append(f"Not used as inputs: {', '.join(left_out)}. Name what the model takes with --inputs.")
    return tuple(notes)
