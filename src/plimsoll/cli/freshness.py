"""How fresh the online features are that answers look up now: for ``plimsoll status``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from plimsoll.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from plimsoll.kernel.ports import CatalogReader, OnlineView
    from plimsoll.kernel.rollout import Deployment
    from plimsoll.settings import Settings


def features_of(settings: Settings, catalog: CatalogReader, deployment: Deployment) -> dict[str, Any]:
    """The store, why it cannot be asked (``""``: it could), and each view of the releases that take traffic."""
    from plimsoll.features import Binding, FeatureSchema
    from plimsoll.serving import needed

    bindings: dict[str, Binding] = {}
    for digest in needed(deployment):
        try:
            plain = catalog.release(deployment.capability, digest).manifest.settings.get("schema")
        except UsageError:
            continue  # deployed and not in the catalog: the release's own line says so
        if plain:
            bindings |= {b.online: b for b in FeatureSchema.from_plain(plain).views}
    if not bindings:
        return {"store": settings.features.store, "problem": "", "views": []}
    try:
        held, problem = {view.name: view for view in _held(settings)}, ""
    except Unavailable as error:
        held, problem = {}, error.message
    now = datetime.now(UTC)
    views = [_view(binding, held.get(name), now) for name, binding in sorted(bindings.items())]
    return {"store": settings.features.store, "problem": problem, "views": views}


def _held(settings: Settings) -> Sequence[OnlineView]:
    """What the store has. Rows in another process' memory can only be asked for there: at its ``/metrics``."""
    chosen = settings.features
    if chosen.store == "sqlite":
        from plimsoll.store.online.sqlite import glance

        return glance(settings.online)
    if chosen.store == "redis":
        from plimsoll.store import RedisOnline

        store = RedisOnline(chosen.url, prefix=chosen.prefix, timeout_s=chosen.timeout_ms / 1000)
        try:
            return store.views()
        finally:
            store.close()
    return []


def _view(binding: Any, held: OnlineView | None, now: datetime) -> dict[str, Any]:
    """``age_s`` is how long ago the newest row became known: the view's feed may be behind by that."""
    newest_us = held.newest_us if held else None
    age_s = None if newest_us is None else now.timestamp() - newest_us / 1e6
    bound_s = binding.fresh_within_us / 1e6 if binding.fresh_within_us else None
    return {
        "view": binding.view,
        "feed": binding.feed,
        "rows": held.rows if held else None,
        "age_s": age_s,
        "fresh_within_s": bound_s,
        "stale": age_s is not None and bound_s is not None and age_s > bound_s,
        "when_stale": binding.stale,
    }


def said(features: dict[str, Any]) -> str:
    """For a person: one line a view."""
    lines = [features["problem"]] if features["problem"] else []
    for view in features["views"]:
        if view["rows"] is None:
            lines.append(f"{view['view']}: its rows are in the server's memory or not there yet ({features['store']})")
            continue
        age = "no row yet" if view["age_s"] is None else f"newest {_ago(view['age_s'])} ago"
        bound = f", bound {_ago(view['fresh_within_s'])}" if view["fresh_within_s"] else ""
        stale = f": STALE, {_CONSEQUENCE[view['when_stale']]}" if view["stale"] else ""
        lines.append(f"{view['view']}: {view['rows']:,} entities, {age}{bound}{stale}")
    return "\n".join(lines)


_CONSEQUENCE = {"answer": "used and counted", "missing": "taken for missing", "fallback": "the fallback answers"}


def _ago(seconds: float) -> str:
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.0f} s"
