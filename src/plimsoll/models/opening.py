"""A release's engine, from its manifest: the one way in for what was stored, and where code is asked for its signature."""

from __future__ import annotations

from plimsoll.errors import Refused, UsageError
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import Objects
from plimsoll.models.engine import Engine
from plimsoll.models.engines import is_code, open_engine
from plimsoll.store import Trust


def open_model(manifest: Manifest, objects: Objects, trust: Trust | None) -> tuple[Engine, int]:
    """The engine, and the bytes of its model. Raises Refused for code that nobody who is trusted has signed; without
    ``trust`` no code is run at all."""
    digest = manifest.artifacts.get("model")
    if digest is None:
        raise UsageError("its manifest names no 'model' among its artifacts")
    model = objects.get(digest)
    if is_code(model):
        if trust is None:
            raise Refused("its model is code (a Python class), and code is not run here")
        trust.signer(manifest, objects)
    return open_engine(model), len(model)
