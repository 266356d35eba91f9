"""Equivalence and superiority with a margin: what passes, what fails, and how often wrongly."""

from __future__ import annotations

import numpy as np
import pytest

from plimsoll.kernel.explanation import explained
from plimsoll.kernel.requirement import Requirement, better, equivalent
from plimsoll.kernel.verdict import Count, Evidence, Ruling, Source, judge

from .given import NOON, POLICY, about, blocks

SAME = equivalent("log_loss", margin=0.02, than="champion")
GAIN = better("log_loss", margin=0.02, than="champion")


def ruled(requirement: Requirement, mean: float, source: Source = "gate", n: int = 14) -> Ruling:
    e = Evidence(requirement=requirement, release="r", source=source, comparator="c", blocks=blocks(*about(mean, n)))
    return judge([e], POLICY, NOON).ruling


@pytest.mark.parametrize("source", ["gate", "shadow"])
@pytest.mark.parametrize(
    ("mean", "same", "gain"), [(0.001, "pass", "fail"), (0.2, "fail", "fail"), (-0.2, "fail", "pass")]
)
def test_each_side_is_judged(source: Source, mean: float, same: str, gain: str) -> None:
    """Alike, clearly worse, clearly better."""
    assert (ruled(SAME, mean, source), ruled(GAIN, mean, source)) == (same, gain)


def test_at_its_margin_nothing_is_shown() -> None:
    """On either side."""
    assert ruled(SAME, 0.02) is ruled(SAME, -0.02) is ruled(GAIN, -0.02) is Ruling.INCONCLUSIVE


def test_a_missing_outcome_could_lie_on_either_side() -> None:
    """Equivalence needs both the best and the worst of it."""
    open_ended = tuple(b.__class__(b.name, b.n, b.mean, -0.5, 0.5, -1.0, 5) for b in blocks(*about(0.0, 14)))
    e = Evidence(requirement=SAME, release="r", source="gate", comparator="c", blocks=open_ended)
    assert judge([e], POLICY, NOON).ruling is Ruling.INCONCLUSIVE


def test_error_rates_may_be_equivalent() -> None:
    """Counted, exactly."""
    requirement = equivalent("error_rate", margin=0.02, than="champion")
    counts = {"counts": (Count("h", 100, 20_000),), "against": (Count("h", 100, 20_000),)}
    e = Evidence(requirement=requirement, release="r", source="shadow", comparator="c", **counts)
    assert judge([e], POLICY, NOON).ruling is Ruling.PASS


def test_it_is_explained_on_both_sides() -> None:
    """With the margin in words."""
    e = Evidence(requirement=SAME, release="r", source="gate", comparator="c" * 16, blocks=blocks(*about(0.001, 14)))
    says = explained(judge([e], POLICY, NOON), [e])[0].says
    assert "worse; 0.02 either way is allowed" in says and "between" in says
    gain = Evidence(requirement=GAIN, release="r", source="gate", comparator="c" * 16, blocks=blocks(*about(-0.2, 14)))
    assert "it has to be 0.02 better" in explained(judge([gain], POLICY, NOON), [gain])[0].says


@pytest.mark.parametrize(("mean", "wrong"), [(0.02, Ruling.PASS), (-0.02, Ruling.PASS), (0.0, Ruling.FAIL)])
def test_it_is_wrong_no_more_often_than_promised(mean: float, wrong: Ruling) -> None:
    """At its margin it passes, and in the middle it fails, in 5 % of the gates at most."""
    rng, false = np.random.default_rng(11), 0
    for _ in range(400):
        days = blocks(*rng.normal(mean, 0.02, 14).tolist())
        e = Evidence(requirement=SAME, release="r", source="gate", comparator="c", blocks=days)
        false += judge([e], POLICY, NOON).ruling is wrong
    assert false <= 29  # P(more | 5 %) < 2 %
