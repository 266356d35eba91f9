"""Online rows that nobody looks up any more: of views that were renamed, changed or removed since."""

from __future__ import annotations

from collections.abc import Iterator

from plimsoll.errors import UsageError
from plimsoll.features import FeatureSchema
from plimsoll.kernel.ports import Catalog, OnlineFeatures, ReleaseRow
from plimsoll.serving import needed


class StaleViews:
    """Forgets views of an online store once no release needs them that is loaded: none that serves, answers beside, or
    may come back by a rollback.

    Only views that a release of this catalog has had: the store may be another home's, too. And only what was not needed
    at the sweep before either: a release that is just being loaded has its time.
    """

    def __init__(self, catalog: Catalog, online: OnlineFeatures) -> None:
        self._catalog, self._online = catalog, online
        self._stale: frozenset[str] = frozenset()

    def sweep(self) -> list[str]:
        """One sentence for each view that was forgotten. Raises Unavailable where the catalog or the store is away."""
        held = {view.name: view for view in self._online.views()}
        stale = frozenset(held) - frozenset(self._needed())
        if stale:
            stale &= frozenset(self._known())
        gone = sorted(stale & self._stale)
        for name in gone:
            self._online.forget(name)
        self._stale = stale.difference(gone)
        return [
            f"forgot the online rows of {name} ({held[name].rows:,}): no loaded release needs them" for name in gone
        ]

    def _needed(self) -> Iterator[str]:
        for capability in self._catalog.capabilities():
            for digest in needed(self._catalog.deployment(capability)):
                try:
                    yield from _views(self._catalog.release(capability, digest))
                except UsageError:
                    continue  # deployed and not in the catalog: whoever loads it says so

    def _known(self) -> Iterator[str]:
        for capability in self._catalog.capabilities():
            for row in self._catalog.releases(capability):
                yield from _views(row)


def _views(row: ReleaseRow) -> list[str]:
    plain = row.manifest.settings.get("schema")
    return [binding.online for binding in FeatureSchema.from_plain(plain).views] if plain else []
