"""A built release looked into: where it is weak, and which rows it gets wrong. For people; the gate judges elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.errors import UsageError
from plimsoll.evaluation.suite.behaviour import Behaved
from plimsoll.evaluation.suite.bins import Binned, binned
from plimsoll.evaluation.suite.examination import Examination, losses_of
from plimsoll.evaluation.suite.failures import Failures, Rows, because, failures, places
from plimsoll.evaluation.suite.fairness import Fairness
from plimsoll.evaluation.suite.weak import Weak, weak_segments
from plimsoll.kernel.digest import rounded
from plimsoll.models import contributions, is_made_of_trees
from plimsoll.operations.bench import numbered
from plimsoll.operations.building import Built
from plimsoll.operations.measuring import Scored
from plimsoll.operations.yard import Yard


def examined(
    capability: Capability,
    built: Built,
    answers: Scored | None,
    came: tuple[Behaved, ...],
    groups: tuple[Fairness, ...],
    yard: Yard,
) -> Examination | None:
    """What a report shows beside the measures; None where nothing may be measured."""
    if answers is None:
        return None
    hidden = built.taken[capability.source.name].contract.redacted
    gate = answers.rows
    if gate.group:  # no row of a ranking is right or wrong by itself
        return Examination(behaviours=came, groups=groups, failures=None, weak=())
    metric, losses = losses_of(capability.task.kind, answers.scores, gate.y)
    rows = Rows(
        units=[""] * len(gate) if capability.source.unit in hidden else gate.units.tolist(),
        asked_at=gate.asked_at,
        scores=answers.scores,
        labels=gate.y,
        others=_told_apart(answers),
        classes=capability.task.classes,
    )
    parts = named_parts(built, answers, hidden)
    return Examination(
        behaviours=came,
        groups=groups,
        failures=_because(built, answers, failures(losses, metric, parts, rows), yard),
        weak=_weak(capability, answers, metric, losses, parts),
    )


MOST_LEAVES, BACKGROUND, SHOWN = 50_000, 2_000, 3
"""A larger forest is left to a deep evaluation. Rows by which what is not known is averaged over. Features of a row."""


def _because(built: Built, answers: Scored, found: Failures | None, yard: Yard) -> Failures | None:
    """With the features that moved each answer most, where the model is made of trees."""
    model = yard.objects.get(built.manifest.artifacts["model"])
    if found is None or not is_made_of_trees(model, most_leaves=MOST_LEAVES):
        return found
    rows, shown = answers.rows, places(found)
    step = -(-len(rows) // BACKGROUND)
    try:
        parts = contributions(model, rows.X[shown], rows.X[::step])
    except UsageError:  # trees, and something after them: there is nothing to tell
        return found
    happened = rows.y[shown].astype(np.int64) if parts.values.shape[1] > 1 else np.zeros(len(shown), dtype=np.int64)
    told = {}
    for place, output, values in zip(shown, happened.tolist(), parts.values, strict=True):
        largest = np.argsort(-np.abs(values[output]), kind="stable")[:SHOWN]
        told[place] = tuple((rows.names[f], rounded(float(values[output, f]))) for f in largest.tolist())
    return because(found, told, parts.unit)


def _weak(
    capability: Capability, answers: Scored, metric: str, losses: NDArray[np.float64], parts: Binned
) -> tuple[Weak, ...]:
    """Where it loses, and where it loses against each comparator."""
    y = answers.rows.y
    place = numbered(answers.rows.blocks)
    made = [weak_segments(metric, losses, place, parts)]
    for role, scores in _told_apart(answers).items():
        beside = losses_of(capability.task.kind, scores, y)[1]
        made.append(weak_segments(metric, losses - beside, place, parts, against=role))
    return tuple(made)


def named_parts(built: Built, answers: Scored, hidden: Mapping[str, str]) -> Binned:
    """The features in parts; those made from columns that its contract does not let be recorded are left out."""
    gate, private = answers.rows, built.schema.nulls(hidden)
    shown = [place for place in range(len(gate.names)) if place not in private]
    return binned(gate.X[:, shown], [gate.names[place] for place in shown], built.schema.levels)


def _told_apart(answers: Scored) -> dict[str, Any]:
    """Until there is a champion the fallback stands in for it: it is shown once."""
    champion, fallback = (answers.comparators.get(role) for role in ("champion", "fallback"))
    if champion is not None and fallback is not None and (champion == fallback).all():
        return {"fallback": fallback}
    return dict(answers.comparators)
