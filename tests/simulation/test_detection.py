"""What ``benchmarks/detection.py`` shows with thousands of runs, with a few hundred: faults are caught soon, and rarely
where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.detection import Fault, faults, simulate

NEVER = 10**9


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.name)
def test_a_fault_is_caught_nearly_as_soon_as_by_who_knows_everything(fault: Fault) -> None:
    """The kernel's median is within half as much again (latency: three times) of the SPRT's, and a tenth for luck."""
    caught = simulate(np.random.default_rng(7), fault, 20, broken=True, runs=250)
    assert np.median(caught.ours) <= 1.1 * fault.times * np.median(caught.knows)


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.name)
def test_where_there_is_no_fault_none_is_caught(fault: Fault) -> None:
    """At most 5 % of the canaries as good as the champion are convicted in all these looks, and the luck of 250 runs."""
    calm = simulate(np.random.default_rng(8), fault, 20, broken=False, runs=250)
    assert np.mean(calm.ours < NEVER) <= 0.05 + 2.6 * (0.05 * 0.95 / 250) ** 0.5
