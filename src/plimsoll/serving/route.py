"""Who answers: every unit has a fixed place on the line from 0 to 1, and the deployment divides that line.

The place depends on the capability and the unit alone. A canary takes the places below its share, so a growing
share adds units and takes none away: nobody flips back and forth between two releases.
"""

from __future__ import annotations

from hashlib import blake2b

from plimsoll.kernel.records import FALLBACK, Role
from plimsoll.kernel.rollout import Deployment, serves

_RESOLUTION = 2.0**53
"""As many places as a float can tell apart below 1: no rounding reaches 1."""


def position(capability: str, sticky: str) -> float:
    """The unit's place in [0, 1): uniform over units, the same on every replica and for ever."""
    found = blake2b(f"{capability}\0{sticky}".encode(), digest_size=8).digest()
    return (int.from_bytes(found) >> 11) / _RESOLUTION


def target(deployment: Deployment, place: float) -> str:
    """The release that answers the unit at ``place``, or FALLBACK."""
    return serves(deployment, place)


def served_role(deployment: Deployment, name: str) -> Role:
    """As what ``name`` answers a request."""
    if name == FALLBACK:
        return "fallback"
    if name == deployment.live:
        return "live"
    return "canary"


def beside_role(deployment: Deployment, name: str) -> Role:
    """As what ``name`` answers beside the served answer: the release on its way is the shadow."""
    if name == FALLBACK:
        return "fallback"
    rollout = deployment.rollout
    return "shadow" if rollout is not None and rollout.release == name else "beside"
