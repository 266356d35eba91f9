"""Which capabilities ``plimsoll up`` means by the folders that it is given, and by which settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from plimsoll.capability import Capability, load
from plimsoll.errors import UsageError
from plimsoll.settings import Settings

_FILE = "capability.py"


def capabilities_in(folders: Sequence[Path]) -> list[Capability]:
    """Those declared in ``folders``, in their order. A folder that declares none itself stands for those inside it.

    Raises UsageError for a folder with none, and for two capabilities of one name.
    """
    found: dict[str, Capability] = {}
    for place in dict.fromkeys(inner.resolve() for folder in folders for inner in _declaring(folder)):
        capability = load(place)
        if other := found.get(capability.name):
            raise UsageError(
                f"two capabilities are named {capability.name!r}: in {other.folder} and in {capability.folder}",
                hint="a name is one capability's, for it is asked by its name: change one of them",
            )
        found[capability.name] = capability
    return list(found.values())


def common(settings: Settings, capabilities: Sequence[Capability], own: Callable[[Path], Settings]) -> Settings:
    """``settings``, if every capability keeps its state in the home that they name. ``own``: a folder's settings.

    Raises UsageError otherwise: what was released into another home would not be served.
    """
    for capability in capabilities:
        if (home := own(capability.folder).home.resolve()) != settings.home.resolve():
            raise UsageError(
                f"{capability.name} keeps its state in {home}, and the others are served from {settings.home.resolve()}",
                hint='give all of them one home: PLIMSOLL_HOME, --home, or home = "…" in each plimsoll.toml',
            )
    return settings


def _declaring(folder: Path) -> list[Path]:
    if (folder / _FILE).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{_FILE}")) or [folder]
