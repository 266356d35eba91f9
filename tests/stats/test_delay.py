"""How long a live fault goes on, against leases that the kernel judges block by block and hour by hour."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from plimsoll.kernel.requirement import at_most, no_worse
from plimsoll.kernel.verdict import Block, Count, Evidence, Policy, Ruling, judge
from plimsoll.stats.delay import mean_delay, rate_delay

NOW, RUNS = datetime(2026, 1, 1, tzinfo=UTC), 80


def waited(pieces: list[Evidence], good: int) -> int:
    """Looks at a lease, its detectors carried on, until it fails; those after the first ``good``."""
    carry: tuple[float, ...] = ()
    for i, piece in enumerate(pieces):
        verdict = judge((msgspec.structs.replace(piece, carry=carry),), Policy(), NOW, requirements=4)
        if verdict.ruling is Ruling.FAIL:
            return i + 1 - good
        carry = verdict.findings[0].state
    raise AssertionError("the lease never ended")


@pytest.mark.parametrize("rate", [0.02, 0.05])
def test_a_rates_fault_ends_the_lease_about_when_said(rate: float) -> None:
    """After two good days, a limit of 0.5 %: never much later than said, which begins with nothing."""
    rng, per_look, waits = np.random.default_rng(6), 40, []
    r = at_most("error_rate", 0.005)
    for _ in range(RUNS):
        hits = [*rng.binomial(per_look, 0.001, 48), *rng.binomial(per_look, rate, 400)]
        pieces = [
            Evidence(requirement=r, release="r", source="live", counts=(Count(str(i), int(h), per_look),))
            for i, h in enumerate(hits)
        ]
        waits.append(waited(pieces, 48))
    said = rate_delay(rate=rate, limit=0.005, per_look=per_look, run_length=365 * 24 * 4, most=2_000)
    assert said.caught == 1.0 and 0.85 < said.mean / float(np.mean(waits)) < 1.2
    assert np.mean([w <= said.nine_in_ten for w in waits]) > 0.82


def test_a_losss_fault_ends_the_lease_about_when_said() -> None:
    """Paired daily losses; a good past at zero gives the detector little to forget."""
    rng, waits = np.random.default_rng(8), []
    r = no_worse("log_loss", margin=0.02, than="predecessor")
    for _ in range(RUNS):
        xs = np.concatenate([rng.normal(0.0, 0.03, 30), rng.normal(0.08, 0.03, 120)])
        blocks = [Block(str(i), 900, x, x, x, min(-0.15, x)) for i, x in enumerate(xs.tolist())]
        pieces = [Evidence(requirement=r, release="r", source="live", comparator="p", blocks=(b,)) for b in blocks]
        waits.append(waited(pieces, 30))
    said = mean_delay(effect=0.08, limit=0.02, sd=0.03, rho=0.0, floor=-0.15, run_length=365 * 4, most=365)
    assert said.caught == 1.0 and 0.9 < said.mean / float(np.mean(waits)) < 1.2


def test_larger_faults_and_more_traffic_are_caught_sooner() -> None:
    """And what is within its limit is hardly ever caught."""
    usual = {"limit": 0.005, "run_length": 365.0 * 24, "most": 600}
    small, large = (rate_delay(rate=rate, per_look=40, **usual).mean for rate in (0.01, 0.04))
    assert large < small and rate_delay(rate=0.01, per_look=400, **usual).mean < small
    assert rate_delay(rate=0.002, per_look=40, **usual).caught < 0.05
    assert mean_delay(effect=0.0, limit=0.02, sd=0.03, rho=0.1, floor=-0.15, run_length=365.0, most=365).caught < 0.05


def test_a_handful_of_events_a_day_is_counted_as_they_come() -> None:
    """Half an event an hour: the events until it is caught are about those of more traffic, not the hours."""
    usual = {"rate": 0.1, "limit": 0.005, "run_length": 365.0 * 24, "most": 4_000}
    slow, fast = rate_delay(per_look=0.5, **usual), rate_delay(per_look=5.0, **usual)
    assert slow.caught == 1.0 and 0.5 * slow.mean == pytest.approx(5.0 * fast.mean, rel=0.25)
