"""The loop on duty beside a server: a pass every so often, on a thread of its own, until it is told to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import PlimsollError, Unavailable
from plimsoll.kernel.case import Decision
from plimsoll.kernel.ports import Catalog, Clock, ReleaseRow
from plimsoll.kernel.rollout import Deployment
from plimsoll.operations.loop import Loop
from plimsoll.operations.materialise import Materialiser
from plimsoll.operations.need import needed_since
from plimsoll.serving import needed

_log = logging.getLogger(__name__)


class Duty:
    """Runs ``loop`` every ``every_s`` seconds and keeps the online features current.

    ``decided`` is called with each decision after it is written: the server refreshes, somebody prints. A pass that
    fails is logged and counted, and the next one tries again: the loop must outlive whatever is away for a while.
    """

    def __init__(
        self,
        *,
        loop: Loop,
        catalog: Catalog,
        clock: Clock,
        materialiser: Materialiser,
        every_s: float,
        decided: Callable[[Decision], None],
    ) -> None:
        self.loop, self.catalog, self.clock, self.materialiser = loop, catalog, clock, materialiser
        self.every_s, self.decided = every_s, decided
        self.passes = self.failures = 0
        self.needed_since: datetime | None = None  # from when on a decision may still need events, after a first pass
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="plimsoll-loop", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the pass that is under way, and leave deciding to others. Without effect before ``start``."""
        self._stop.set()
        if self._thread.ident is None:
            return
        self._thread.join(timeout=30)
        try:
            self.loop.resign()
        except Unavailable as error:
            _log.warning("the loop's lease could not be given back; it runs out by itself: %s", error.message)

    def once(self) -> list[Decision]:
        """One round: decide what there is to decide, then bring the features of what is deployed up to now."""
        decisions = self.loop.settle()
        for decision in decisions:
            self.decided(decision)
        deployment = self.catalog.deployment(self.loop.capability.name)
        self.needed_since = needed_since(self.loop.tally, deployment)
        self.bring(deployment)
        self.passes += 1
        return decisions

    def begin(self) -> None:
        """Bring the features before the first answer, unless the store has rows of all views: those serve meanwhile."""
        deployment = self.catalog.deployment(self.loop.capability.name)
        if not self.materialiser.serves(rows_of(self.catalog, deployment)):
            self.bring(deployment)

    def bring_deployed(self) -> None:
        """Bring the features of what is deployed up to now: from any thread, as soon as rows were pushed."""
        self.bring(self.catalog.deployment(self.loop.capability.name))

    def bring(self, deployment: Deployment) -> None:
        self.materialiser.bring(rows_of(self.catalog, deployment), self.clock.now())

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.once()
            except PlimsollError as error:
                self._failed(error.message)
            except Exception as error:  # noqa: BLE001 - the supervisor of the loop; said in full, and counted
                self._failed(f"{type(error).__name__}: {error}", unexpected=True)
            self._stop.wait(self.every_s)

    def _failed(self, why: str, *, unexpected: bool = False) -> None:
        self.failures += 1
        _log.error("a pass of the loop failed, the next one tries again: %s", why, exc_info=unexpected)


def rows_of(catalog: Catalog, deployment: Deployment) -> list[ReleaseRow]:
    """The releases that a deployment needs loaded."""
    return [catalog.release(deployment.capability, digest) for digest in needed(deployment)]


def recompute_from(
    materialiser: Materialiser, release: Callable[[str], ReleaseRow], *, redacted: Collection[str] = ()
) -> Callable[[str, Sequence[Mapping[str, Any]], Sequence[datetime]], NDArray[np.float32]]:
    """How the skew watch recomputes offline beside a server: from the timelines that are materialised now.

    ``redacted``: the columns that events do not keep as they were.
    """
    from plimsoll.operations.warehouse import recompute

    def again(digest: str, inputs: Sequence[Mapping[str, Any]], asked_at: Sequence[datetime]) -> NDArray[np.float32]:
        schema = materialiser.schema(release(digest))
        return recompute(schema, materialiser.timelines_of(schema), inputs, asked_at, redacted=redacted)

    return again
