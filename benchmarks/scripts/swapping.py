"""Swaps the live release of a home of ``serving_ours`` and takes it back, again and again, until it is terminated.

``python -m benchmarks.scripts.swapping HOME EVERY_S``: two new releases go live, then the newer one is rolled back to its
predecessor, as ``plimsoll rollback`` does it; and so on. Each is a release of its own, so that the server loads a model,
checks its golden answers and lets an old one go every time. Prints how often who answers has changed.
"""

from __future__ import annotations

import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.scripts.serving_ours import NAME
from msgspec.structs import replace

from plimsoll.kernel import override
from plimsoll.kernel.case import Decision
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import Move, State, advance
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.kernel.rollout import Deployment
from plimsoll.operations.act import carry_out
from plimsoll.operations.notify import LogNotifier
from plimsoll.store import SqlCatalog

PREDECESSORS = 3
"""That a deployment remembers here; older ones are let go."""


def run(home: Path, every_s: float) -> int:
    """How often who answers has changed when the process was told to end."""
    told, changes = threading.Event(), 0
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    catalog = SqlCatalog(f"sqlite:///{home / 'catalog.db'}")
    first = catalog.release(NAME, catalog.deployment(NAME).live)
    while not told.wait(every_s):
        now, deployment = datetime.now(UTC), catalog.deployment(NAME)
        if changes % 3 == 2:
            decision = override.rollback(deployment, "soak", "to be soaked", now)
        else:
            decision = live(deployment, released(catalog, first, changes, now), now)
        carry_out(decision, catalog=catalog, notifier=LogNotifier(), fence=None, now=now)
        changes += 1
    catalog.close()
    return changes


def released(catalog: SqlCatalog, first: ReleaseRow, number: int, now: datetime) -> str:
    """Another release of the same model."""
    settings: dict[str, Any] = {**first.manifest.settings, "soak": number}
    manifest = replace(first.manifest, settings=settings)
    row = ReleaseRow(digest=manifest.digest, capability=NAME, manifest=manifest, label=f"s{number}", created_at=now)
    catalog.add_release(row)
    return manifest.digest


def live(deployment: Deployment, release: str, now: datetime) -> Decision:
    """``release`` is live, and the one before it can come back."""
    old = deployment.live
    kept = (old, *(name for name in deployment.predecessors if name != old))[:PREDECESSORS]
    states = {name: deployment.states.get(name, State.SUPERSEDED) for name in kept}
    states[old] = advance(deployment.states.get(old, State.LIVE), Move.SUPERSEDED)
    states[release] = advance(State.GATED, Move.WENT_LIVE)
    lease = Lease(release=release, granted_at=now, keep=(), since=now, renewed_at=now)
    after = replace(deployment, lease=lease, states=states, predecessors=kept)
    return Decision(kind="live", subject=release, summary=f"{release[:8]} is live", deployment=after)


if __name__ == "__main__":
    print(run(Path(sys.argv[1]), float(sys.argv[2])))
