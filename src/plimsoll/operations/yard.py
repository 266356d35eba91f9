"""The yard: everything that building and judging a release needs from the world, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from plimsoll.kernel.ports import Catalog, Clock, Notifier, Objects
from plimsoll.store import Trust


def _nothing(text: str) -> None:
    """Nobody waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Yard:
    """``folder`` is scratch space: what is in it can be made again. ``say`` gets one line before each longer piece of
    work, for people who wait. ``trust``: whose code is run, and the key that signs ours; without it, no code is."""

    catalog: Catalog
    objects: Objects
    clock: Clock
    notifier: Notifier
    folder: Path
    trust: Trust | None = None
    say: Callable[[str], None] = _nothing
