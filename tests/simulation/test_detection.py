"""What ``benchmarks/detection.py`` shows with thousands of runs, with a few hundred: faults are caught soon, and rarely
where there are none."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from benchmarks.detection import Fault, faults, simulate

from operations.given import HOUR, T0, asked, told
from plimsoll.kernel.block import namer
from plimsoll.kernel.case import Decision, Terms
from plimsoll.kernel.columns import in_columns
from plimsoll.kernel.decide import decide
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.requirement import at_most, no_worse
from plimsoll.kernel.rollout import Deployment, Live, Rollout, Shadow
from plimsoll.kernel.verdict import Policy
from plimsoll.operations.exposure import ExposureWatch
from plimsoll.operations.observe import Observer
from plimsoll.operations.skew import SkewWatch
from plimsoll.operations.tally import Tally

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


def test_the_loop_takes_a_broken_canary_back_within_a_minute() -> None:
    """Blocks of half a second, a pass every second: a candidate whose every tenth answer is noise is convicted on log loss
    alone, before 1,000 of its requests, through the tally, the observer and the rules."""
    rng, house = np.random.default_rng(9), House()
    decision = next(d for second in range(50) if (d := house.second(rng, second)) and d.kind != "look")
    assert decision.kind == "rolled_back" and decision.verdict is not None
    (failed,) = [f for f in decision.verdict.findings if f.ruling == "fail"]
    assert failed.metric == "log_loss" and failed.events < 1_000


class House:
    """A canary of ``new`` against the fallback at 20 requests a second, whose outcomes come at once."""

    def __init__(self) -> None:
        requires = (no_worse("log_loss", margin=1e-9, than="champion"), at_most("error_rate", 0.01))
        plan = (Shadow(blocks=200, deadline_blocks=1_000, requires=requires), Live())
        self.terms = Terms(plan=plan, policy=Policy(planned_blocks=80))
        self.tally = Tally(task="binary", maturity=HOUR, keep_blocks=2_000)
        skew = SkewWatch(lambda *_: np.empty((0, 1), np.float32), lambda _: [])
        self.observer = Observer(
            self.tally, skew, ExposureWatch(), self.terms, block_length=timedelta(milliseconds=500)
        )
        rollout = Rollout(
            release="new", champion=FALLBACK, plan=plan, stage=0, state=State.SHADOW, started_at=T0, since=T0,
            evidence_since=T0,
        )  # fmt: skip
        self.deployment = Deployment(capability="late", rollout=rollout, states={"new": State.SHADOW})
        self.name = namer("500 ms")

    def second(self, rng: np.random.Generator, second: int) -> Decision | None:
        """What the pass decides after one more second of traffic."""
        records = []
        for i in range(20):
            at = T0 + timedelta(seconds=second + i / 20)
            truth = 1 / (1 + np.exp(0.8 - 1.6 * rng.standard_normal()))
            score = float(rng.random() if i % 10 == 0 else truth)
            said = {"new": min(max(score, 0.01), 0.99), FALLBACK: min(max(float(truth), 0.01), 0.99)}
            records += asked(f"{second}-{i}", at, said, block=self.name(at))
            records.append(told(f"{second}-{i}", float(rng.random() < truth), at))
        self.tally.read(in_columns(records))
        now = T0 + timedelta(seconds=second + 1)
        self.tally.close(now)
        decision = decide(self.deployment, self.observer.observe(self.deployment, now), self.terms)
        self.deployment = decision.deployment if decision else self.deployment
        return decision
