"""Releases whose model is a Python class: it can do anything wrong that a model can."""

from __future__ import annotations

from typing import Any

import numpy as np

from plimsoll.features import FeatureSchema
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.models import CodeModel, package
from plimsoll.store import Trust

from .conftest import T0, Yard

GOOD = "import numpy as np\nclass M:\n    def predict(self, X):\n        return np.full(len(X), 0.25)\n"


def code_release(
    yard: Yard, trust: Trust | None, source: str = GOOD, *, label: str = "code", **more: Any
) -> ReleaseRow:
    """Packed as a good class, so that its golden answers are good; then ``source`` in its place."""
    packed = package(
        CodeModel(entry="m:M", modules={"m": GOOD}),
        names=["weight", "depot"],
        task="binary",
        sample=np.random.default_rng(1).normal(size=(40, 2)).astype(np.float32),
    )
    from plimsoll.models.engines.python_class import python

    bad = CodeModel(entry="m:M", modules={"m": source})
    model = python.pack(bad, task="binary", names=["weight", "depot"], classes=())
    manifest = Manifest(
        capability=yard.capability.name,
        artifacts={"model": yard.objects.put(model), "golden": yard.objects.put(packed.golden)},
        settings={"schema": FeatureSchema.of(yard.capability.features).to_plain(), **more},
    )
    if trust is not None:
        manifest = trust.signed(manifest, yard.objects)
    return ReleaseRow(
        digest=manifest.digest, capability=yard.capability.name, manifest=manifest, label=label, created_at=T0
    )
