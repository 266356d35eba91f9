"""What the label says about itself: its classes, what to answer without a model, how much worse is still acceptable."""

from __future__ import annotations

import math

from plimsoll.errors import UsageError
from plimsoll.scaffold.plan import TaskKind, tidy
from plimsoll.scaffold.rows import Rows, quoted

MOST_CLASSES = 50
MARGIN_NATS = 0.01
MARGIN_SPREAD = 0.02
"""For a number: this share of the label's standard deviation."""


def classes_of(rows: Rows, task: TaskKind, label: str) -> tuple[str, ...]:
    """The classes of a multiclass label, sorted; nothing for the other tasks. Raises UsageError if the label does not fit."""
    kind, distinct = rows.columns[label].type, rows.columns[label].distinct
    if task == "regression" and kind not in ("number", "integer"):
        raise UsageError(f"the label {label!r} of a regression must be a number; it is {kind}")
    if task == "binary":
        _check_binary(rows, label)
    if task != "multiclass":
        return ()
    if not 2 <= distinct <= MOST_CLASSES:
        raise UsageError(
            f"the label {label!r} has {distinct} different values; a multiclass task takes 2 to {MOST_CLASSES}",
            hint="use --task regression for a number",
        )
    name = quoted(label)
    found = rows.all(f"SELECT DISTINCT {name}::VARCHAR FROM rows WHERE {name} IS NOT NULL ORDER BY 1")
    return tuple(str(value[0]) for value in found)


def base_of(rows: Rows, task: TaskKind, label: str, classes: tuple[str, ...]) -> tuple[float, ...]:
    """What the fallback answers: P(true), one probability a class, or the median."""
    name = quoted(label)
    if task == "regression":
        return (round(_float(rows.one(f"SELECT median({name}) FROM rows")[0]), 6),)
    if task == "binary":
        rate = _float(rows.one(f"SELECT avg({name}::DOUBLE) FROM rows")[0])
        return (round(min(0.999, max(0.001, rate)), 4),)  # never certain: a sure mistake costs infinitely much
    counts = {str(k): _float(n) for k, n in rows.all(f"SELECT {name}::VARCHAR, count({name}) FROM rows GROUP BY 1")}
    shares = [round(counts[c] / sum(counts.values()), 4) for c in classes]
    return (*shares[:-1], round(1 - sum(shares[:-1]), 4))


def margin_of(rows: Rows, task: TaskKind, label: str) -> float:
    """How much worse a release may be: nats of log loss, or the label's unit."""
    if task != "regression":
        return MARGIN_NATS
    return tidy(MARGIN_SPREAD * _float(rows.one(f"SELECT stddev({quoted(label)}) FROM rows")[0]))


def maturity_h_of(rows: Rows, asked_at: str, known_at: str | None, *, otherwise: int) -> int:
    """Hours until nearly every label has come: the 99.9th percentile, where the rows say it."""
    if known_at is None:
        return otherwise
    lag = f"date_diff('second', {quoted(asked_at)}::TIMESTAMP, {quoted(known_at)}::TIMESTAMP)"
    return max(1, math.ceil(_float(rows.one(f"SELECT quantile_cont({lag}, 0.999) FROM rows")[0]) / 3600))


def _check_binary(rows: Rows, label: str) -> None:
    kind = rows.columns[label].type
    if kind == "boolean":
        return
    name = quoted(label)
    found = rows.all(f"SELECT DISTINCT {name}::VARCHAR FROM rows WHERE {name} IS NOT NULL ORDER BY 1 LIMIT 4")
    values = [str(v[0]) for v in found]
    if kind == "string" or {v.removesuffix(".0") for v in values} - {"0", "1"}:
        raise UsageError(
            f"the label {label!r} of a binary task must be 0 or 1; it has {', '.join(values[:3])}, …",
            hint="use --task multiclass or --task regression, or write the label as 0 and 1",
        )


def _float(value: object) -> float:
    return float(str(value)) if value is not None else 0.0
