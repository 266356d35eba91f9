"""What is written down: questions, events, outcomes, evidence's raw material. Plain, frozen, one codec (msgspec).

An **event** is one answered request, written before its answer leaves. What other releases said *beside* it
(shadow, comparators) follows in a ``Beside`` record, because nobody waits for them. An **outcome** comes later,
perhaps never. All three join by the event's id.

The garbage collector does not look at them (``gc=False``): no record can be part of a cycle, and going through a million of
them again and again costs more than decoding them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

FALLBACK = "fallback"
"""The name that release zero, the capability's declared fallback, answers under."""
ITSELF = "itself"
"""Whom a release is compared with where its own answers are held against each other."""

Role = Literal["live", "canary", "shadow", "beside", "fallback", "asked"]
"""As what a release answered. ``asked``: somebody asked for it by its name; no rollout chose it, and no verdict rests on it."""
Action = Literal["answer", "abstain", "person", "fallback"]
"""What the caller got: the release's answer, none, the advice to ask a person, or what stands in for an answer."""

STAGES = ("admit", "parse", "cache", "wait", "features", "engine", "policy")
"""The stages of a request that its event times, in their order. ``wait`` is for the micro-batch. Recording and
rendering come after the event is written: the metrics have them."""


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
    principal: str = ""
    trace_id: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
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


class Event(msgspec.Struct, frozen=True, kw_only=True, tag="event", omit_defaults=True, gc=False):
    """One answered request: who asked, which release answered, what the caller got and why.

    ``served.role`` and ``rollout`` (the candidate's release) together are the variant. A field at its default is not
    written, so that what an older program recorded reads as what it was: unknown.
    """

    id: str
    capability: str
    at: datetime
    block: str
    unit: str
    inputs: dict[str, Any]
    served: Answer
    action: Action = "answer"
    tenant: str = ""
    rollout: str = ""
    principal: str = ""
    """Who asked: the name of the credential, never the credential."""
    confidence: float | None = None
    """How sure the answer was, 0–1, as the answer policy saw it."""
    reason: str = ""
    """Why the caller got this action, as one of the policy's words; empty for a plain answer."""
    stages_us: tuple[int, ...] = ()
    """Microseconds in each of STAGES. Whole ones: a float is nine bytes on the disk, these are one to three."""
    feature_ages_s: dict[str, float] = {}
    """How old each view's row was when it was looked up."""
    cost_usd: float = 0.0
    trace_id: str = ""
    """The W3C trace, 32 hex digits, if it was sampled."""
    cached: bool = False
    """Whether the answer came out of the response cache: nothing was computed, so nothing can be compared."""
    payload: bool = True
    """False where ``inputs`` and ``served.features`` were left out by sampling: the event counts all the same."""


class Beside(msgspec.Struct, frozen=True, kw_only=True, tag="beside", gc=False):
    """What other releases said to the same question, without anybody waiting for it."""

    event: str
    answers: tuple[Answer, ...]


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome", omit_defaults=True, gc=False):
    """What later turned out. ``at`` is when it became known; ``values`` are further numbers of it, by name (what was paid,
    how many items). The first outcome of an event counts; later ones are kept and counted as ``duplicate`` or, where their
    labels differ, ``conflicting``."""

    event: str
    label: float
    at: datetime
    values: dict[str, float] = {}


Record = Event | Beside | Outcome
