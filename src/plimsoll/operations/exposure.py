"""Who was shown what: whether the canary got the share it was declared, and whether anything said beside was lost.

Both make a trial's evidence inadmissible, however good it looks: a broken split compares two different publics
(Fabijan et al. 2019, KDD, "Diagnosing sample ratio mismatch"), and lost exposures are rarely lost at random.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import compress

from plimsoll.kernel.columns import EPOCH, MICROSECOND, Besides, Columns, Events, decoded, spread, times_us
from plimsoll.kernel.digest import short
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.rollout import Rollout
from plimsoll.stats.split import split_evidence

ALPHA = 0.001
"""Of calling a good split broken, over all looks at one stage: a false alarm costs a whole stage."""
TOLERATED_LOST = 0.01
"""Of a stage's questions without what was said beside them."""
MOST_UNITS = 2_000_000


class ExposureWatch:
    """Counts the units of a stage that divides them, each once, by who answered it first, and questions with nothing beside.

    Units, not events: a unit that asks a hundred times is one assignment.
    """

    def __init__(self) -> None:
        self._stage: tuple[str, datetime] | None = None
        self._divides = False
        self._units: set[str] = set()
        self._candidate = self._events = self._lost = 0

    def follow(self, rollout: Rollout | None) -> None:
        """Count for this stage from now on; another stage starts from nothing."""
        stage = (rollout.release, rollout.since) if rollout else None
        if stage != self._stage:
            self._stage = stage
            self._units = set()
            self._candidate = self._events = self._lost = 0
        self._divides = rollout is not None and _divides(rollout)

    def see(self, columns: Iterable[Columns]) -> None:
        """Take in the next records of the log."""
        if self._stage is None:
            return
        release, since = self._stage
        for record in columns:
            if isinstance(record, Events):
                self._asked(record, release, since)
            elif isinstance(record, Besides) and not record.answers:
                self._lost += len(record)

    def _asked(self, events: Events, release: str, since: datetime) -> None:
        if release not in events.rollouts:
            return
        n, at_us, since_us = len(events), times_us(events.at_us), (since - EPOCH) // MICROSECOND
        within: Sequence[bool] = (True,) * n
        if len(events.rollouts) > 1 or min(at_us) < since_us:
            asked = zip(spread(events.rollouts, n, ""), spread(at_us, n, 0), strict=True)
            within = [rollout == release and since_us <= at for rollout, at in asked]
        self._events += sum(within)
        if self._divides:  # else everybody is shown the same
            units, served = spread(decoded(events.units), n, ""), spread(events.served.releases, n, "")
            self._count(compress(zip(units, served, strict=True), within), release)

    def _count(self, shown: Iterable[tuple[str, str]], release: str) -> None:
        for unit, served in shown:
            if unit not in self._units and len(self._units) < MOST_UNITS:
                self._units.add(unit)
                self._candidate += served == release

    def problems(self, rollout: Rollout) -> tuple[str, ...]:
        """One sentence for each thing that makes the stage's evidence inadmissible."""
        found = []
        n = len(self._units)
        if n and _divides(rollout):
            counts, declared = (self._candidate, n - self._candidate), (rollout.share, 1.0 - rollout.share)
            if split_evidence(counts, declared) >= -math.log(ALPHA):
                found.append(
                    f"sample-ratio mismatch: {short(rollout.release)} answered {self._candidate:,} of {n:,} units "
                    f"({self._candidate / n:.1%}), declared are {rollout.share:.1%}"
                )
        if self._events and self._lost > max(1.0, TOLERATED_LOST * self._events):
            found.append(
                f"exposures lost: nothing is known beside {self._lost:,} of {self._events:,} questions "
                f"({self._lost / self._events:.1%}); the server dropped them under load"
            )
        return tuple(found)


def _divides(rollout: Rollout) -> bool:
    """Whether its stage shows some units one release and some another."""
    return rollout.state is State.CANARY and 0.0 < rollout.share < 1.0
