"""The yard: everything that building and judging a release needs from the world, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plimsoll.kernel.ports import Catalog, Clock, Notifier, Objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Yard:
    """``folder`` is scratch space: what is in it can be made again."""

    catalog: Catalog
    objects: Objects
    clock: Clock
    notifier: Notifier
    folder: Path
