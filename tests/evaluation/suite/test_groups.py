"""Each pair of groups is judged by itself, and noise is no difference."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from plimsoll import at_least, at_most
from plimsoll.errors import UsageError
from plimsoll.evaluation import Evaluation, evidence
from plimsoll.evaluation.curve import Curves
from plimsoll.evaluation.suite.fairness import fairness
from plimsoll.kernel.verdict import Policy, Ruling, judge

DIFFERENCE = "demographic_parity_difference"


def people(rates: list[float], *, per_block: int = 400, blocks: int = 14, seed: int = 0) -> dict[str, Any]:
    """Groups that are called positive so often."""
    rng = np.random.default_rng(seed)
    n = per_block * blocks
    groups = rng.integers(0, len(rates), n)
    called = rng.random(n) < np.asarray(rates)[groups]
    return {
        "scores": np.where(called, 0.9, 0.1),
        "labels": (rng.random(n) < 0.5).astype(float),
        "blocks": [f"2013-01-{b + 1:02d}" for b in np.repeat(np.arange(blocks), per_block)],
        "groups": [f"g{g}" for g in groups],
    }


def ruling(requirement: Any, rows: dict[str, Any]) -> Ruling:
    found = fairness(requirement.metric, by="group", **rows)
    seen = Evaluation(
        task="binary", rows=1, missing=0, blocks=(), comparators=(), measures=found.pairs, curves=Curves()
    )
    given = evidence(seen, [requirement], release="r")
    return judge(given, Policy(), datetime(2013, 2, 1, tzinfo=UTC)).ruling


@pytest.mark.parametrize(
    ("rates", "expected"),
    [([0.3, 0.31, 0.32], Ruling.PASS), ([0.3, 0.31, 0.55], Ruling.FAIL), ([0.3, 0.3, 0.4], Ruling.INCONCLUSIVE)],
)
def test_the_limit_is_kept_between_any_two(rates: list[float], expected: Ruling) -> None:
    assert ruling(at_most(DIFFERENCE, 0.1, by="group"), people(rates)) is expected


def test_a_ratio_is_at_least_so_much() -> None:
    """Four fifths."""
    asked = at_least("demographic_parity_ratio", 0.8, by="group")
    assert ruling(asked, people([0.4, 0.41], per_block=2000)) is Ruling.PASS
    assert ruling(asked, people([0.4, 0.2], per_block=2000)) is Ruling.FAIL


def test_groups_at_the_limit_are_rarely_said_to_break_it() -> None:
    """Six groups, nine of whose pairs lie exactly at the limit: 5 % of the time at most, and what is over is noise."""
    asked = at_most(DIFFERENCE, 0.1, by="group")
    rates = [0.3, 0.3, 0.3, 0.4, 0.4, 0.4]
    wrong = sum(ruling(asked, people(rates, seed=s, per_block=600)) is Ruling.FAIL for s in range(100))
    assert wrong <= 10  # P(more of 100 at 5 %) is 1 %


def test_small_groups_are_shown_and_not_judged() -> None:
    """And of one group alone there is nothing to compare: inconclusive, not an exception."""
    rows = people([0.3, 0.3])
    rows["groups"] = ["rare" if i % 100 == 0 else g for i, g in enumerate(rows["groups"])]
    found = fairness(DIFFERENCE, by="group", **rows)
    assert [(g.name, g.judged) for g in found.groups] == [("g0", True), ("g1", True), ("other", False)]
    assert len(found.pairs) == 1 and found.pairs[0].slice.startswith("group=g")
    rows["groups"] = ["one"] * len(rows["groups"])
    assert ruling(at_most(DIFFERENCE, 0.1, by="group"), rows) is Ruling.INCONCLUSIVE


def test_names_that_are_row_numbers_are_no_groups() -> None:
    rows = people([0.3] * 40, per_block=2000)
    with pytest.raises(UsageError, match="40 groups, which make 780 pairs"):
        fairness(DIFFERENCE, by="group", **rows)


def test_equalised_odds_names_the_rate() -> None:
    """Two pieces of evidence for a pair: one for the positives, one for the negatives."""
    found = fairness("equalised_odds_difference", by="group", **people([0.3, 0.5]))
    assert sorted(p.slice.partition(", ")[2] for p in found.pairs) == ["of its negatives", "of its positives"]
    assert found.value == found.pairs[0].value
