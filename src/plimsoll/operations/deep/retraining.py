"""What each part of the features is worth, and what another training changes: the declaration trained another way."""

from __future__ import annotations

import msgspec

from plimsoll.errors import UsageError
from plimsoll.evaluation.deep.churn import Churn, churn
from plimsoll.evaluation.deep.document import Ablated
from plimsoll.evaluation.deep.loss import loss, mean_move
from plimsoll.operations.deep.ground import Ground
from plimsoll.operations.deep.variant import Variant, answers_of

TRAININGS = 3
"""With other seeds, and as many on other draws of the training blocks."""


def droppable(ground: Ground) -> dict[str, tuple[str, ...]]:
    """What can be left out by itself → its features: each view, and each feature of the question's own.

    Raises Refused where nothing is trained, UsageError where a single one is all there is.
    """
    ground.check_it_can_be_trained()
    schema = ground.again.schema
    found = {f"view {b.view}": b.names for b in schema.views} | {f"feature {f.name}": (f.name,) for f in schema.inputs}
    if len(found) < 2:
        raise UsageError(
            f"{ground.capability.name}: {next(iter(found), 'nothing')} is all that it learns from: without it there is "
            "nothing to train on, so what it is worth is what the release is worth against its fallback"
        )
    return found


def ablated(ground: Ground, name: str) -> Ablated:
    """The release trained without ``name``, one of ``droppable``."""
    features = droppable(ground)[name]
    of, _, called = name.partition(" ")
    found = Ablated(name=called, of="view" if of == "view" else "feature", features=features)
    try:
        scores = answers_of(ground, Variant(without=features))
    except UsageError as error:  # a train function that counts on every feature: a finding about it
        return msgspec.structs.replace(found, note=error.message)
    losses = tuple(loss(metric, ground.answered, scores) for metric in ground.metrics)
    return msgspec.structs.replace(found, moved=mean_move(ground.answered, scores), losses=losses)


def trainings(ground: Ground) -> dict[str, Variant]:
    """The other trainings, by what they are called. Raises Refused where nothing is trained."""
    ground.check_it_can_be_trained()
    seed = ground.capability.seed
    seeds = {f"seed {seed + n}": Variant(seed=seed + n) for n in range(1, TRAININGS + 1)}
    return seeds | {f"blocks drawn anew ({n})": Variant(draw=n) for n in range(1, TRAININGS + 1)}


def trained_again(ground: Ground, name: str) -> Churn:
    """How one of ``trainings`` answers, beside the release."""
    scores = answers_of(ground, trainings(ground)[name])
    return churn(name, ground.answered, scores, ground.metrics, ground.rows.slices)
