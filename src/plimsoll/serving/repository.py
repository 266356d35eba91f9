"""The model repository (Triton's extension): which releases are here, and loading and unloading one by its name.

A model is a capability, a version one of its releases. What the deployment needs is loaded and unloaded by the rollout;
by name, a release beside it may be had ready, or let go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from plimsoll.capability import Capability
from plimsoll.errors import UsageError
from plimsoll.serving.reply import Reply
from plimsoll.serving.seams import Ticket


class Indexed(msgspec.Struct, frozen=True):
    """One release here. ``state``: READY, LOADING, or UNAVAILABLE for ``reason``."""

    name: str
    version: str
    state: str
    reason: str = ""


class IndexRequest(msgspec.Struct, frozen=True):
    """``ready``: only those that answer."""

    ready: bool = False


class ChangeRequest(msgspec.Struct, frozen=True):
    """Its parameter ``version`` names the release."""

    parameters: dict[str, Any] = {}


class Shelf(Protocol):
    capability: Capability

    @property
    def versions(self) -> list[str]:
        """The releases that are loaded."""
        ...

    @property
    def loading(self) -> Sequence[str]:
        """The releases that are on their way into memory."""
        ...

    @property
    def refused(self) -> Mapping[str, str]:
        """The releases that were asked for and are not ready here, with the reason."""
        ...


class Releases(Shelf, Protocol):
    """A capability whose releases can be asked by name, had ready, and let go."""

    @property
    def ready(self) -> str:
        """``""`` when it answers, else why it does not."""
        ...

    async def ask_version(
        self,
        version: str,
        rows: Sequence[dict[str, Any]],
        ticket: Ticket,
        *,
        trace_id: str = "",
        anonymous: bool = False,
    ) -> Sequence[Reply]:
        """The replies of the release that is named, recorded."""
        ...

    async def load(self, version: str) -> None: ...

    async def unload(self, version: str) -> None: ...


def index(shelves: Iterable[Shelf], *, ready: bool) -> list[Indexed]:
    return [each for shelf in shelves for each in _of_shelf(shelf, ready)]


def _of_shelf(shelf: Shelf, ready: bool) -> list[Indexed]:
    name = shelf.capability.name
    found = [Indexed(name, version, "READY") for version in shelf.versions]
    if ready:
        return found
    found += [Indexed(name, version, "LOADING") for version in shelf.loading]
    refused = {version: why for version, why in shelf.refused.items() if version not in shelf.loading}
    return found + [Indexed(name, version, "UNAVAILABLE", why) for version, why in refused.items()]


def version_of(parameters: Mapping[str, Any]) -> str:
    """The release that a load or unload names; ``""`` for none. Raises UsageError for one that is no text."""
    version = parameters.get("version", "")
    if not isinstance(version, str):
        raise UsageError(f"the parameter version is {version!r:.80}; it is a release's digest or label")
    return version
