"""A real catalog on SQLite with signed checkpoints, and processes that die at a write of our choosing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, Engine, event

from plimsoll.kernel.rollout import Deployment
from plimsoll.store import Checkpoints, SqlCatalog, ledger_faults


class Crash(BaseException):
    """The process died here. Nothing may catch it."""


class Fuse:
    """Counts what touches the disk or the world, and burns through at the one that is chosen."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.seen = 0

    def step(self) -> None:
        self.seen += 1
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Crash

    @contextmanager
    def lit(self, after: int) -> Iterator[None]:
        """Burns through ``after`` steps from now."""
        self.left = after
        try:
            yield
        finally:
            self.left = None


class MortalCheckpoints(Checkpoints):
    """Dies before a mark, or after it."""

    def __init__(self, folder: Path, fuse: Fuse) -> None:
        super().__init__(folder)
        self._fuse = fuse

    def mark(self, *mark: Any) -> Any:
        self._fuse.step()
        marked = super().mark(*mark)
        self._fuse.step()
        return marked


class MortalNotifier:
    """Keeps what it was told; dies before, or after."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse
        self.told: list[str] = []

    def notify(self, kind: str, summary: str, details: Mapping[str, Any]) -> None:
        self._fuse.step()
        self.told.append(summary)
        self._fuse.step()


class House:
    """One store that many processes open, one after the other or at once."""

    def __init__(self, folder: Path) -> None:
        self.url, self.folder = f"sqlite:///{folder}/catalog.db", folder
        self.fuse = Fuse()
        self.notifier = MortalNotifier(self.fuse)
        self._open: list[SqlCatalog] = []

    def opened(self) -> SqlCatalog:
        """The store as a process sees it that has just started."""
        catalog = SqlCatalog(self.url, checkpoints=MortalCheckpoints(self.folder / "marks", self.fuse))
        self._open.append(catalog)
        return catalog

    def close(self) -> None:
        for catalog in self._open:
            catalog.close()

    def explained(self, catalog: SqlCatalog) -> Deployment:
        """The deployment, which the ledger explains to the letter; Raises AssertionError where it does not."""
        assert list(ledger_faults(catalog, Checkpoints(self.folder / "marks"))) == []
        kept = catalog.deployment("late")
        lines = list(catalog.ledger())
        assert len(lines) == kept.version, "one line for every change of the deployment"
        if lines:
            written = msgspec.convert(lines[-1].entry.body["deployment"], Deployment)
            assert msgspec.structs.replace(written, version=written.version + 1) == kept
        still_open = {row.id for row in catalog.incidents("late", open_only=True)}
        assert still_open == set(kept.incidents.values())
        return kept


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Every statement that a catalog of the house sends is a step of the fuse."""
    house = House(tmp_path)

    def before(connection: Connection, *_: object) -> None:
        if str(connection.engine.url) == house.url:  # what else runs in this process has no part in it
            house.fuse.step()

    listened: list[tuple[str, Callable[..., None]]] = [("before_cursor_execute", before), ("commit", before)]
    for name, listener in listened:
        event.listen(Engine, name, listener)
    yield house
    for name, listener in listened:
        event.remove(Engine, name, listener)
    house.close()
