"""Which events a decision may still rest on: what retention must leave alone."""

from __future__ import annotations

from datetime import datetime

from plimsoll.kernel.rollout import Deployment
from plimsoll.operations.observe import RECENT_BLOCKS, RETRAIN_BLOCKS
from plimsoll.operations.tally import Tally

WINDOW_BLOCKS = max(RECENT_BLOCKS, RETRAIN_BLOCKS) + 1
"""Closed blocks that a lapse or a retrain requirement may look back on; one more, for the block that closes next."""


def needed_since(tally: Tally, deployment: Deployment) -> datetime | None:
    """The earliest time of asking that anything may still ask for; None where nothing has been recorded.

    It is the earliest of: the blocks that wait for outcomes, the window of closed blocks that a lapse is judged on, the
    evidence of a rollout and of a provisional lease, and what a lease's detectors have not seen yet. After a restart the
    loop reads the log from its beginning; with everything from here on it comes to the same decisions.
    """
    times = [*tally.open_since, *(block.first_at for block in tally.closed[-WINDOW_BLOCKS:])]
    if not times:
        return None
    rollout, lease = deployment.rollout, deployment.lease
    if rollout is not None:
        times += [rollout.evidence_since, rollout.since]
    if lease is not None:
        times += [lease.proof.since] if lease.proof else []
        times += [lease.granted_at] if not (lease.judged_until and lease.counted_until) else []
    return min(times)
