"""The declared behaviours, run on the gate's rows through the real features and the real model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.errors import UsageError, nearest
from plimsoll.evaluation.suite.behaviour import Behaved, behaved, behaviour_evidence
from plimsoll.features import FeatureSchema, Timeline
from plimsoll.kernel.verdict import Evidence
from plimsoll.models import open_model
from plimsoll.operations.bench import Timelines
from plimsoll.operations.building import Built
from plimsoll.operations.measuring import Scored
from plimsoll.operations.remaking import remade
from plimsoll.operations.yard import Yard
from plimsoll.suite import Behaviour

MOST = 20_000
"""Rows that a behaviour is asked on, spread evenly over the gate's."""
Rows = dict[str, Any]


def behaviours(
    capability: Capability, built: Built, answers: Scored | None, yard: Yard, timelines: Timelines
) -> tuple[Behaved, ...]:
    """What came of each declared behaviour, in their order."""
    if answers is None or not capability.behaviours:
        return ()
    yard.say(f"asking {len(capability.behaviours)} behaviours")
    lines = timelines.for_schema(built.schema, capability.known_views, built.taken)
    engine, _ = open_model(built.manifest, yard.objects, yard.trust)
    rows = _rows_by_name(built, answers)
    return tuple(_asked(b, capability, built, answers, rows, lines, engine) for b in capability.behaviours)


def behaviours_evidence(capability: Capability, found: tuple[Behaved, ...], built: Built) -> Iterator[Evidence]:
    """For the gate. A behaviour of features that this release has not says nothing about it, and is left out; of a release
    that must not be measured (it leaks) there is nothing to judge by."""
    if not found:
        return
    for behaviour, came in zip(capability.behaviours, found, strict=True):
        if not came.note:
            yield behaviour_evidence(came, behaviour.requirement, built.manifest.digest, built.problems)


def _asked(
    behaviour: Behaviour,
    capability: Capability,
    built: Built,
    answers: Scored,
    rows: Rows,
    lines: Mapping[str, Timeline],
    engine: Any,
) -> Behaved:
    if lacking := [name for name in behaviour.change if name not in rows]:
        return Behaved(
            name=behaviour.name,
            kind=behaviour.kind,
            fails=behaviour.fails,
            rows=0,
            failing=0,
            note=f"this release has no {', '.join(lacking)}",
        )
    places = _places(behaviour, rows, len(answers.rows))
    some = {name: values[places] for name, values in rows.items()}
    X = _changed(behaviour, built.schema, some, answers.rows.X[places], answers.rows.asked_at[places], lines)
    units = answers.rows.units[places]
    if capability.source.unit in built.taken[capability.source.name].contract.redacted:
        units = np.full(len(units), "", dtype=object)
    return behaved(
        behaviour,
        answers.scores[places],
        engine.predict(X) if len(places) else answers.scores[places],
        answers.rows.blocks[places],
        units,
        tuple(capability.task.classes),
    )


def _rows_by_name(built: Built, answers: Scored) -> Rows:
    """The question's columns, and the features under names that no column has."""
    features = dict(zip(answers.rows.names, answers.rows.X.T.astype(np.float64), strict=True))
    return {**features, **built.parts.gate.columns}


def _places(behaviour: Behaviour, rows: Rows, count: int) -> NDArray[np.int64]:
    chosen = np.ones(count, dtype=np.bool_)
    if behaviour.where is not None:
        chosen = np.asarray(_called(behaviour, "where", behaviour.where, rows), dtype=np.bool_)
        if chosen.shape != (count,):
            raise UsageError(f"{behaviour}: where gave an array of shape {chosen.shape} for {count:,} rows")
    places = np.flatnonzero(chosen)
    if len(places) <= MOST:
        return places
    return np.asarray(places[np.linspace(0, len(places) - 1, MOST).astype(np.int64)])


def _changed(
    behaviour: Behaviour,
    schema: FeatureSchema,
    rows: Rows,
    X: NDArray[np.float32],
    asked_at: NDArray[np.datetime64],
    lines: Mapping[str, Timeline],
) -> NDArray[np.float32]:
    """The matrix after the change: what is made from a changed column made again, then the changed features."""
    new = {name: _column(behaviour, name, value, rows) for name, value in behaviour.change.items()}
    columns = {name: values for name, values in new.items() if name in schema.columns}
    X = remade(schema, {**rows, **columns}, set(columns), X, asked_at, lines)
    for name, values in new.items():
        if name in columns:
            continue
        if name not in schema.names:
            raise UsageError(
                f"{behaviour}: {name!r} is neither a feature nor a column that a feature reads: changing it changes nothing",
                hint=nearest(name, [*schema.columns, *schema.names]),
            )
        X[:, schema.names.index(name)] = values.astype(np.float32)
    return X


def _column(behaviour: Behaviour, name: str, value: Any, rows: Rows) -> NDArray[Any]:
    count, kind = len(rows[name]), rows[name].dtype.kind
    if callable(value):
        made = np.asarray(_called(behaviour, name, value, rows))
        if made.shape != (count,):
            raise UsageError(f"{behaviour}: the change of {name!r} gave shape {made.shape} for {count:,} rows")
        return made
    if value is None and kind == "f":
        return np.full(count, np.nan)
    return np.full(count, value, dtype=object if value is None or isinstance(value, str) else None)


def _called(behaviour: Behaviour, what: str, function: Any, rows: Rows) -> Any:
    try:
        return function(dict(rows))
    except Exception as error:
        raise UsageError(f"{behaviour}: {what} raised {type(error).__name__}: {error}") from error
