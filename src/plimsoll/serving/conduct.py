"""What every edge insists on, however it is spoken to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from plimsoll.capability import Capability
from plimsoll.errors import Unavailable, nearest
from plimsoll.serving.refusals import NotFound
from plimsoll.serving.reply import Reply


class Shelf(Protocol):
    """What is served, and which releases of it are loaded."""

    capability: Capability

    @property
    def versions(self) -> list[str]: ...


S = TypeVar("S", bound=Shelf)


def counter_of(counters: Mapping[str, S], model: str, version: str = "") -> S:
    """Who answers for ``model``. Raises NotFound unless that is a capability served here, and ``version``, if any, a
    loaded release of it."""
    found = counters.get(model)
    if found is None:
        raise NotFound(f"there is no model {model!r:.80} here", hint=nearest(model, counters))
    if version and version not in found.versions:
        raise NotFound(f"{model} has no version {version!r:.80} here", hint=nearest(version, found.versions))
    return found


def all_answered(replies: Sequence[Reply]) -> Sequence[Reply]:
    """The replies. Raises Unavailable where one of them is none."""
    for reply in replies:
        if not reply.answered:
            raise Unavailable(
                f"no answer to event {reply.id}: {reply.given.error}",
                details={"event_id": reply.id},
            )
    return replies
