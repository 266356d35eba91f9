"""Replies as output tensors: one row a question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from plimsoll.serving.reply import Reply

SCORE = {"binary": "probability", "multiclass": "probabilities", "regression": "value"}


class Output(NamedTuple):
    """One tensor of the response; ``data`` is flat."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Sequence[Any]


ON_REQUEST = "says"
"""The reason in words: sent to who asks for it by name, since it is longer than all the rest together."""


def output_names(task: str) -> tuple[str, ...]:
    return (SCORE[task], "release", "action", "event_id", "reason", "says")


def outputs_of(replies: Sequence[Reply], task: str) -> dict[str, Output]:
    """Every output, by name. The score is given with its action: a score to ``abstain`` on is no answer; where there is
    none, it is not a number."""
    scores = [reply.given.score for reply in replies]
    rows = len(replies)
    width = next((len(score) for score in scores if isinstance(score, tuple)), 0)
    if None in scores:
        scores = [((_NONE,) * width if width else _NONE) if score is None else score for score in scores]
    flat = [p for score in scores for p in score] if width else scores  # type: ignore[union-attr]
    made = (
        Output(SCORE[task], "FP64", (rows, width) if width else (rows,), flat),
        Output("release", "BYTES", (rows,), [r.given.release for r in replies]),
        Output("action", "BYTES", (rows,), [r.action for r in replies]),
        Output("event_id", "BYTES", (rows,), [r.id for r in replies]),
        Output("reason", "BYTES", (rows,), [r.reason for r in replies]),
        Output(ON_REQUEST, "BYTES", (rows,), [r.says for r in replies]),
    )
    return {output.name: output for output in made}


_NONE = math.nan
