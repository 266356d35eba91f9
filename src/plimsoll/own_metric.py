"""A metric of your own: a function with a unit and a direction, measured, judged and replayed as ours are.

No registry holds it. A requirement is given the metric itself and keeps its *id*: the name and a digest of its
definition (``profit@3f2a91bc04de``). So evidence says by which definition it was measured, a verdict replays without
the code, and two capabilities may each have a ``profit``. Ours are ids without a digest, and change with the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import InvalidDeclaration, UsageError, nearest
from plimsoll.features.source import source_digest
from plimsoll.kernel.digest import digest, short
from plimsoll.stats.metric import BINARY, MULTICLASS, REGRESSION, Metric, OfSums, Rows, Sums, Whole
from plimsoll.stats.metrics import METRICS

Floats = NDArray[np.float64]
Function = Callable[..., Any]
TASKS = (BINARY, MULTICLASS, REGRESSION)


def metric(
    *,
    unit: str,
    higher_is_better: bool,
    tasks: Sequence[str],
    of_sums: Function | None = None,
    whole: bool = False,
    slope: float | None = None,
    name: str = "",
) -> Callable[[Function], Metric]:
    """Make a Metric of the decorated ``(scores, labels)``, whose docstring's first line says what it means.

    It gives one value a row, and the metric is their mean. With ``of_sums`` it gives a few numbers a row, shape (n, k):
    they are summed, and ``of_sums(sums)`` makes the metric of them (the k on the last axis). With ``whole`` it gives
    the metric itself, from all rows at once. It is never given a row without a label. A regression's value per row must
    be a convex function of label − score, and ``slope`` the most that it changes for a unit of the score; one that is
    not is given through ``of_sums``. Raises InvalidDeclaration for what cannot be a metric.
    """

    def made(function: Function) -> Metric:
        called = name or function.__name__
        _check(called, unit, tasks, function, whole and of_sums is not None, slope)
        declared = [called, unit, higher_is_better, sorted(tasks), whole, slope]
        code = [source_digest(f) for f in (function, of_sums) if f is not None]
        sums = None if of_sums is None else Sums(of=_parts(called, function), value=_value(called, of_sums))
        rows = None if whole or sums else _rows(called, function)
        return Metric(
            name=called,
            unit=unit,
            higher_is_better=higher_is_better,
            operational=False,
            needs_label=True,
            tasks=tuple(tasks),
            rows=rows,
            whole=OfSums(sums) if sums else _whole(called, function) if whole else None,
            description=(function.__doc__ or "").strip().split("\n")[0],
            sums=sums,
            slope=1.0 if slope is None else slope,
            version=short(digest([declared, code])),
        )

    return made


def _check(name: str, unit: str, tasks: Sequence[str], function: Function, twice: bool, slope: float | None) -> None:
    if not name.isidentifier() or name in METRICS:
        raise InvalidDeclaration(f"metric {name!r}: the name must be a Python identifier that no metric of ours has")
    if not unit or not (function.__doc__ or "").strip():
        raise InvalidDeclaration(f"metric {name!r}: give it a unit, and a docstring that says what it means")
    if not tasks or isinstance(tasks, str):
        raise InvalidDeclaration(f"metric {name!r}: tasks={tasks!r}", hint=f"give a list of {', '.join(TASKS)}")
    for task in tasks:
        if task not in TASKS:
            raise InvalidDeclaration(f"metric {name!r}: there is no task {task!r}", hint=nearest(task, TASKS))
    if twice:
        raise InvalidDeclaration(f"metric {name!r}: whole=True and of_sums=…: it is measured in one way")
    if slope is not None and not slope > 0:
        raise InvalidDeclaration(
            f"metric {name!r}: slope={slope:g}: a value that changes with the score has one above 0"
        )


def _rows(name: str, function: Function) -> Rows:
    def rows(scores: Any, labels: Any) -> Floats:
        s, y, known = _known(scores, labels)
        values = np.full(len(known), np.nan)
        values[known] = _measured(name, function, (int(known.sum()),), s, y)
        return values

    return rows


def _parts(name: str, function: Function) -> Callable[[Any, Any, Any, int], Floats]:
    def parts(scores: Any, labels: Any, codes: Any, count: int) -> Floats:
        s, y, known = _known(scores, labels)
        values = _measured(name, function, (int(known.sum()), -1), s, y)
        cut = np.asarray(codes)[known]
        return np.stack([np.bincount(cut, weights=column, minlength=count) for column in values.T], axis=-1)

    return parts


def _value(name: str, function: Function) -> Callable[[Any], Floats]:
    def value(sums: Any) -> Floats:
        found = _called(name, function, np.asarray(sums, dtype=np.float64))
        return np.where(np.isfinite(found), found, np.nan)  # a share of nothing has no value

    return value


def _whole(name: str, function: Function) -> Whole:
    def whole(scores: Any, labels: Any) -> float:
        s, y, _ = _known(scores, labels)
        if not len(y):
            return float("nan")
        found = _called(name, function, s, y)
        if found.shape:
            raise UsageError(f"the metric {name} gave an array of shape {found.shape}; whole=True gives one number")
        return float(found) if np.isfinite(found) else float("nan")

    return whole


def _known(scores: Any, labels: Any) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    s, y = np.array(scores, dtype=np.float64), np.array(labels, dtype=np.float64)  # copies: theirs to spoil
    known = ~np.isnan(y)
    return s[known], y[known], known


def _measured(name: str, function: Function, shape: tuple[int, ...], *given: Any) -> Floats:
    """One finite value (or k) a row, or UsageError. −1 in ``shape`` stands for any number."""
    found = _called(name, function, *given)
    if found.ndim != len(shape) or found.shape[0] != shape[0]:
        raise UsageError(
            f"the metric {name} gave an array of shape {found.shape} for {shape[0]:,} rows",
            hint="give one value for each row, or say whole=True" if len(shape) == 1 else "give k numbers for each row",
        )
    if not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found.reshape(shape[0], -1)).all(axis=1))[0])
        raise UsageError(
            f"the metric {name} gave {found[row]} for the score {given[0][row]} and the label {given[1][row]:g}",
            hint="every labelled row has a finite value; say in the metric what an impossible one is worth",
        )
    return found


def _called(name: str, function: Function, *given: Any) -> Floats:
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(function(*given), dtype=np.float64)
    except Exception as error:
        raise UsageError(f"the metric {name} raised {type(error).__name__}: {error}") from error
