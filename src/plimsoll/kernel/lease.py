"""The lease: permission to be live, granted on evidence and held only while the evidence holds."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from plimsoll.kernel.requirement import Requirement

Standing = Literal["good", "held", "grace", "safe"]
"""``good``: renewed by its evidence. ``held``: quality fell, but nothing on hand is better; it answers under an
incident. ``grace``: its evidence is inadmissible; it answers until the grace ends. ``safe``: the declared fallback
answers for it until its evidence is admissible again."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What a provisional lease was granted on: judged once more when the labels of its rollout have matured."""

    champion: str
    requires: tuple[Requirement, ...]
    since: datetime


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """One release's lease. ``carry`` is the state of each requirement's change detector, by the requirement's text:
    with it, a pass costs what is new, not what has been."""

    release: str
    granted_at: datetime
    keep: tuple[Requirement, ...]
    standing: Standing = "good"
    since: datetime | None = None  # of this standing
    renewed_at: datetime | None = None  # the last pass on admissible evidence
    provisional_until: datetime | None = None  # when the labels of its rollout have matured
    proof: Proof | None = None  # what is judged again then
    reason: str = ""
    carry: dict[str, tuple[float, ...]] = {}
    judged_until: str = ""  # the place of the newest closed block that the detectors have seen
    counted_until: str = ""  # the newest whole hour of counts that they have seen
