"""Online rows of views that no loaded release looks up are forgotten, in the file and in Redis, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from plimsoll.features import FeatureSchema
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import OnlineFeatures, ReleaseRow
from plimsoll.operations.forgetting import StaleViews
from plimsoll.store import RedisOnline, SqliteOnline

from .feeds import demand_on_channel
from .given import T0, deploy

REDIS = "redis://127.0.0.1:6379/0"


@pytest.fixture(params=["sqlite", "redis"])
def online(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnlineFeatures]:
    if request.param == "sqlite":
        store: OnlineFeatures = SqliteOnline(tmp_path / "online.db")
        yield store
        store.close()
        return
    redis = pytest.importorskip("redis")
    client, prefix = redis.Redis.from_url(REDIS, socket_timeout=2, socket_connect_timeout=2), f"test-{uuid4().hex}"
    try:
        client.ping()
    except redis.ConnectionError:
        pytest.skip("there is no Redis on this machine")
    store = RedisOnline(REDIS, prefix=prefix, timeout_s=2)
    yield store
    for key in client.scan_iter(f"{{{prefix}}}:*"):
        client.unlink(key)
    client.close()
    store.close()


def release(catalog: Any, name: str, *views: Any) -> tuple[str, list[str]]:
    """(its digest, the names of its online views)."""
    schema = FeatureSchema.of(list(views))
    manifest = Manifest(capability="orders", artifacts={}, settings={"schema": schema.to_plain(), "name": name})
    row = ReleaseRow(digest=manifest.digest, capability="orders", manifest=manifest, label=name, created_at=T0)
    catalog.add_release(row)
    return row.digest, [binding.online for binding in schema.views]


def make_live(catalog: Any, digest: str, *before: str) -> None:
    """``digest`` is live, and ``before`` may come back."""
    d = catalog.deployment("orders")
    lease = Lease(release=digest, granted_at=T0, keep=(), since=T0, renewed_at=T0)
    states = {digest: State.LIVE, **dict.fromkeys(before, State.SUPERSEDED)}
    deploy(catalog, replace(d, lease=lease, predecessors=before, states=states))


def test_rows_go_with_the_last_release_that_looks_them_up(place: Any, online: OnlineFeatures) -> None:
    """Not while it may come back, not at once, and never those of views that no release here has had."""
    catalog = place.catalog
    old, (renamed,) = release(catalog, "old", demand_on_channel)
    new, _ = release(catalog, "new")
    for name in (renamed, "another@homes:0123456789ab"):
        online.replace(name, [("web", 1, b"\0" * 8)], mark="1")
    stale = StaleViews(catalog, online)
    make_live(catalog, old)
    assert stale.sweep() == stale.sweep() == []
    make_live(catalog, new, old)
    assert stale.sweep() == stale.sweep() == [], "a rollback may need them"
    make_live(catalog, new)
    assert stale.sweep() == [], "it may only just have been loaded"
    assert stale.sweep() == [f"forgot the online rows of {renamed} (1): no loaded release needs them"]
    assert [view.name for view in online.views()] == ["another@homes:0123456789ab"] and stale.sweep() == []


def test_what_is_needed_again_before_the_second_look_stays(place: Any, online: OnlineFeatures) -> None:
    """A release of the same view came between."""
    catalog = place.catalog
    old, (name,) = release(catalog, "old", demand_on_channel)
    new, _ = release(catalog, "new")
    online.replace(name, [("web", 1, b"\0" * 8)], mark="1")
    stale = StaleViews(catalog, online)
    make_live(catalog, new)
    assert stale.sweep() == []
    make_live(catalog, old)
    assert stale.sweep() == []
    make_live(catalog, new)
    assert stale.sweep() == [] and [view.name for view in online.views()] == [name]
