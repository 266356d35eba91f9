"""What ``benchmarks/kinds.py`` and ``benchmarks/lapses.py`` show with ten thousand runs, with a few hundred."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import lapses
from benchmarks.bounds import alarms, check_alarms
from benchmarks.kinds import OWN_DAYS, Kind, kinds
from benchmarks.streams import STREAMS

RUNS = 300
MOST = 0.05 * RUNS + 2.6 * (0.05 * 0.95 * RUNS) ** 0.5


CELLS = [(kind, stream) for kind in kinds() for stream in ("independent", "block shocks", OWN_DAYS)]


@pytest.mark.parametrize(("kind", "stream"), CELLS, ids=[f"{kind.name}, {stream}" for kind, stream in CELLS])
def test_at_the_margin_hardly_a_rollout_ends_wrongly(kind: Kind, stream: str) -> None:
    """At most 5 % are rolled back and at most 5 % go live, and the luck of so many runs; where the difference goes with the
    months, of those that are wrong about their own days."""
    walked = kind.walk(np.random.default_rng(11), STREAMS[stream], RUNS, False)
    ends = walked.wrong if stream == OWN_DAYS and kind.by_window else walked.all
    assert max(ends.rolled_back, ends.live) <= MOST


@pytest.mark.parametrize("kind", [k for k in kinds() if k.margin == "limit"], ids=lambda kind: kind.name)
def test_a_rate_that_moves_below_its_limit_takes_nobody_back(kind: Kind) -> None:
    """At six tenths of its limit, even with the months that differ most."""
    ends = kind.walk(np.random.default_rng(12), STREAMS[OWN_DAYS], RUNS, True)
    assert ends.all.rolled_back <= MOST


def test_a_lease_runs_as_long_as_promised_at_its_limit() -> None:
    """Autocorrelated blocks at exactly the limit: the mean run length is above a year of days, by the shipped detector."""
    rng = np.random.default_rng(13)
    xs = np.maximum(lapses.SD * STREAMS["autocorrelated"](rng, (200, 1_000)), lapses.FLOOR)
    at = alarms(xs, lapses.FLOOR, lapses.RUN_LENGTH)
    check_alarms(xs[:5, :200], lapses.FLOOR, lapses.RUN_LENGTH)
    assert np.minimum(at, 1_000).sum() / (at <= 1_000).sum() > lapses.RUN_LENGTH
