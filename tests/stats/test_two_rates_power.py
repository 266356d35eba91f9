"""What a comparison of two rates is said to see, against simulated rollouts judged by the kernel."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from plimsoll.kernel.requirement import Requirement, equivalent, no_worse
from plimsoll.kernel.verdict import Count, Evidence, Policy, Ruling, judge
from plimsoll.stats.two_rates_power import power_of_difference

NOW, RUNS = datetime(2026, 1, 1, tzinfo=UTC), 120


def ruled(requirement: Requirement, n: int, ours: float, theirs: float, ruling: Ruling) -> float:
    """How often a shadow of ``n`` events ends so."""
    rng = np.random.default_rng(4)
    drawn = np.column_stack([rng.binomial(n, ours, RUNS), rng.binomial(n, theirs, RUNS)])
    pairs, times = np.unique(drawn, axis=0, return_counts=True)
    found = 0
    for (a, b), many in zip(pairs.tolist(), times.tolist(), strict=True):
        piece = Evidence(
            requirement=requirement,
            release="r",
            source="shadow",
            comparator="c",
            counts=(Count("all", a, n),),
            against=(Count("all", b, n),),
        )
        found += many * (judge((piece,), Policy(), NOW).ruling is ruling)
    return found / RUNS


@pytest.mark.parametrize(("n", "rate", "margin"), [(1_500, 0.005, 0.02), (300, 0.1, 0.15), (500, 0.0, 0.02)])
def test_an_equal_candidate_passes_as_often_as_said(n: int, rate: float, margin: float) -> None:
    """Within what 120 rollouts tell."""
    happens = ruled(no_worse("error_rate", margin=margin, than="champion"), n, rate, rate, Ruling.PASS)
    said = power_of_difference(n=n, ours=rate, theirs=rate, limit=margin, alpha=0.05, decided="within")
    assert said == pytest.approx(happens, abs=0.11)


@pytest.mark.parametrize(("n", "ours"), [(1_200, 0.04)])
def test_a_fault_is_convicted_as_often_as_said(n: int, ours: float) -> None:
    """A champion that errs once in 200, and a margin as large."""
    happens = ruled(no_worse("error_rate", margin=0.005, than="champion"), n, ours, 0.005, Ruling.FAIL)
    said = power_of_difference(n=n, ours=ours, theirs=0.005, limit=0.005, alpha=0.05, decided="beyond")
    assert said == pytest.approx(happens, abs=0.11)


def test_equivalence_has_to_be_shown_on_both_sides() -> None:
    """It passes as often as said, and less often than what need not be better."""
    n, rate, margin = 1_200, 0.01, 0.02
    happens = ruled(equivalent("error_rate", margin=margin, than="champion"), n, rate, rate, Ruling.PASS)
    usual = {"n": n, "ours": rate, "theirs": rate, "limit": margin, "alpha": 0.05}
    both = power_of_difference(**usual, decided="either_way")
    assert both == pytest.approx(happens, abs=0.11)
    assert both < power_of_difference(**usual, decided="within")


def test_more_events_show_more_and_none_show_nothing() -> None:
    """The chance rises with the events, and what is not so is not shown more often than the error allows."""
    usual = {"theirs": 0.005, "limit": 0.005, "alpha": 0.05}
    chances = [power_of_difference(n=n, ours=0.005, decided="within", **usual) for n in (0, 2_000, 8_000, 32_000)]
    assert chances[0] == 0.0 and chances == sorted(chances) and chances[-1] > 0.95
    assert power_of_difference(n=8_000, ours=0.01, decided="within", **usual) < 0.05
