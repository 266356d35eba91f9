"""Requirements pick their evidence, and the kernel judges it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from plimsoll.errors import UsageError
from plimsoll.evaluation import evidence, measure
from plimsoll.kernel.requirement import at_least, at_most, better, no_worse
from plimsoll.kernel.verdict import Policy, Ruling, judge

NOW = datetime(2013, 2, 1, tzinfo=UTC)
GATE = (
    at_least("auc", 0.60),
    at_most("calibration_error", 0.10),
    no_worse("log_loss", margin=0.01, than="fallback"),
    no_worse("brier", margin=0.03, than="fallback", by="origin"),
)


def judged(found: Any, requirements: Any = GATE, **more: Any) -> Any:
    made = evidence(found, requirements, release="r1", comparators={"fallback": "fallback"}, **more)
    return judge(made, Policy(), NOW)


def test_a_good_release_passes_its_gate(days: Any) -> None:
    """One finding for each requirement, one for each judged slice."""
    verdict = judged(measure(["auc", "calibration_error", "log_loss", "brier"], **days().rows))
    assert verdict.ruling is Ruling.PASS
    assert [f.slice for f in verdict.findings] == ["all", "all", "all", "origin=EWR", "origin=JFK", "origin=LGA"]


def test_a_useless_release_fails(days: Any) -> None:
    """Worse than the fallback by a mile."""
    d = days()
    verdict = judged(measure(["log_loss"], **(d.rows | {"scores": 1 - d.scores})), GATE[2:3])
    assert verdict.ruling is Ruling.FAIL and "no worse than the fallback" in verdict.reasons[0]


def test_three_days_are_too_few(days: Any) -> None:
    """However good they look."""
    assert judged(measure(["log_loss"], **days(blocks=3).rows), GATE[2:3]).ruling is Ruling.INCONCLUSIVE


def test_half_of_the_outcomes_missing_is_inconclusive(days: Any) -> None:
    """What the missing half could change crosses the limit both ways, so nothing rests on the half that came."""
    found = measure(["accuracy"], **days(missing=0.5).rows)
    assert judged(found, [better("accuracy", than="fallback")]).ruling is Ruling.INCONCLUSIVE


def test_a_problem_makes_all_of_it_invalid(days: Any) -> None:
    """Leakage is found before, and nothing is judged."""
    verdict = judged(measure(["auc"], **days().rows), GATE[:1], problems=["dep_delay is not known when asked"])
    assert verdict.ruling is Ruling.INVALID and "dep_delay" in verdict.reasons[0]


def test_no_slice_large_enough_is_inconclusive_and_says_so(days: Any) -> None:
    """A requirement per slice is not passed by having no slices."""
    found = measure(["brier"], **days().rows, minimum=100_000)
    verdict = judged(found, GATE[3:])
    assert verdict.ruling is Ruling.INCONCLUSIVE and "fewer than 100000" in verdict.reasons[0]


def test_the_same_rows_give_the_same_evidence(days: Any) -> None:
    """Its id is a digest of statistics rounded to 12 digits."""

    def ids() -> list[str]:
        found = measure(["auc", "calibration_error", "log_loss", "brier"], **days(missing=0.03).rows)
        return [e.id for e in evidence(found, GATE, release="r", comparators={"fallback": "fallback"})]

    assert ids() == ids() and len(set(ids())) == 6


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        (at_least("accuracy", 0.5), "accuracy was not measured"),
        (no_worse("auc", margin=0.01, than="champion"), "no champion was scored"),
        (at_least("auc", 0.5, by="orgin"), "nothing was sliced by 'orgin'"),
    ],
)
def test_what_was_not_measured_is_named(days: Any, requirement: Any, message: str) -> None:
    """A requirement without evidence is a mistake in the wiring, not a pass."""
    found = measure(["auc"], **days(per_block=100).rows)
    with pytest.raises(UsageError, match=message):
        evidence(found, [requirement], release="r", comparators={"fallback": "fallback"})


def test_evidence_has_no_value_without_canonical_form(days: Any) -> None:
    """No NaN and no infinity gets into a digest."""
    found = measure(["auc", "brier"], **days(missing=0.5, per_block=20).rows)
    for e in evidence(found, [at_least("auc", 0.5), at_most("brier", 1)], release="r"):
        assert e.id and all(np.isfinite([b.mean, b.low, b.high, b.floor]).all() for b in e.blocks)
