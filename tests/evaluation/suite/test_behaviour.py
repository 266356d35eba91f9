"""A behaviour fails row by row, is judged by block, and where no row may fail by every case."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from plimsoll import directional, invariance, minimum
from plimsoll.errors import InvalidDeclaration
from plimsoll.evaluation.suite.behaviour import behaved, behaviour_evidence
from plimsoll.kernel.verdict import Policy, Ruling, judge

BLOCKS = np.repeat(np.array([f"2013-01-{d:02d}" for d in range(1, 11)], dtype=object), 50)
UNITS = np.array([f"u{i}" for i in range(500)], dtype=object)
HALF = np.full(500, 0.5)


def ruling(behaviour: Any, after: Any, before: Any = HALF, classes: tuple[str, ...] = ()) -> Ruling:
    found = behaved(behaviour, before, after, BLOCKS[: len(after)], UNITS[: len(after)], classes)
    e = behaviour_evidence(found, behaviour.requirement, "r", ())
    return judge([e], Policy(), datetime(2013, 2, 1, tzinfo=UTC)).ruling


def moved(share: float, by: float, seed: int = 0) -> Any:
    return HALF + by * (np.random.default_rng(seed).random(500) < share)


@pytest.mark.parametrize(
    ("share", "by", "expected"),
    [(1.0, 0.019, Ruling.PASS), (0.5, 0.1, Ruling.FAIL), (0.004, 0.1, Ruling.PASS), (0.05, -0.1, Ruling.INCONCLUSIVE)],
)
def test_an_invariance_allows_small_moves_and_few_failures(share: float, by: float, expected: Ruling) -> None:
    """Up or down; a share near the limit is not shown either way."""
    asked = invariance("names do not matter", change={"name": "x"}, within=0.02, fails=0.05)
    assert ruling(asked, moved(share, by)) is expected


def test_a_direction_may_be_stayed_but_not_turned() -> None:
    """Rounding of a single-precision model is no turn."""
    asked = directional("more rain, more delay", change={"rain": 1.0}, goes="up")
    assert ruling(asked, HALF) is ruling(asked, moved(1.0, 0.3)) is ruling(asked, HALF - 1e-7) is Ruling.PASS
    assert ruling(asked, moved(0.9, -0.05)) is Ruling.FAIL


def test_no_failing_row_in_a_few_days_is_no_rate_of_zero() -> None:
    """The bound says how high the share may still be, and too small a limit is not shown."""
    found = behaved(invariance("same", change={"x": 1}, within=0.1, fails=0.001), HALF, HALF, BLOCKS, UNITS)
    e = behaviour_evidence(found, invariance("same", change={"x": 1}, within=0.1, fails=0.001).requirement, "r", ())
    (finding,) = judge([e], Policy(), datetime(2013, 2, 1, tzinfo=UTC)).findings
    assert finding.ruling is Ruling.INCONCLUSIVE and finding.estimate == 0.0 == finding.low
    assert finding.high is not None and 0.005 < finding.high < 0.05


def test_one_failing_case_is_enough_where_none_may_fail() -> None:
    """No interval: every case was looked at."""
    asked = minimum("a calm day is on time", at_most=0.6)
    assert ruling(asked, HALF) is Ruling.PASS
    assert ruling(asked, np.where(np.arange(500) == 7, 0.7, 0.5)) is Ruling.FAIL
    assert ruling(asked, HALF[:0], HALF[:0]) is Ruling.INCONCLUSIVE


def test_the_rows_that_fail_by_most_are_kept() -> None:
    """With their answers before and after."""
    found = behaved(minimum("low", at_most=0.6), HALF, np.linspace(0, 1, 500), BLOCKS, UNITS)
    assert [t.unit for t in found.worst] == ["u499", "u498", "u497"] and found.worst[0].after == 1.0
    assert found.failing == sum(b.n * b.mean for b in found.blocks) == 200


def test_several_classes_are_asked_together_or_by_name() -> None:
    """An invariance looks at all of them; a direction at one."""
    before = np.tile([0.6, 0.3, 0.1], (500, 1))
    after = np.tile([0.6, 0.1, 0.3], (500, 1))
    asked = invariance("x", change={"a": 1}, within=0.1)
    assert ruling(asked, after, before) is Ruling.FAIL
    up = directional("y", change={"a": 1}, goes="up", of_class="c")
    assert ruling(up, after, before, ("a", "b", "c")) is Ruling.PASS


@pytest.mark.parametrize(
    "make",
    [
        lambda: invariance("", change={"a": 1}, within=0.1),
        lambda: invariance("x", change={}, within=0.1),
        lambda: invariance("x", change={"a": 1}, within=-0.1),
        lambda: invariance("x", change={"a": 1}, within=0.1, fails=1.0),
        lambda: directional("x", change={"a": 1}, goes="sideways"),  # type: ignore[arg-type]
        lambda: minimum("x"),
        lambda: minimum("x", at_least=0.7, at_most=0.6),
    ],
)
def test_what_cannot_be_asked_is_said_at_declaration(make: Any) -> None:
    with pytest.raises(InvalidDeclaration):
        make()


def test_another_question_has_another_digest() -> None:
    """So that a release is judged again when what it is asked has changed."""
    one = invariance("x", change={"a": 1}, within=0.1)
    assert one.digest == invariance("x", change={"a": 1}, within=0.1).digest
    others = [invariance("x", change={"a": 2}, within=0.1), invariance("x", change={"a": lambda r: r["a"]}, within=0.1)]
    assert len({one.digest, *(o.digest for o in others)}) == 3
