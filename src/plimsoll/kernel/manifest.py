"""The manifest: everything that can change an answer, under one digest. That digest is the release's name."""

from __future__ import annotations

from typing import Any

import msgspec

from plimsoll.kernel.digest import canonical, digest, short

SIGNATURE = "signature"
"""The role of the artifact that holds who signed the rest of the manifest."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One release. No times, no labels, no machine: two equal manifests are one release, whoever built them.

    ``artifacts`` maps a role (``model``, ``golden``, ``code``, ``environment``, ``report`` is *not* one: it changes
    no answer) to the digest of its bytes. ``snapshots`` maps a dataset to the snapshot it was trained from.
    ``settings`` holds the rest as plain JSON: feature schema, bindings of views to feeds, parameters, seed,
    thresholds, fallback, guards, prices, drill.
    """

    capability: str
    artifacts: dict[str, str]
    snapshots: dict[str, str] = {}
    settings: dict[str, Any] = {}
    schema: int = 1

    @property
    def digest(self) -> str:
        """The release's name: SHA-256 of the canonical manifest."""
        return digest(self)

    @property
    def short(self) -> str:
        return short(self.digest)

    def to_bytes(self) -> bytes:
        return canonical(self)

    def signed_bytes(self) -> bytes:
        """What a signature signs: everything but itself."""
        rest = {role: digest for role, digest in self.artifacts.items() if role != SIGNATURE}
        return canonical(msgspec.structs.replace(self, artifacts=rest))

    @staticmethod
    def from_bytes(data: bytes) -> Manifest:
        return msgspec.json.decode(data, type=Manifest)


def differences(old: Manifest, new: Manifest) -> dict[str, tuple[Any, Any]]:
    """What changed between two manifests: dotted path → (old, new), for people asking what a release changed.

    None stands for what is not there. Empty exactly when the two have one digest.
    """
    flat_old, flat_new = _flatten(old), _flatten(new)
    paths = sorted(flat_old.keys() | flat_new.keys())
    return {
        ".".join(path): (flat_old.get(path), flat_new.get(path))
        for path in paths
        if _form(flat_old, path) != _form(flat_new, path)
    }


Path = tuple[str, ...]  # not yet dotted: a name may have dots of its own


def _form(flat: dict[Path, Any], path: Path) -> bytes | None:
    """What the digest sees at ``path``; None where nothing is, which is not the same as a null."""
    return canonical(flat[path]) if path in flat else None


def _flatten(manifest: Manifest) -> dict[Path, Any]:
    flat: dict[Path, Any] = {}

    def walk(path: Path, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, item in value.items():
                walk((*path, str(key)), item)
        else:
            flat[path] = value

    walk((), msgspec.to_builtins(manifest))
    return flat
