"""Replies written as an inference response: one row a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from plimsoll.serving.pipeline import Reply

if TYPE_CHECKING:
    from plimsoll.serving.oip.reading import InferRequest

_encoder = msgspec.json.Encoder()
SCORE = {"binary": "probability", "multiclass": "probabilities", "regression": "value"}


def output_names(task: str) -> tuple[str, ...]:
    return (SCORE[task], "release", "action", "event_id")


def write_reply(model: str, request: InferRequest, replies: Sequence[Reply], task: str) -> bytes:
    """The response: one row a question. The score is given with its action: a score to ``abstain`` on is no answer."""
    scores = [reply.given.score for reply in replies]
    rows = len(replies)
    width = len(scores[0]) if isinstance(scores[0], tuple) else 0
    flat = [p for score in scores for p in score] if width else scores  # type: ignore[union-attr]
    shape = [rows, width] if width else [rows]
    outputs = [
        _tensor(SCORE[task], shape, "FP64", flat),
        _tensor("release", [rows], "BYTES", [r.given.release for r in replies]),
        _tensor("action", [rows], "BYTES", [r.event.action for r in replies]),
        _tensor("event_id", [rows], "BYTES", [r.event.id for r in replies]),
    ]
    body: dict[str, Any] = {"model_name": model, "outputs": _chosen(outputs, request.outputs)}
    if request.id:
        body["id"] = request.id
    return _encoder.encode(body)


def _chosen(outputs: list[dict[str, Any]], wanted: Sequence[str]) -> list[dict[str, Any]]:
    return [o for o in outputs if o["name"] in wanted] if wanted else outputs


def _tensor(name: str, shape: Sequence[int], datatype: str, data: Sequence[Any]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}
