"""A finding in plain words, and how much more evidence it takes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from plimsoll.kernel.explanation import Explanation, explained, waiting
from plimsoll.kernel.figure import figure, share, span
from plimsoll.kernel.requirement import Requirement, at_least, at_most, better, no_worse
from plimsoll.kernel.verdict import Block, Count, Evidence, Policy, Ruling, Source, judge

NOW = datetime(2025, 3, 1, tzinfo=UTC)
WAVE = (0.0, 0.004, -0.003, 0.002, -0.004, 0.001)


def days(n: int, mean: float, *, spread: float = 1.0) -> tuple[Block, ...]:
    values = [mean + spread * WAVE[i % len(WAVE)] for i in range(n)]
    first = date(2025, 2, 1)
    return tuple(Block((first + timedelta(days=i)).isoformat(), 100, v, v, v, -5.0, 0) for i, v in enumerate(values))


def said(
    requirement: Requirement,
    *,
    blocks: tuple[Block, ...] = (),
    counts: tuple[Count, ...] = (),
    source: Source = "shadow",
    policy: Policy = Policy(),  # noqa: B008 - frozen
    minimum_blocks: int = 0,
    problems: tuple[str, ...] = (),
) -> Explanation:
    e = Evidence(
        requirement=requirement,
        release="a" * 64,
        source=source,
        comparator="b" * 64 if requirement.compares else "",
        blocks=blocks,
        counts=counts,
        problems=problems,
    )
    verdict = judge((e,), policy, NOW, minimum_blocks=minimum_blocks)
    (found,) = explained(verdict, (e,))
    return found


CLOSE = no_worse("log_loss", margin=0.005, than="champion")


def test_what_is_undecided_says_how_much_more_it_takes() -> None:
    """Blocks, events and hours; with so many more, the verdict is what was foretold."""
    found = said(CLOSE, blocks=days(11, 0.003))
    assert found.ruling is Ruling.INCONCLUSIVE and found.more is not None and found.more.blocks is not None
    more = found.more.blocks
    assert found.more.events == 100 * more and found.more.hours == 24.0 * more and found.more.towards == "pass"
    grown = said(CLOSE, blocks=days(11, 0.003) + days(more, 0.001))
    assert grown.ruling is Ruling.PASS
    assert f"About {more} more block" in found.says and "would show that it holds" in found.says


def test_what_leans_towards_failing_says_so() -> None:
    """More evidence would show that it does not hold."""
    found = said(CLOSE, blocks=days(11, 0.0075))
    assert found.ruling is Ruling.INCONCLUSIVE and found.more and found.more.towards == "fail"
    assert found.says.endswith("like those so far would show that it does not hold.")


def test_too_close_to_the_limit_is_said() -> None:
    """Where even a year of blocks would not decide, nobody is told to wait for them."""
    found = said(better("log_loss", than="champion"), blocks=days(12, 0.0, spread=10.0))
    assert found.more is None and "would not decide it" in found.says


def test_a_stage_that_asks_for_more_blocks_is_counted() -> None:
    """It would hold; what is missing are the blocks that the stage asks for."""
    found = said(CLOSE, blocks=days(14, -0.5), minimum_blocks=20)
    assert found.more is not None and found.more.blocks == 6


def test_few_blocks_foretell_nothing() -> None:
    """Two days say nothing about how days spread; a rate speaks from its first events."""
    found = said(CLOSE, blocks=days(2, 0.001))
    assert found.more is None and "2 blocks cannot tell how many it takes; at least 10" in found.says
    rate = said(at_most("error_rate", 0.01), counts=(Count("2025-02-01T00…2025-02-01T09", 0, 100),))
    assert rate.more is not None and rate.more.blocks is None and rate.more.events > 100
    assert rate.more.hours == pytest.approx(10 * rate.more.events / 100, rel=0.01)


def test_blocks_that_are_no_times_have_no_hours() -> None:
    """A voyage is a block whose length nobody knows."""
    voyages = tuple(Block(f"voyage {i}", b.n, b.mean, b.low, b.high, b.floor) for i, b in enumerate(days(11, 0.003)))
    found = said(CLOSE, blocks=voyages)
    assert found.more is not None and found.more.hours is None and "events) like those" in found.says


def test_what_holds_is_said_with_its_bound_and_limit() -> None:
    """A comparison, a value and a share, each as a person would say it."""
    assert "is 0.5 better than champion bbbbbbbbbbbb" in said(CLOSE, blocks=days(12, -0.5, spread=0.0)).says
    level = said(at_least("auc", 0.6), blocks=days(14, 0.7), source="gate").says
    assert level.startswith("It holds: auc is 0.7") and level.endswith("at least 0.6 is asked for.")
    assert ", no lower than 0.6" in level
    slow = said(at_most("latency_p95_ms", 50), counts=(Count("2025-02-01T00", 5, 5000),)).says
    assert "0.1 % of the answers take longer than 50 ms" in slow and "at most 5 % may" in slow


def test_invalid_evidence_is_not_cured_by_more() -> None:
    """The sentence says that waiting does not help."""
    found = said(CLOSE, blocks=days(12, 0.0), problems=("leakage: x",))
    assert found.more is None and "leakage: x" in found.says and "More data does not help" in found.says


def test_a_lease_says_how_near_the_alarm_is() -> None:
    """Its evidence of change, and where it ends the lease: as the detector itself has it."""
    held = said(CLOSE, blocks=days(5, -0.1), source="live")
    lost = said(CLOSE, blocks=days(200, 4.0), source="live")
    assert held.says.startswith("It holds") and "the lease ends at e^6.6" in held.says
    assert lost.ruling is Ruling.FAIL and lost.says.startswith("It no longer holds")


def test_the_longest_wait_is_what_a_status_shows() -> None:
    """Of two open questions the slower one; none where all is decided."""
    slow, quick = said(CLOSE, blocks=days(11, 0.003)), said(CLOSE, blocks=days(11, 0.0025))
    assert slow.more and quick.more and waiting([quick, slow]) == waiting([slow])
    assert waiting([said(CLOSE, blocks=days(30, -0.5))]) == ""


@pytest.mark.parametrize(
    ("value", "beside", "shown"),
    [(-2.143e-13, (0.05,), "0"), (2e-9, (0.05,), "0"), (2e-9, (3e-9,), "2e-09"), (0.0, (), "0"), (-0.12345, (), "-0.1235"),
     (12074.4, (), "12,074"), (None, (), "–")],
)  # fmt: skip
def test_a_figure_never_shows_noise(value: float | None, beside: tuple[float, ...], shown: str) -> None:
    """What is left of zero after summing is zero, beside a limit that is not as small."""
    assert figure(value, *beside) == shown


def test_shares_and_times_are_in_a_persons_units() -> None:
    """Per cent without a tail of zeros; minutes, hours or days."""
    assert (share(0.005), share(0.05), share(0.0), share(0.00001)) == ("0.5 %", "5 %", "0 %", "0.001 %")
    assert (span(0.2), span(5), span(96)) == ("12 minutes", "5 hours", "4 days")
