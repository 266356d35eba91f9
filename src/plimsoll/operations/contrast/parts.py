"""What two manifests differ in, by the parts that a person knows: data, features, code, parameters, model, …"""

from __future__ import annotations

from typing import Any

import msgspec

from plimsoll.kernel.manifest import Manifest, differences
from plimsoll.kernel.ports import Objects

PARTS = (
    ("snapshots", "data"),
    ("settings.split", "data"),
    ("settings.schema", "features"),
    ("artifacts.code", "code"),
    ("artifacts.environment", "environment"),
    ("settings.params", "parameters"),
    ("settings.seed", "parameters"),
    ("artifacts.model", "model"),
    ("artifacts.golden", "model"),
    ("settings.answer.abstain_below", "threshold"),
    ("settings.answer", "answer policy"),
    ("settings.fallback", "fallback"),
    ("settings.gate", "requirements"),
    ("settings.keep", "requirements"),
    ("settings.task", "task"),
)
"""The first prefix that fits a manifest's path says which part it belongs to; what fits none is ``other``."""


def parts_of(a: Manifest, b: Manifest) -> dict[str, list[dict[str, Any]]]:
    """Part → its changes (``path``, ``a``, ``b``; of a list also ``gone`` and ``new``), the unchanged parts empty."""
    found: dict[str, list[dict[str, Any]]] = {part: [] for _, part in PARTS}
    for path, (before, after) in differences(a, b).items():
        part = next((part for prefix, part in PARTS if _under(path, prefix)), "other")
        found.setdefault(part, []).append(_change(path, before, after))
    return found


def codes_of(objects: Objects, a: Manifest, b: Manifest) -> list[dict[str, Any]]:
    """Which code changed, by name (``train``, ``view weather``): what the two code artifacts list. Empty where they are
    the same, or no longer kept."""
    digests = [m.artifacts.get("code", "") for m in (a, b)]
    if len(set(digests)) == 1 or not all(digest and objects.has(digest) for digest in digests):
        return []
    before, after = (msgspec.json.decode(objects.get(digest), type=dict[str, str]) for digest in digests)
    names = sorted(before.keys() | after.keys())
    return [
        {"path": name, "a": before.get(name), "b": after.get(name)}
        for name in names
        if before.get(name) != after.get(name)
    ]


def _under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}.")


def _change(path: str, a: Any, b: Any) -> dict[str, Any]:
    change = {"path": path, "a": a, "b": b}
    if isinstance(a, list) and isinstance(b, list):
        return change | {"gone": [x for x in a if x not in b], "new": [x for x in b if x not in a]}
    return change
