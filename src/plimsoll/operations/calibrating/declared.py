"""What a release is judged by, as one digest: what a calibration holds for."""

from __future__ import annotations

import msgspec

from plimsoll.capability import Capability
from plimsoll.kernel.digest import digest


def declared(capability: Capability) -> str:
    """The digest of what a release is judged by: two declarations that judge alike share one calibration."""
    return digest(
        {
            "gate": [str(r) for r in capability.gate],
            "stages": [msgspec.to_builtins(s) for s in capability.stages],
            "keep": [str(r) for r in capability.keep],
            "policy": msgspec.to_builtins(capability.policy),
            "split": [capability.split.gate_blocks, capability.split.train_blocks],
        }
    )
