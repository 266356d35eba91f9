"""What a server writes to its log: lines for people, or one JSON object a line for machines.

Neither has an input, an output or a secret in it. An exception is logged by its type and where it was raised; its text may
repeat what a caller sent, and stays out. Who wants to see a question looks at its event, which has rules for that.
"""

from __future__ import annotations

import logging
import math
import random
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TextIO

import msgspec

from plimsoll.kernel.digest import short
from plimsoll.kernel.records import STAGES, Event
from plimsoll.serving.drawing import Drawn

if TYPE_CHECKING:
    from plimsoll.serving.reply import Reply

FIELDS = ("event_id", "trace_id", "capability", "release", "tenant", "action", "reason", "duration_ms", "stages_us")
"""What a line may carry beside its message. The id of a request is its event's, which came with the answer."""

Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
_encoder = msgspec.json.Encoder()


class Lines(logging.Formatter):
    """For people: time, level, logger, message; then what there is of FIELDS."""

    def format(self, record: logging.LogRecord) -> str:
        said = f"{_at(record)} {record.levelname} {record.name}: {record.getMessage()}"
        said += "".join(f" {name}={value}" for name, value in _fields(record).items())
        return said + "".join(f"\n  {place}" for place in _places(record))


class Json(logging.Formatter):
    """For machines: one object a line."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, object] = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if places := _places(record):
            said["raised"] = places
        return _encoder.encode(said).decode()


def configure_logs(form: Literal["text", "json"], level: str, *, out: TextIO | None = None) -> None:
    """Send every logger's lines to ``out`` (standard error) in this form, from this level on."""
    handler = logging.StreamHandler(out or sys.stderr)
    handler.setFormatter(Json() if form == "json" else Lines())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    _requests.setLevel(logging.INFO)  # its lines are asked for by settings of their own


_requests = logging.getLogger("plimsoll.requests")


class RequestLog:
    """Lines about requests: those slower than ``slow_ms`` (0: none), and a ``share`` of all, drawn independently.

    A turn that is neither costs two comparisons. At most ``MOST`` lines a turn: who is slow is slow together.
    """

    MOST = 5

    def __init__(self, *, slow_ms: float = 0.0, share: float = 0.0, draw: Callable[[], float] = random.random) -> None:
        self._slow_us = slow_ms * 1_000.0 or math.inf
        self._drawn = Drawn(share, draw)

    def turn(self, replies: Sequence[Reply], record_us: float) -> None:
        """A turn has been answered and recorded."""
        spent_us = sum(replies[0].event.stages_us) + record_us
        if spent_us >= self._slow_us:
            for reply in replies[: self.MOST]:
                _requests.warning("slow request", extra=_about(reply.event, spent_us))
        if self._drawn.hit(len(replies)):
            _requests.info("request", extra=_about(replies[-1].event, spent_us))


def _about(event: Event, spent_us: float) -> dict[str, object]:
    return {
        "event_id": event.id,
        "trace_id": event.trace_id,
        "capability": event.capability,
        "release": short(event.served.release),
        "tenant": event.tenant,
        "action": event.action,
        "reason": event.reason,
        "duration_ms": round(spent_us / 1_000.0, 3),
        "stages_us": dict(zip(STAGES, event.stages_us, strict=False)),
    }


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name in FIELDS if (value := getattr(record, name, None))}


def _places(record: logging.LogRecord) -> list[str]:
    """``ValueError`` and where it came through, the innermost last; for its causes, too."""
    found: list[str] = []
    error = record.exc_info[1] if record.exc_info else None
    while error is not None and len(found) < 100:
        frames = traceback.extract_tb(error.__traceback__)
        found.append(type(error).__name__)
        found += [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        error = error.__cause__ or error.__context__
    return found
