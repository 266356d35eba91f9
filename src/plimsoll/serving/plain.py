"""A question as named JSON fields, and its answer: for people who do not want tensors."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from plimsoll.errors import UsageError
from plimsoll.serving.reply import Reply


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inputs: dict[str, Any]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one question as JSON. ``score`` is null where ``action`` is ``abstain`` or ``person``: that is no
    answer. ``reason`` is empty for a plain one, else why and what stands in; ``says`` is the same in words."""

    event_id: str
    score: float | tuple[float, ...] | None
    action: str
    release: str
    asked_at: datetime
    classes: tuple[str, ...] = ()
    reason: str = ""
    says: str = ""


_encoder = msgspec.json.Encoder()


def inputs(body: bytes) -> dict[str, Any]:
    """The columns under ``inputs``. Raises UsageError."""
    found: dict[str, Any] = read_json(body, Ask).inputs
    return found


def fields(body: bytes) -> dict[str, Any]:
    """The columns as the body's own fields. Raises UsageError."""
    found: dict[str, Any] = read_json(body, dict[str, Any])
    return found


def write(reply: Reply, classes: tuple[str, ...]) -> bytes:
    event = reply.event
    said = Said(
        event_id=event.id,
        score=reply.score,
        action=event.action,
        release=reply.given.release,
        asked_at=event.at,
        classes=classes,
        reason=event.reason,
        says=reply.says,
    )
    return _encoder.encode(said)


def read_json(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"the body is not what it should be: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"the body is not valid JSON: {error}") from error
