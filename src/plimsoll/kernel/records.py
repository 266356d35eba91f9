"""What is written down: questions, events, outcomes, evidence's raw material. Plain, frozen, one codec (msgspec).

An **event** is one answered request, written before its answer leaves. What other releases said *beside* it
(shadow, comparators) follows in a ``Beside`` record, because nobody waits for them. An **outcome** comes later,
perhaps never. All three join by the event's id.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

FALLBACK = "fallback"
"""The name that release zero, the capability's declared fallback, answers under."""

Role = Literal["live", "canary", "shadow", "beside", "fallback"]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One request after the edge has parsed it. ``inputs`` are the named columns that the caller sent.

    ``unit`` is whom the answer is sticky to; ``block`` is what may be taken as independent of other blocks (a
    local day, say); both are derived from the capability's declaration, never sent on trust.
    """

    id: str
    unit: str
    asked_at: datetime
    block: str
    inputs: dict[str, Any]
    tenant: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one release said. ``score`` is a probability (binary), probabilities (multiclass) or a value (regression).

    ``features`` holds the row that the model saw, float32 little-endian in the order of the release's schema; it is
    what offline/online skew is judged from. ``error`` is a short reason; an answer with an error has no score.
    """

    release: str
    role: Role
    score: float | tuple[float, ...] | None = None
    latency_ms: float = 0.0
    error: str = ""
    features: bytes = b""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag="event", omit_defaults=True):
    """One answered request. ``action`` is what the caller got: the model's answer, an abstention, the fallback's."""

    id: str
    capability: str
    at: datetime
    block: str
    unit: str
    inputs: dict[str, Any]
    served: Answer
    action: Literal["answer", "abstain", "fallback"] = "answer"
    tenant: str = ""
    rollout: str = ""


class Beside(msgspec.Struct, frozen=True, kw_only=True, tag="beside"):
    """What other releases said to the same question, without anybody waiting for it."""

    event: str
    answers: tuple[Answer, ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome"):
    """What later turned out. ``at`` is when it became known. The first outcome of an event counts; later ones are
    kept and counted as ``duplicate`` or, where they differ, ``conflicting``."""

    event: str
    label: float
    at: datetime


Record = Event | Beside | Outcome
