"""Is everything that was kept still what it was? The ledger's chain, its checkpoints, the objects, the events."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from plimsoll.kernel.ports import Catalog
    from plimsoll.settings import Settings
    from plimsoll.store import SqlCatalog


def faults_of(settings: Settings, catalog: Catalog) -> dict[str, list[str]]:
    """One sentence for each fault, by what it was found in. Reads every object and every segment once."""
    from plimsoll.store import Checkpoints, LocalObjects, ledger_faults

    found = {"ledger": list(ledger_faults(cast("SqlCatalog", catalog), Checkpoints(settings.checkpoints)))}
    found["objects"] = list(LocalObjects(settings.objects).verify()) if settings.objects.is_dir() else []
    found["events"] = _events(settings)
    return found


def _events(settings: Settings) -> list[str]:
    from plimsoll.store import SegmentLog

    if not settings.segments.is_dir():
        return []
    log = SegmentLog(settings.segments, writer="verify")
    try:
        return list(log.verify())
    finally:
        log.close()
