"""A catalog with its keys, and a pepper beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from plimsoll import governance
from plimsoll.governance import Issued
from plimsoll.kernel.access import Scopes
from plimsoll.store import Pepper, SqlCatalog

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Desk(NamedTuple):
    """What issuing needs."""

    catalog: SqlCatalog
    pepper: Pepper

    def issue(self, name: str = "checkout", **changes: Any) -> Issued:
        given: dict[str, Any] = {"tenant": "shop", "scopes": Scopes(), "actor": "ada", "now": NOON, **changes}
        return governance.issue(self.catalog.access, self.pepper, name=name, **given)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    catalog = SqlCatalog(f"sqlite:///{tmp_path}/catalog.db")
    yield Desk(catalog, Pepper.kept(tmp_path / "access" / "pepper"))
    catalog.close()
